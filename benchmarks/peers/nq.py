"""nq: no daemon; each job is a process that waits for the locks of those before it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bed import Bed
from benchmarks.peers import Command


class Nq:
    """`nq` with a directory of its own."""

    name = "nq"
    #: Two processes a queued job.
    most: int | None = 900

    def __init__(self, bed: Bed) -> None:
        self.bed = bed

    def missing(self) -> str | None:
        return None if shutil.which("nq") else "nq: apt-get install nq"

    def version(self) -> str:
        words = ["dpkg-query", "-W", "-f", "${Version}", "nq"]
        with contextlib.suppress(OSError):
            return subprocess.run(words, capture_output=True, text=True, check=False).stdout.partition("-")[0] or "?"
        return "?"

    def start(self, folder: Path, *, serve: bool = True) -> None:
        del serve
        self.folder = folder
        self.env = {**self.bed.env, "NQDIR": str(folder)}

    def submit(self, argv: Sequence[str]) -> None:
        subprocess.run(["nq", "-q", *argv], env=self.env, stdout=subprocess.DEVNULL, check=True)

    def command(self, argv: Sequence[str]) -> Command:
        return Command(["nq", "-q", *argv], self.env)

    def stop(self) -> None:
        for name in os.listdir(self.folder):  # `,STAMP.PID`; the x bit goes when the job has ended
            path = self.folder / name
            if name.startswith(",") and path.stat().st_mode & 0o100:
                with contextlib.suppress(ProcessLookupError, ValueError):
                    os.kill(int(name.rpartition(".")[2]), signal.SIGTERM)
