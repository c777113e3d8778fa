"""The experiment of docs/reliability.md: one evaluation in hand, ten jobs queued, something of it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from spoolq import process
from spoolq.models import JobInfo

from .conftest import Queue, wait_for

#: What the evaluation in hand ends with: an end that was made up would not have it.
CODE = 7
TEN = [f"q{number}" for number in range(10)]


class Trial:
    """Started with the evaluation running, and with `spoolq wait` and `spoolq logs -f` looking on."""

    def __init__(self, queue: Queue, lines: Callable[[], list[Any]]) -> None:
        self.queue, self.lines, self.path = queue, lines, lines.path  # type: ignore[attr-defined]
        self.watcher = queue.start()
        self.first = queue.script("gated.py", self.path, "first", str(CODE))
        self.pids = queue.started(self.first) | {"watcher": self.watcher.pid}
        self.ten = [queue.script("gated.py", self.path, name, "0") for name in TEN]
        self.seen = Path(f"{self.path}.log")
        self.following = self._client("logs", "-f", self.first)
        self.waiting = self._client("wait", self.first, *self.ten)
        wait_for(lambda: b"attempt 1 begins" in self.seen.read_bytes(), what="the log")

    def _client(self, *argv: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "spoolq", *argv, "--spool", str(self.queue.path)]
        with Path(f"{self.path}.log" if argv[0] == "logs" else os.devnull).open("wb") as out:
            client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        self.queue.processes.append(client)
        return client

    def signal(self, number: signal.Signals, *roles: str) -> None:
        """Signal some of *watcher*, *runner*, *shim*, *evaluation*; nothing else happens in between."""
        for role in roles:
            os.kill(self.pids[role], number)

    def kill(self, *roles: str) -> None:
        self.signal(signal.SIGKILL, *roles)

    def is_dead(self, role: str) -> bool:
        pid = self.pids[role]
        return not process.is_alive(pid, process.start_time(pid), process.boot_id())

    def family(self) -> list[psutil.Process]:
        """All that came of `spoolq run`: watcher, runner, shim, heartbeat, evaluation, and what that started."""
        return self.queue.offspring()

    def heartbeats(self) -> list[psutil.Process]:
        known = set(self.pids.values())
        return [child for child in psutil.Process(self.pids["shim"]).children() if child.pid not in known]

    def release(self) -> None:
        """Let evaluations end."""
        Path(f"{self.path}.go").touch()

    def release_beside_a_waiting_runner(self) -> None:
        """Let the evaluation end only when another runner stands ready to take its slot."""
        wait_for(lambda: "is held by process" in self.queue.said(), what=f"a waiting runner; {self.queue.said()}")
        assert self.count("first", "end") == 0
        self.release()

    def count(self, name: str, edge: str) -> int:
        return sum(row[:2] == [name, edge] for row in self.lines())

    def after(self, *, beside: Sequence[str] = ()) -> JobInfo:
        """What became of the evaluation in hand, once all have ended and what must always hold has been checked.

        *beside* names the evaluations that may have found another one in hand.
        """
        queue = self.queue
        records = queue.spool.wait([self.first, *self.ten], timeout=60)
        assert [record.status for record in records[1:]] == ["completed"] * 10, queue.said()
        rows = [row for row in self.lines() if row[0] != "first"]
        assert [row[:2] for row in rows] == [[name, edge] for name in TEN for edge in ("begin", "end")]
        assert [row[0] for row in self.lines() if row[1] == "beside"] == list(beside), "two at once"
        self._is_whole(records[0])
        assert self.waiting.wait(30) == 1, "`spoolq wait` knows that one of them failed"
        codes = {"exit": CODE, "signal": 137}
        assert self.following.wait(30) == codes[str(records[0].outcome)], "`logs -f` ends as its job did"
        return records[0]

    def _is_whole(self, record: JobInfo) -> None:
        """The end is recorded once, as the evaluation itself tells it."""
        places = [path.parent.name for path in self.queue.path.glob("*/*.json") if self.first in path.name]
        assert places == ["failed"] and record.status == "failed"
        begins = [row for row in self.lines() if row[:2] == ["first", "begin"]]
        assert record.attempt == len(begins) == begins[-1][2], "every start is an attempt, and the other way round"
        assert self.queue.events(self.first).count("finished") <= 1
        assert record.started_at is not None and record.completed_at is not None
        assert abs(record.started_at.timestamp() - begins[-1][3]) < 5
        assert datetime.fromtimestamp(begins[-1][3], record.completed_at.tzinfo) <= record.completed_at
        if record.outcome == "exit":
            assert record.exit_code == CODE and f"attempt {record.attempt} ends" in str(record.error)

    def nothing_is_left(self) -> None:
        """No process of an evaluation lives, however it left its session."""
        assert not [member for member in self.family() if _is_evaluation(member)]

    def starts_and_ends(self) -> tuple[int, int]:
        return self.count("first", "begin"), self.count("first", "end")

    def log(self) -> str:
        """What `spoolq logs -f` has printed."""
        return self.seen.read_text()


def _is_evaluation(member: psutil.Process) -> bool:
    try:
        return "SPOOLQ_CLAIM" in member.environ()
    except psutil.Error:
        return False
