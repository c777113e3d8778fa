"""RQ on a Redis of its own that syncs each write (`appendfsync always`)."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.bed import Bed
from benchmarks.peers import Command, processes

_REDIS = "--port 0 --save  --appendonly yes --appendfsync always --daemonize no"


class RqRedis:
    """redis-server behind a Unix socket, and one `rq worker`, which forks for each job."""

    name = "RQ (Redis, appendfsync always)"
    most: int | None = None

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.begun: list[subprocess.Popen[bytes]] = []

    def missing(self) -> str | None:
        if not shutil.which("redis-server"):
            return "RQ: apt-get install redis-server"
        there = importlib.util.find_spec("rq") and importlib.util.find_spec("redis")
        return None if there else "RQ: pip install '.[bench]'"

    def version(self) -> str:
        return f"{version('rq')} with redis-py {version('redis')}"

    def start(self, folder: Path, *, serve: bool = True) -> None:
        import redis
        import rq

        socket = folder / "redis.sock"
        settings = _REDIS.split(" ")  # the empty word is the value of --save
        words = ["redis-server", *settings, "--unixsocket", str(socket), "--dir", str(folder)]
        self.begun.append(processes.begin(words, folder, self.bed.env))
        self.url = f"unix://{socket}"
        connection = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + 10
        while not _answers(connection):
            if time.monotonic() > deadline:
                raise TimeoutError("redis-server did not start")
            time.sleep(0.02)
        self.queue = rq.Queue(connection=connection)
        if serve:
            worker = [*self.bed.script("rq", "rq.cli"), "worker", "--quiet", "--url", self.url]
            self.begun.append(processes.begin(worker, folder, self.bed.env))
            self.submit(self.bed.clockwork.stamp("ready"))
            self.bed.clockwork.heard("ready")

    def submit(self, argv: Sequence[str]) -> None:
        self.queue.enqueue("subprocess.call", list(argv))

    def command(self, argv: Sequence[str]) -> Command:
        script = self.bed.script("rq", "rq.cli")
        return Command(
            [*script, "enqueue", "--quiet", "--url", self.url, "subprocess.call", f":{json.dumps(list(argv))}"],
            self.bed.env,
        )

    def stop(self) -> None:
        while self.begun:
            processes.end(self.begun.pop())


def _answers(connection: Any) -> bool:
    import redis

    try:
        return bool(connection.ping())
    except redis.exceptions.RedisError:
        return False
