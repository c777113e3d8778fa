"""The queue as the demonstration shows it: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spoolq import render
from spoolq.api import Spool

_TURN_S = 0.2


def follow(spool: Spool, expected: int, alive: Callable[[], bool], timeout: float) -> bool:
    """Show the queue until *expected* jobs have ended; False when the runner died or *timeout* seconds were over."""
    deadline = time.monotonic() + timeout
    view = _Bars() if sys.stdout.isatty() else _Lines()
    with view:
        while alive() and time.monotonic() < deadline:
            records = spool.records()
            view.update(records)
            if sum(1 for record in records if record["outcome"]) >= expected:
                return True
            time.sleep(_TURN_S)
    return False


class _Lines:
    """A line for each change of state."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, records: Sequence[dict[str, Any]]) -> None:
        for record in sorted(records, key=lambda one: one["created_at"]):
            shown = _state(record)
            if self.seen.get(record["job_id"]) != shown:
                self.seen[record["job_id"]] = shown
                render.line(f"  {record['job_id'][:8]}  {shown:<12} {render.clip(_what(record), 54)}")
                sys.stdout.flush()


class _Bars:
    """A bar a job, redrawn in place."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.fields[job]}"),
            TextColumn("[{task.fields[colour]}]{task.fields[state]:<10}"),
            BarColumn(bar_width=16),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self.bars: dict[str, Any] = {}

    def __enter__(self) -> _Bars:
        self.progress.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.progress.__exit__(kind, error, trace)

    def update(self, records: Sequence[dict[str, Any]]) -> None:
        colours = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan", "queued": "white"}
        for record in sorted(records, key=lambda one: one["created_at"]):
            job = record["job_id"]
            fields = {"job": job[:8], "state": record["status"], "colour": colours[record["status"]]}
            what = render.clip(_what(record), max(10, render.width() - 54))
            if job not in self.bars:
                self.bars[job] = self.progress.add_task(what, total=100, start=False, **fields)
            self._move(self.bars[job], record, what, fields)

    def _move(self, bar: Any, record: Mapping[str, Any], what: str, fields: Mapping[str, Any]) -> None:
        task = next(one for one in self.progress.tasks if one.id == bar)
        if record["status"] != "queued" and not task.started:
            self.progress.start_task(bar)
        percent = (record["progress"] or {}).get("percent", 0)
        done = 100 if record["outcome"] else percent
        self.progress.update(bar, completed=done, description=what, **fields)
        if record["outcome"]:
            self.progress.stop_task(bar)


def _state(record: Mapping[str, Any]) -> str:
    position = record["position_in_queue"]
    return f"queued ({position})" if position is not None else str(record["status"])


def _what(record: Mapping[str, Any]) -> str:
    if record["outcome"] == "invalid":
        return "rejected: " + render.safe(record["error"])
    text = render.subject(record)
    return f"{record['recipe']}: {text}" if record["recipe"] not in (None, "command") else text
