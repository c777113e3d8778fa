"""kill -9: one job in hand, ten queued, a kill, a restart; the same for each queue. `python -m benchmarks.kill9`.

Prints one Markdown table. The job in hand waits at a gate, and the gate opens when the restarted queue has had some
seconds: whatever runs by then runs beside the orphan. Peers that are not installed are left out, and said so.
Everything happens in a temporary folder, on Unix sockets; what is started has a mark in its environment and is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import psutil

#: How long the restarted queue has before the gate opens, and how long all the rest may take, in seconds.
_AT_THE_GATE_S, _AFTER_IT_S = 4.0, 12.0
_MARK = "SPOOLQ_KILL9"
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


class Queue:
    """A queue with one slot. *victims* are what is killed: a name for the table, and words of the command lines."""

    name = ""
    victims: ClassVar[dict[str, tuple[str, ...]]] = {}

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
    victims: ClassVar = {"consumer": ("kill9.py consume",)}

    @classmethod
    def missing(cls) -> str | None:
        return None if importlib.util.find_spec("huey") else "huey (pip install huey)"

    def start(self) -> None:
        self.file = str(self.bed.folder / "huey.db")
        self.bed.begin(sys.executable, str(Path(__file__).resolve()), "consume", self.file)

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


#: Every queue is also killed as a whole, with the job in hand, as by a reset of the machine that loses no write.
_EVERYTHING = "everything"
_QUEUES: tuple[type[Queue], ...] = (Spoolq, TaskSpooler, Nq, Huey, Rq, RqAof)


def experiment(kind: type[Queue], victim: str, folder: Path) -> list[str]:
    """One row of the table."""
    bed = Bed(folder)
    queue = kind(bed)
    try:
        queue.start()
        queue.submit("first")
        if not until(lambda: bed.count("begin", first=True), 20):
            raise RuntimeError(f"{kind.name} does not run its first job: {(folder / 'said').read_text()}")
        orphan = psutil.Process(int(bed.told()[0][3]))
        for number in range(10):
            queue.submit(f"q{number}")
        for pid in _victims(kind, victim, bed, orphan.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: False, 0.5)
        survived = orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE
        queue.start()
        until(lambda: bed.count("end", first=False) == 10, _AT_THE_GATE_S)
        began = bed.count("begin", first=False) if survived else 0
        again = bed.count("begin", first=True) - 1 if survived else 0
        (folder / "gate").touch()
        until(lambda: bed.count("end", first=False) == 10 and not bed.find("job.py"), _AFTER_IT_S)
        starts, ends, later = (
            bed.count("begin", first=True),
            bed.count("end", first=True),
            bed.count("end", first=False),
        )
        until(lambda: False, 0.5)
        lives = "goes on" if survived else "is ended"
        beside = f"{began + again}" if survived else "-"
        return [kind.name, victim, f"{later} of 10", lives, f"{starts} / {ends}", beside, queue.word()]
    finally:
        bed.close()


def _victims(kind: type[Queue], victim: str, bed: Bed, first: int) -> Iterable[int]:
    if victim == _EVERYTHING:
        return [process.pid for process in bed.family()]
    words = kind.victims[victim]
    found = set(bed.find(*words))
    if "FIRST" in words:  # nq: the parent of the job in hand
        found.add(psutil.Process(first).ppid())
    if "RUNNER" in words:  # a runner is a child of its watcher; the shim's command line is the same
        watchers = bed.find("-m spoolq run")
        found |= {child.pid for pid in watchers for child in psutil.Process(pid).children()}
    return found


def table(kinds: Sequence[type[Queue]]) -> str:
    head = [
        "queue",
        "killed",
        "queued jobs that ran",
        "the job in hand",
        "its starts / ends",
        "ran beside it",
        "told of its end",
    ]
    rows = [head, ["---"] * len(head)]
    for kind in kinds:
        for victim in (*kind.victims, _EVERYTHING):
            print(f"{kind.name}: {victim}", file=sys.stderr)
            folder = Path(tempfile.mkdtemp(prefix="kill9-"))
            try:
                rows.append(experiment(kind, victim, folder))
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def versions(kinds: Sequence[type[Queue]]) -> str:
    """Which versions were run."""
    packages = [name for name in ("spoolq", "huey", "rq") if importlib.util.find_spec(name)]
    found = [f"{name} {version(name)}" for name in packages]
    for name in ("task-spooler", "nq", "redis-server"):
        with contextlib.suppress(OSError):
            words = ["dpkg-query", "-W", "-f", "${Package} ${Version}", name]
            found.append(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
    return ", ".join(filter(None, found)) + f"; {len(kinds)} queues"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill9", description=__doc__)
    parser.add_argument("queues", nargs="*", help="only those whose name begins so")
    asked = [word.lower() for word in parser.parse_args().queues]
    kinds = [kind for kind in _QUEUES if not asked or any(kind.name.lower().startswith(word) for word in asked)]
    there = [kind for kind in kinds if kind.missing() is None]
    print(table(there))
    print(f"\n{versions(there)}")
    for kind in kinds:
        if kind not in there:
            print(f"left out: {kind.missing()}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["consume"]:
        huey_of(sys.argv[2])[0].create_consumer(workers=1, initial_delay=0.05, max_delay=0.05, backoff=1).run()
    else:
        main()
