"""A real spool with real `spoolq run` processes, each ended by pid when the test ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from spoolq.api import Spool
from spoolq.models import JobInfo

SCRIPTS = Path(__file__).with_name("scripts")


def wait_for(condition: Callable[[], Any], timeout: float = 60.0, what: str = "the condition") -> Any:
    """Poll every 10 ms until *condition* is true; its value. AssertionError after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.01)


def command_line(process: psutil.Process) -> str:
    """Its command line; empty when it has gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class Queue:
    """A spool and the `spoolq run` processes that this test started."""

    def __init__(self, root: Path) -> None:
        self.locks = root / "locks"
        self.spool = Spool.create(root / "spool")
        self.path = root / "spool"
        self.log = root / "run.log"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.interpreter = sys.executable
        self.mark = f"QUEUE_OF_TEST={root}"

    def settings(self, text: str) -> None:
        (self.path / "spoolq.toml").write_text(text, encoding="utf-8")
        self.spool = Spool(self.path)

    def run(self, *options: str, prefix: Sequence[str] = (), **popen: Any) -> subprocess.Popen[bytes]:
        """Start `spoolq run` in the background; *prefix* is a command that ends by executing it."""
        name, _, value = self.mark.partition("=")
        env = {**os.environ, name: value, "SPOOLQ_LOCK_DIR": str(self.locks), **popen.pop("env", {})}
        with self.log.open("ab") as log:
            argv = [*prefix, self.interpreter, "-m", "spoolq", "run", "--spool", str(self.path), *options]
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, **popen)
        self.processes.append(process)
        return process

    def start(self, *options: str, **popen: Any) -> subprocess.Popen[bytes]:
        """Start it and wait until its runner has the slot."""
        process = self.run(*options, **popen)
        wait_for(lambda: any(self.spool.status()["slots"].values()), what="a runner")
        return process

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def command(self, *argv: str, **policy: Any) -> str:
        """Submit a command; its id."""
        return self.spool.submit({"command": list(argv)}, **policy).job_id

    def python(self, text: str, *argv: str, **policy: Any) -> str:
        return self.command(sys.executable, "-c", text, *argv, **policy)

    def script(self, name: str, *argv: str, **policy: Any) -> str:
        """Submit one of the scripts beside this file."""
        return self.command(sys.executable, str(SCRIPTS / name), *argv, **policy)

    def until(self, job: str, status: str, timeout: float = 20.0) -> JobInfo:
        return wait_for(
            lambda: (info := self.spool.get(job)).status == status and info,
            timeout,
            f"{job[:8]} {status}; {self.said()}",
        )

    def ended(self, job: str, timeout: float = 30.0) -> JobInfo:
        return self.spool.wait([job], timeout=timeout)[0]

    def started(self, job: str) -> dict[str, Any]:
        """The facts of the claim that runs now: pid of the evaluation, of its runner, of its shim."""

        def facts() -> dict[str, Any] | None:
            events = {event["event"]: event for event in self.spool.history(job)}
            if "started" not in events:
                return None
            claimed = events["claimed"]
            return {"evaluation": events["started"]["pid"], "runner": claimed["pid"], "shim": claimed["shim"]}

        return wait_for(facts, what=f"the start of {job[:8]}; {self.said()}")

    def events(self, job: str) -> list[str]:
        return [event["event"] for event in self.spool.history(job)]

    def text(self, job: str) -> str:
        return self.spool.log(job).read_text(encoding="utf-8", errors="replace")

    def offspring(self) -> list[psutil.Process]:
        """Every living process that came of this test's runners."""
        found = []
        name, _, value = self.mark.partition("=")
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def close(self) -> None:
        for process in [*self.processes, *self.offspring()]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.send_signal(signal.SIGKILL)
        for process in self.processes:
            process.wait(10)
        wait_for(lambda: not self.offspring(), what="the end of all processes of this test")


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", str(tmp_path / "locks"))
    opened = Queue(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def lines(tmp_path: Path) -> Callable[[], list[Any]]:
    """A file that evaluations append JSON lines to, and what they have written so far."""
    path = tmp_path / "lines.jsonl"

    def read() -> list[Any]:
        return [json.loads(row) for row in path.read_text().splitlines()] if path.exists() else []

    read.path = str(path)  # type: ignore[attr-defined]
    return read
