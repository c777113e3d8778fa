"""task-spooler: a daemon that holds its queue in memory, one waiting client a job."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bed import Bed
from benchmarks.peers import Command


class TaskSpooler:
    """`tsp` with a socket of its own."""

    name = "task-spooler"
    #: Beyond TS_MAXCONN - about 1000 - a submit blocks.
    most: int | None = 900

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.program = shutil.which("tsp") or shutil.which("ts") or "tsp"

    def missing(self) -> str | None:
        return None if shutil.which("tsp") else "task-spooler: apt-get install task-spooler"

    def version(self) -> str:
        said = subprocess.run([self.program, "-V"], capture_output=True, text=True, check=False).stdout
        return said.partition(" - ")[0].removeprefix("Task Spooler v").strip()

    def start(self, folder: Path, *, serve: bool = True) -> None:
        del serve  # the first client starts the server
        self.env = {**self.bed.env, "TS_SOCKET": str(folder / "socket"), "TMPDIR": str(folder), "TS_SLOTS": "1"}
        self._call()

    def _call(self, *words: str) -> None:
        subprocess.run([self.program, *words], env=self.env, stdout=subprocess.DEVNULL, check=True)

    def submit(self, argv: Sequence[str]) -> None:
        self._call(*argv)

    def command(self, argv: Sequence[str]) -> Command:
        return Command([self.program, *argv], self.env)

    def stop(self) -> None:
        self._call("-K")
