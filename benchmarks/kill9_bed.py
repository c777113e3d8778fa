"""Where an experiment of `benchmarks.kill9` takes place: its folder, its job, its processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

#: Not SPOOLQ_*: an evaluation does not inherit those.
_MARK = "KILL9_EXPERIMENT"
#: NAME begins, waits for the gate if it is the first, ends, and exits with 7 if it is.
_JOB = """
import os, sys, time
folder, name = sys.argv[1:]
def tell(edge):
    fd = os.open(folder + "/told", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(fd, f"{name} {edge} {time.monotonic()} {os.getpid()}\\n".encode())
tell("begin")
while name == "first" and not os.path.exists(folder + "/gate"):
    time.sleep(0.01)
tell("end")
sys.exit(7 if name == "first" else 0)
"""


class Bed:
    """The folder of one experiment, and what its jobs have told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun: list[subprocess.Popen[bytes]] = []
        self.env = {**os.environ, _MARK: str(folder), "SPOOLQ_LOCK_DIR": str(folder / "locks"), "TMPDIR": str(folder)}
        (folder / "job.py").write_text(_JOB, encoding="utf-8")

    def job(self, name: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(self.folder / "job.py"), str(self.folder), name]

    def begin(self, *argv: str) -> None:
        """Start a server in a session of its own."""
        with (self.folder / "said").open("ab") as said:
            quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
            self.begun.append(subprocess.Popen(argv, cwd=self.folder, env=self.env, start_new_session=True, **quiet))

    def told(self) -> list[list[str]]:
        path = self.folder / "told"
        return [row.split() for row in path.read_text().splitlines()] if path.exists() else []

    def count(self, edge: str, *, first: bool) -> int:
        return sum(row[1] == edge and (row[0] == "first") == first for row in self.told())

    def family(self) -> list[psutil.Process]:
        """Every living process of this experiment: what was begun, and what has its mark."""
        begun = {process.pid for process in self.begun if process.poll() is None}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.pid in begun or process.environ().get(_MARK) == str(self.folder)
                if mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def close(self) -> None:
        """Kill what is left."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for begun in self.begun:
            begun.wait(10)

    def find(self, *words: str) -> list[int]:
        """The processes of this experiment whose command line has one of these words, or is it: `=WORD`."""
        lines = {process.pid: _line(process) for process in self.family()}
        return [pid for pid, line in lines.items() if any(w in line or w == f"={line}" for w in words)]


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def until(condition: Callable[[], Any], timeout: float) -> bool:
    """Whether *condition* came true within *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True
