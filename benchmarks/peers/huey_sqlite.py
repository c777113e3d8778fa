"""huey on SQLite, with fsync, looked at every 10 ms: it has no wake-up between processes.

Run as a program this file is its consumer and its one-shot client: `huey_sqlite.py consume|submit FILE [ARGV...]`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.bed import Bed
    from benchmarks.peers import Command

_POLL_S = 0.01


def application(file: str) -> tuple[Any, Any]:
    """The queue in *file*, and its one task."""
    from huey import SqliteHuey

    def evaluate(argv: list[str]) -> None:
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)

    evaluate.__module__ = "bench"  # the task's name, which all processes must agree on
    queue = SqliteHuey("bench", filename=file, fsync=True)
    return queue, queue.task()(evaluate)


class HueySqlite:
    """A consumer with one worker thread."""

    name = "huey (SQLite, fsync, looks every 10 ms)"
    most: int | None = None

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.consumer: subprocess.Popen[bytes] | None = None

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("huey") else "huey: pip install '.[bench]'"

    def version(self) -> str:
        return version("huey")

    def start(self, folder: Path, *, serve: bool = True) -> None:
        from benchmarks.peers import processes

        self.file = str(folder / "huey.db")
        self.task = application(self.file)[1]
        if serve:
            self.consumer = processes.begin([*self._own("consume")], folder, self.bed.env)
            self.submit(self.bed.clockwork.stamp("ready"))
            self.bed.clockwork.heard("ready")

    def _own(self, verb: str) -> list[str]:
        return [str(self.bed.python), "-P", __file__, verb, self.file]

    def submit(self, argv: Sequence[str]) -> None:
        self.task(list(argv))

    def command(self, argv: Sequence[str]) -> Command:
        from benchmarks.peers import Command

        return Command([*self._own("submit"), *argv], self.bed.env)

    def stop(self) -> None:
        from benchmarks.peers import processes

        if self.consumer is not None:
            processes.end(self.consumer)
            self.consumer = None


def main(verb: str, file: str, *argv: str) -> None:
    """Consume until told to stop, or submit one job."""
    queue, task = application(file)
    if verb == "submit":
        task(list(argv))
    else:
        queue.create_consumer(workers=1, initial_delay=_POLL_S, max_delay=_POLL_S, backoff=1, periodic=False).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
