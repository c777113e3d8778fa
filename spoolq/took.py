"""How long jobs took that are like another: from the records of this spool's newest completed jobs.

Nothing is written, and what is remembered lasts as long as the process: the records are the truth. How much is read is
bounded in records, bytes and seconds, so that a look costs as much in a spool of a million ends as in one of a
thousand.
"""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spoolq.errors import RequestInvalid
from spoolq.files import read_regular
from spoolq.finish import MAX_RECORD
from spoolq.recipes import choose
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import State

#: The newest records that count once they are known.
_RECORDS = 500
#: How many of them one look reads, for how many bytes and seconds.
_READ, _BYTES, _SECONDS = 200, 16 << 20, 0.25
#: What two jobs share, the narrowest first; a job's expectations rest on the first of these of which there is a past.
LEVELS = ("recipe, model, tasks and limit", "recipe and model", "recipe", "all jobs")

Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Like:
    """The durations, in seconds and sorted, of completed jobs that share *level* with the job asked about."""

    level: str
    seconds: Sequence[float]


class Past:
    """The newest completed jobs of a spool. Who looks again and again keeps one: a record is read once."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock = store, clock
        self._known: dict[str, tuple[Kind, float] | None] = {}
        self._groups: dict[tuple[str, ...], list[float]] = {}

    def refresh(self, names: Iterable[str]) -> None:
        """Take in *names*, those of all jobs in ``completed/`` as they are now; what is not among them is forgotten."""
        newest = heapq.nlargest(_RECORDS, names)
        left, to_read, deadline = _BYTES, _READ, self.clock() + _SECONDS
        known: dict[str, tuple[Kind, float] | None] = {}
        for name in newest:
            if name in self._known:
                known[name] = self._known[name]
            elif left > 0 and to_read > 0 and self.clock() < deadline:
                settled, fact, size = self._read(name)
                left, to_read = left - size, to_read - 1
                if settled:
                    known[name] = fact
        if known != self._known:
            self._known = known
            self._groups = _grouped(fact for fact in known.values() if fact)

    def like(self, record: Mapping[str, Any]) -> Like | None:
        """What is known of jobs like that of *record*; None in a spool where nothing has completed yet."""
        kind = kind_of(record, self.store.settings)
        for level, group in zip(LEVELS, _groups_of(kind), strict=True):
            if group in self._groups:
                return Like(level, self._groups[group])
        return None

    def all(self) -> Sequence[float]:
        """The durations of all, sorted."""
        return self._groups.get((), [])

    def _read(self, name: str) -> tuple[bool, tuple[Kind, float] | None, int]:
        """Whether a record will stay as it is, what it tells, and how many bytes that took."""
        try:
            data, _ = read_regular(self.store.layout.state(State.COMPLETED) / name, MAX_RECORD)
            record = json.loads(data)
        except (OSError, ValueError, RecursionError):
            return False, None, 0
        if not isinstance(record, dict) or not record.get("outcome"):
            return False, None, len(data)  # RACE: it has been moved here, and its record is still to follow
        seconds = _seconds(record)
        return True, None if seconds is None else (kind_of(record, self.store.settings), seconds), len(data)


def kind_of(record: Mapping[str, Any], settings: Settings) -> Kind:
    """What a job is, as far as its duration goes: recipe, model, and all else that it was asked for.

    A model is its name with the weights that `model_args` names. A command is known by its first two words.
    """
    request = record.get("request")
    request = request if isinstance(request, Mapping) else {}
    recipe = record.get("recipe")
    if not isinstance(recipe, str):
        try:
            recipe = choose(request, None, settings)
        except RequestInvalid:
            recipe = ""
    if "model" not in request:
        command = request.get("command")
        program = " ".join(map(str, command[:2])) if isinstance(command, list) else ""
        return recipe, program, repr(sorted((key, request[key]) for key in request if key != "env"))
    tasks = request.get("tasks")
    named = sorted(map(str, tasks)) if isinstance(tasks, list) else str(tasks or "")
    return recipe, repr((request["model"], _weights(request))), repr((named, request.get("limit")))


def _weights(request: Mapping[str, Any]) -> str:
    arguments = request.get("model_args")
    if isinstance(arguments, str):
        pairs = (pair.partition("=") for pair in arguments.split(","))
        arguments = {name.strip(): value for name, _, value in pairs}
    if not isinstance(arguments, Mapping):
        return ""
    return next((str(arguments[key]) for key in ("pretrained", "model", "path") if key in arguments), "")


def _seconds(record: Mapping[str, Any]) -> float | None:
    try:
        began, ended = (datetime.fromisoformat(str(record[key])) for key in ("started_at", "completed_at"))
        return max(0.0, (ended - began).total_seconds())
    except (KeyError, TypeError, ValueError):  # a record of somebody else's making
        return None


def _groups_of(kind: Kind) -> list[tuple[str, ...]]:
    return [kind, kind[:2], kind[:1], ()]


def _grouped(facts: Iterable[tuple[Kind, float]]) -> dict[tuple[str, ...], list[float]]:
    groups: dict[tuple[str, ...], list[float]] = {}
    for kind, seconds in facts:
        for group in _groups_of(kind):
            groups.setdefault(group, []).append(seconds)
    for members in groups.values():
        members.sort()
    return groups


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of *ordered* (sorted, not empty) by Hyndman and Fan's definition 6: Weibull's positions k/(n + 1).

    That of n durations is what the next one stays under with the probability *share*. Beyond the outermost positions
    (p90 of fewer than nine) it is the outermost value: more is not known.
    """
    position = share * (len(ordered) + 1)
    below = int(position)
    if below < 1:
        return ordered[0]
    if below >= len(ordered):
        return ordered[-1]
    return ordered[below - 1] + (position - below) * (ordered[below] - ordered[below - 1])
