"""A served spool with a pool, jobs for remote workers, and workers as processes; each is ended by pid."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolq.api import Spool
from spoolq.pools import look
from spoolq.stock import add
from tests.server.conftest import Served, serving  # noqa: F401 - a fixture
from tests.spooltest.waiting import wait_for

#: What every command of these tests begins with: its job, its folder, and the server's routes.
PREFACE = """
import http.client, json, os, signal, sys, time
from urllib.parse import urlencode, urlsplit
JOB, WORKER, KIND = (os.environ[f"SPOOLQ_{name}"] for name in ("JOB", "WORKER", "RESOURCE_TYPE"))
def put(name, text):
    with open("." + name, "w") as file: file.write(str(text))
    os.rename("." + name, name)
def until(name):
    while not os.path.exists(name): time.sleep(0.01)
def acquire():
    query = urlencode({"worker": WORKER, "job_id": JOB, "wait": 30})
    while True:
        connection = http.client.HTTPConnection(urlsplit(os.environ["SPOOLQ_URL"]).netloc)
        connection.request("POST", f"/resource/{KIND}/acquire?{query}")
        answer = connection.getresponse()
        if answer.status == 200: return json.loads(answer.read())
"""


class Team:
    """Workers of one spool."""

    def __init__(self, served: Served) -> None:
        self.served, self.folder = served, served.root / "work"
        self.folder.mkdir()
        self.log = served.root / "workers.log"
        self.workers: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def program() -> list[str]:
        return [sys.executable, "-m", "spoolq"]

    @property
    def spool(self) -> Spool:
        return Spool(self.served.path)

    def pool(self, *resources: dict[str, Any], kind: str = "a_1") -> None:
        """Make a pool."""
        for resource in resources or ({"host": "gpu", "port": 1},):
            add(self.served.store, kind, resource)

    def submit(self, kind: str = "a_1", request: dict[str, Any] | None = None, **policy: Any) -> str:
        """A job for a worker; its id."""
        document = {"request": request or {"task": "x"}, "resource_type": kind, **policy}
        return self.spool.submit_document(document).job_id

    def start(self, script: str, *options: str, url: str | None = None, **more: Any) -> subprocess.Popen[bytes]:
        """A worker whose command is a Python script, run in `folder`."""
        path = self.folder / f"command{len(self.workers)}.py"
        path.write_text(PREFACE + textwrap.dedent(script))
        argv = [*self.program(), "worker", "--url", url or self.served.base, *options, "--"]
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [*argv, sys.executable, "-IS", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, **more,
            )  # fmt: skip
        self.workers.append(worker)
        return worker

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def made(self, name: str, timeout: float = 30) -> str:
        """What is in a file that a command has written; waits for it."""
        path = self.folder / name
        wait_for(path.exists, timeout, f"the file {name}; {self.said()}")
        return path.read_text()

    def let(self, name: str) -> None:
        """Make the file that a command waits for."""
        (self.folder / name).touch()

    def record(self, job: str) -> dict[str, Any]:
        return self.spool.record(job)

    def ended(self, job: str, status: str, timeout: float = 30) -> dict[str, Any]:
        """The job's record once it has that status."""
        wait_for(lambda: self.record(job)["status"] == status, timeout, f"{job} to be {status}; {self.said()}")
        return self.record(job)

    def leases(self, kind: str = "a_1") -> int:
        return len(look(self.served.store, kind).leases)

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait(20)


@pytest.fixture
def team(serving: Served) -> Iterator[Team]:  # noqa: F811
    """A team whose server is not started yet."""
    made = Team(serving)
    yield made
    made.close()


@pytest.fixture
def ready(team: Team) -> Team:
    """The same with its server running and one resource of type a_1."""
    team.pool()
    team.served.start()
    return team


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
