"""A lab for the benchmark-run routes: a recipe, a real runner, and a script that does what its experiments say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.server.conftest import Served
from tests.spooltest.waiting import wait_for

RECIPE = """
[benchmark]
recipe = "orchestrator"
grace = "{grace}"

[recipes.orchestrator]
command = [
    "{{python}}", "-IS", "pipeline/orchestrator.py", "--experiments", "{{experiments}}", "--n", "{{n}}",
    "--seed", "{{seed}}", "--perf-rounds", "{{perf_rounds}}", "--no-build",
    ["--no-perf", "{{no_perf}}"], ["--ci", "{{ci_mode}}"],
]
cwd = "{lab}"
[recipes.orchestrator.parameters]
experiments = {{ type = "list", default = ["all"], min_length = 1 }}
n = {{ type = "int", default = 1000, min = 10, max = 100000 }}
seed = {{ type = "int", default = 42 }}
perf_rounds = {{ type = "int", default = 5 }}
no_perf = {{ type = "bool" }}
ci_mode = {{ type = "bool" }}
notes = {{ type = "str", default = "" }}
"""
#: Each experiment is a thing to do, in turn. A pid file is written whole before its name appears.
SCRIPT = """
import os, signal, subprocess, sys, time
def say(text): print(text, flush=True)
def put(name, text):
    with open("." + name, "w") as file: file.write(str(text))
    os.rename("." + name, name)
say("argv " + " ".join(sys.argv))
for place, do in enumerate(sys.argv[2].split(",")):
    say(f"[PROGRESS] experiment={do} step=run current={place + 1} total=8 | {do}")
    if do == "stubborn":
        signal.signal(signal.SIGTERM, lambda *_: say("not yet"))
    if do == "family":
        program = "import os,signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid()"
        program += "; open('.child','w').write(str(os.getpid())); os.rename('.child','child'); time.sleep(300)"
        subprocess.Popen([sys.executable, "-IS", "-c", program])
        while not os.path.exists("child"): time.sleep(0.01)
    if do == "hold":
        put("pid", os.getpid())
        while not os.path.exists("release"): time.sleep(0.01)
    if do == "fail":
        say("it is broken"); sys.exit(3)
    if do == "flood":
        for number in range(8000): print(f"line {number} " + "x" * 500)
    if do == "strange":
        sys.stdout.flush(); os.write(1, b"<script>alert(1)</script> \\x1b[31m\\xff one\\rtwo\\r\\nthree\\n\\nlast")
"""


class Lab:
    """The lab of one test: *served* is its spool and server."""

    def __init__(self, served: Served, grace: str = "2s", more: str = "") -> None:
        self.served, self.folder = served, served.root / "lab"
        (self.folder / "pipeline").mkdir(parents=True)
        (self.folder / "pipeline" / "orchestrator.py").write_text(SCRIPT)
        served.settings(more + RECIPE.format(grace=grace, lab=self.folder))
        self.runners: list[subprocess.Popen[bytes]] = []

    def run(self) -> subprocess.Popen[bytes]:
        """A `spoolq run` on the spool, once it has its slot."""
        log = self.served.root / "run.log"
        with log.open("ab") as file:
            argv = [sys.executable, "-m", "spoolq", "run", "--spool", str(self.served.path)]
            runner = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self.runners.append(runner)
        wait_for(lambda: "watching" in log.read_text(), 20, "the runner")
        return runner

    def post(self, path: str, **body: Any) -> Any:
        """POST to the dialect's *path*; the response."""
        with self.served.client() as client:
            return client.post(f"/api/benchmark{path}", json=body if body or path == "/start" else None)

    def get(self, path: str) -> Any:
        """GET the dialect's *path*; the response."""
        with self.served.client() as client:
            return client.get(f"/api/benchmark{path}")

    def start(self, *experiments: str, **more: Any) -> dict[str, Any]:
        """Start a run that does *experiments*; its status."""
        answer = self.post("/start", experiments=list(experiments), **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"/jobs/{job_id}").json()

    def wait(self, job_id: str, timeout: float = 20) -> dict[str, Any]:
        """The run's status once it has ended."""
        wait_for(lambda: self.job(job_id)["finished_at"], timeout, "the end of the run")
        return self.job(job_id)

    def pid(self, name: str = "pid") -> int:
        """A pid that the script has written to *name*; waits for it."""
        path = self.folder / name
        wait_for(path.exists, 20, f"the file {name}")
        return int(path.read_text())

    def release(self) -> None:
        """Let `hold` go on."""
        (self.folder / "release").touch()

    def follow(self, job_id: str, **options: Any) -> ClientConnection:
        """The run's WebSocket."""
        base = self.served.base.replace("http", "ws", 1)
        return connect(f"{base}/api/benchmark/ws/{job_id}", proxy=None, **options)

    def close(self) -> None:
        """End what the test has left running."""
        if self.folder.exists():
            self.release()
        for runner in self.runners:
            if runner.poll() is None:
                runner.terminate()
            try:
                runner.wait(10)
            except subprocess.TimeoutExpired:
                runner.terminate()  # a second one stops the job in hand
                runner.wait(20)


def frames(socket: ClientConnection, timeout: float = 30) -> Iterator[dict[str, Any]]:
    """The frames that come, to the server's close."""
    while True:
        try:
            text = socket.recv(timeout=timeout)
        except Exception as closed:
            if type(closed).__name__ == "ConnectionClosedOK":
                return
            raise
        yield json.loads(text)


def lines(found: list[dict[str, Any]]) -> list[str]:
    """The lines of the log frames."""
    return [frame["line"] for frame in found if frame["type"] == "log"]


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def memory_mib(pid: int) -> float:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
