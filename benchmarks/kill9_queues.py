"""The queues of `benchmarks.kill9`: how each is started, given a job, and asked what became of it.

Run as a program, this file is huey's consumer: `python -m benchmarks.kill9_queues consume FILE`.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.kill9_bed import Bed, until

#: Every queue is also killed as a whole, with the job in hand, as by a reset of the machine that loses no write.
EVERYTHING = "everything"


class Queue:
    """A queue with one slot. *victims* are what is killed: a name for the table, and words of the command lines."""

    name = ""
    victims: ClassVar[dict[str, tuple[str, ...]]] = {}
    #: Victim -> the test that holds what its row says; ours only.
    tests: ClassVar[dict[str, str]] = {}

    def __init__(self, bed: Bed) -> None:
        self.bed = bed

    @classmethod
    def missing(cls) -> str | None:
        return None

    def start(self) -> None:
        """Start what runs jobs, or start it again."""

    def submit(self, name: str) -> None:
        raise NotImplementedError

    def word(self) -> str:
        """What the queue itself tells, at the end, of the job that was in hand."""
        raise NotImplementedError

    def _call(self, *argv: str) -> str:
        done = subprocess.run(argv, env=self.bed.env, capture_output=True, text=True, check=False, timeout=30)
        return done.stdout + done.stderr


class Spoolq(Queue):
    name = "spoolq"
    victims: ClassVar = {
        "watcher": ("-m spoolq run",),
        "watcher and runner": ("-m spoolq run", "RUNNER"),
        "watcher, runner and shim": ("-m spoolq run", "-m spoolq.runner"),
    }
    tests: ClassVar = {
        "watcher": "test_watcher",
        "watcher and runner": "test_watcher_and_runner",
        "watcher, runner and shim": "test_all_of_the_spool",
        EVERYTHING: "test_everything",
    }

    def start(self) -> None:
        if not (self.bed.folder / "spool").exists():
            self._spoolq("init")
        self.bed.begin(sys.executable, "-m", "spoolq", "run", "--spool", str(self.bed.folder / "spool"))

    def _spoolq(self, *words: str) -> str:
        return self._call(
            sys.executable, "-m", "spoolq", words[0], "--spool", str(self.bed.folder / "spool"), *words[1:]
        )

    def submit(self, name: str) -> None:
        job = self._spoolq("submit", "--", *self.bed.job(name)).strip()
        if name == "first":
            self.first = job

    def word(self) -> str:
        record = json.loads(self._spoolq("show", self.first, "--json"))
        return f"{record['outcome']}, exit code {record['exit_code']}, attempt {record['attempt']}"


class TaskSpooler(Queue):
    name = "task-spooler"
    victims: ClassVar = {"server": ("=tsp",)}

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("tsp") else "task-spooler (apt-get install task-spooler)"

    def start(self) -> None:
        self.bed.env["TS_SOCKET"] = str(self.bed.folder / "socket")
        self._call("tsp")

    def submit(self, name: str) -> None:
        job = self._call("tsp", *self.bed.job(name)).strip()
        if name == "first":
            self.first = job

    def word(self) -> str:
        rows = [row for row in self._call("tsp").splitlines()[1:] if "first" in row]
        return " ".join(rows[0].split()[1:4:2]) if rows else "nothing"


class Nq(Queue):
    name = "nq"
    victims: ClassVar = {"the process of the job in hand": ("FIRST",)}

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("nq") else "nq (apt-get install nq)"

    def submit(self, name: str) -> None:
        self.bed.env["NQDIR"] = str(self.bed.folder)
        job = self._call("nq", *self.bed.job(name)).strip()
        if name == "first":
            self.first = job

    def word(self) -> str:
        rows = (self.bed.folder / self.first).read_text(errors="replace").splitlines()
        ends = [row for row in rows if row.startswith("[exited")]
        return ends[-1].strip("[].") if ends else "nothing"


class Huey(Queue):
    name = "huey (SQLite)"
    victims: ClassVar = {"consumer": ("benchmarks.kill9_queues consume",)}

    @classmethod
    def missing(cls) -> str | None:
        return None if importlib.util.find_spec("huey") else "huey (pip install huey)"

    def start(self) -> None:
        self.file = str(self.bed.folder / "huey.db")
        self.bed.env["PYTHONPATH"] = str(Path(__file__).parents[1])
        self.bed.begin(sys.executable, "-m", "benchmarks.kill9_queues", "consume", self.file)

    def submit(self, name: str) -> None:
        result = huey_of(self.file)[1](self.bed.job(name))
        if name == "first":
            self.first = result.id

    def word(self) -> str:
        value = huey_of(self.file)[0].result(self.first)
        return "nothing" if value is None else f"result {value}"


def huey_of(file: str) -> tuple[Any, Any]:
    """The queue in *file* and its one task; all processes agree on the task's name."""
    from huey import SqliteHuey

    def evaluate(argv: list[str]) -> int:
        return subprocess.call(argv)

    evaluate.__module__ = "kill9"
    queue = SqliteHuey("kill9", filename=file, fsync=True)
    return queue, queue.task()(evaluate)


class Rq(Queue):
    name = "RQ (Redis, its defaults)"
    victims: ClassVar = {"worker and work horse": ("rq.cli",), "redis-server": ("redis-server",)}
    settings: tuple[str, ...] = ()

    @classmethod
    def missing(cls) -> str | None:
        there = shutil.which("redis-server") and importlib.util.find_spec("rq")
        return None if there else "RQ (apt-get install redis-server; pip install rq)"

    def start(self) -> None:
        import redis

        socket = self.bed.folder / "redis.sock"
        self.connection = redis.Redis(unix_socket_path=str(socket))
        if not self.bed.find("redis-server"):
            words = (
                "--set-proc-title",
                "no",
                "--port",
                "0",
                "--unixsocket",
                str(socket),
                "--dir",
                str(self.bed.folder),
                *self.settings,
            )
            self.bed.begin("redis-server", *words)
        until(self._answers, 10)
        if not self.bed.find("rq.cli"):
            self.bed.begin(sys.executable, "-m", "rq.cli", "worker", "--url", f"unix://{socket}")

    def _answers(self) -> bool:
        import redis

        try:
            return bool(self.connection.ping())
        except redis.exceptions.RedisError:
            return False

    def submit(self, name: str) -> None:
        import rq

        job = rq.Queue(connection=self.connection).enqueue("subprocess.call", self.bed.job(name))
        if name == "first":
            self.first = job.id

    def word(self) -> str:
        import rq

        try:
            job = rq.job.Job.fetch(self.first, connection=self.connection)
        except rq.exceptions.NoSuchJobError:
            return "nothing"
        value = job.return_value()
        return f"{job.get_status().value}" + ("" if value is None else f", result {value}")


class RqAof(Rq):
    name = "RQ (Redis, appendfsync always)"
    settings = ("--appendonly", "yes", "--appendfsync", "always")


QUEUES: tuple[type[Queue], ...] = (Spoolq, TaskSpooler, Nq, Huey, Rq, RqAof)


if __name__ == "__main__":
    huey_of(sys.argv[2])[0].create_consumer(workers=1, initial_delay=0.05, max_delay=0.05, backoff=1).run()
