"""Spools of a given depth, made without the queue's own code in the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.limits import TRUE
from spoolq.create import create
from spoolq.layout import Layout
from spoolq.names import Stem, new_stem, parse_stamp

#: How long ago the oldest job of a deep spool was submitted; whatever a benchmark submits comes behind. A STEM that is
#: a day older than its file would be given a place of its own.
_AGO = timedelta(minutes=30)


def make(root: Path, *, durability: str = "full", depth: int = 0) -> list[Stem]:
    """A spool with *depth* queued jobs, each a real file of its own that runs `true`; their STEMs, in order."""
    create(root)
    if durability != "full":
        Layout(root).settings.write_text(f'durability = "{durability}"\n', encoding="utf-8")
    first = datetime.now(UTC) - _AGO
    stems = [new_stem(first + timedelta(milliseconds=place)) for place in range(depth)]
    for stem in stems:
        put(root, stem, [TRUE])
    return stems


def put(root: Path, stem: Stem, argv: list[str]) -> None:
    """Queue a job under a STEM of one's choice, without fsync."""
    Layout(root).queued(stem).write_bytes(json.dumps({"request": {"command": argv}, "recipe": "command"}).encode())


def after(stem: Stem) -> Stem:
    """A STEM that comes directly behind *stem*, and before every other of a deep spool."""
    return new_stem(parse_stamp(stem.stamp) + timedelta(microseconds=1))
