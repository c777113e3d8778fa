"""spoolq, behind the same calls as the others."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import spoolq
from benchmarks import spools
from benchmarks.bed import Bed
from benchmarks.peers import Command, processes
from spoolq.api import Spool


class Spoolq:
    """One slot of `spoolq run`, with a durability."""

    most: int | None = None

    def __init__(self, bed: Bed, durability: str = "full") -> None:
        self.bed, self.durability = bed, durability
        self.name = f"spoolq, durability {durability}"
        self.process: subprocess.Popen[bytes] | None = None

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return spoolq.__version__

    def start(self, folder: Path, *, serve: bool = True) -> None:
        spools.make(folder / "spool", durability=self.durability)
        self.open(folder / "spool", serve=serve)

    def open(self, root: Path, *, serve: bool = True) -> None:
        """Take a spool that exists; with *serve*, run it and wait until a job has been through."""
        self.root, self.spool = root, Spool(root)
        if serve:
            self.serve()
            self.spool.submit({"command": self.bed.clockwork.stamp("ready")}, priority="urgent")
            self.bed.clockwork.heard("ready")

    def serve(self) -> subprocess.Popen[bytes]:
        """Start `spoolq run` on the spool."""
        argv = [*self.bed.script("spoolq", "spoolq"), "run", "--spool", str(self.root), "--slots", "bench="]
        self.process = processes.begin(argv, self.root.parent, self.bed.env)
        return self.process

    def submit(self, argv: Sequence[str]) -> None:
        self.spool.submit({"command": list(argv)})

    def command(self, argv: Sequence[str]) -> Command:
        words = [*self.bed.script("spoolq", "spoolq"), "submit", "--spool", str(self.root), "--", *argv]
        return Command(words, self.bed.env)

    def stop(self) -> None:
        if self.process is not None:
            processes.end(self.process)
            self.process = None
