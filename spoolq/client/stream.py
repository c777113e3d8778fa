"""Server-sent events, read from a response as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its *name*, its *data*, and the *id* with which one goes on behind it."""

    name: str
    data: Any
    id: str | None = None


def events(lines: Iterable[str]) -> Iterator[Event]:
    """The events in *lines*; an unfinished last one is left out, as the format has it."""
    name, data, last = "message", list[str](), None
    for line in lines:
        if not line:
            if data:
                yield Event(name, json.loads("\n".join(data)), last)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last = value
