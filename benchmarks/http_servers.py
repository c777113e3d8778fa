"""The two HTTP servers that are compared: spoolq's, and lmms-eval's own, each with a deep queue behind it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from benchmarks.bed import CHECKOUT, Bed
from spoolq.create import create
from spoolq.layout import Layout
from spoolq.names import new_stem
from spoolq.transitions import State

REQUEST = {"model": "dummy", "tasks": ["mme"], "model_args": {"pretrained": "org/model"}, "limit": 8}
CONNECTIONS = 200
_START_S = 60.0
#: lmms-eval runs its first job at once; this one never ends: where the server is started, `-m lmms_eval` finds it.
_SLEEPER = "import time\n\ntime.sleep(86_400)\n"
_DRIVER = """import sys

from lmms_eval.entrypoints import ServerArgs, launch_server

launch_server(ServerArgs(host="127.0.0.1", port=int(sys.argv[1])))
"""


@dataclass(slots=True)
class Answers:
    """What came of one drive: requests a second, latencies in ms, the share of the time that the client computed."""

    rate: float
    latencies: list[float]
    client: float


@dataclass(slots=True)
class Server:
    """One that listens on this host; *restore* takes away what was queued since it had its depth."""

    port: int
    restore: Callable[[], None] = lambda: None

    def drive(self, messages: Sequence[tuple[str, Any]], count: int) -> Answers:
        """Send *count* of *messages* in turn over CONNECTIONS; raises ValueError when one is not answered by 200."""
        document = {"host": "127.0.0.1", "port": self.port, "connections": CONNECTIONS, "requests": count}
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.http_load"], input=json.dumps({**document, "messages": list(messages)}),
            cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True, timeout=600,
        )  # fmt: skip
        said = json.loads(ran.stdout)
        if set(said["statuses"]) != {"200"}:
            raise ValueError(f"the answers were {said['statuses']}, and all should be 200")
        return Answers(count / said["seconds"], said["latencies"], said["computing"])

    def get(self, path: str) -> Any:
        """One document."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return json.load(answer)


@contextlib.contextmanager
def ours(bed: Bed, depth: int) -> Iterator[Server]:
    """`spoolq serve` as it is installed, on a spool with *depth* queued files; durability full."""
    folder = bed.fresh("http-ours")
    root = folder / "spool"
    create(root)
    first, layout = datetime.now(UTC) - timedelta(minutes=30), Layout(root)
    content = json.dumps({"recipe": "lmms-eval", "request": REQUEST}).encode()
    for place in range(depth):
        layout.queued(new_stem(first + timedelta(milliseconds=place))).write_bytes(content)
    deep = {path.name for path in layout.state(State.QUEUED).iterdir()}
    argv = [*bed.script("spoolq", "spoolq"), "serve", "--spool", str(root), "--port", "0"]
    said = folder / "said"
    with _process(argv, folder, said, bed.env) as process:
        found = _until(lambda: re.search(r"http://127\.0\.0\.1:([0-9]+)", said.read_text()), process, said)
        server = Server(int(found[1]), lambda: _restore(layout.state(State.QUEUED), deep, folder / "aside"))
        _until(lambda: server.get("/health"), process, said)
        yield server


def _restore(folder: Path, names: Collection[str], aside: Path) -> None:
    """Move what is not of *names* out of *folder*. Not removed: ext4 is slow to make files for minutes after that."""
    aside.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in names:
            path.rename(aside / path.name)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # what that leaves to write is not the next round's to wait for
    os.fsync(fd)
    os.close(fd)


@contextlib.contextmanager
def theirs(bed: Bed, python: Path, depth: int) -> Iterator[Server]:
    """lmms-eval's own server in *python*, with one job that runs and *depth* that wait."""
    folder = bed.fresh("http-theirs")
    (folder / "cwd" / "lmms_eval").mkdir(parents=True)
    (folder / "cwd" / "lmms_eval" / "__init__.py").touch()
    (folder / "cwd" / "lmms_eval" / "__main__.py").write_text(_SLEEPER, encoding="utf-8")
    (folder / "driver.py").write_text(_DRIVER, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, said = Server(port), folder / "said"
    with _process([str(python), str(folder / "driver.py"), str(port)], folder / "cwd", said, bed.env) as process:
        _until(lambda: server.get("/health"), process, said)
        server.drive([("POST /evaluate", REQUEST)], depth + 1)
        yield server


@contextlib.contextmanager
def _process(argv: list[str], cwd: Path, said: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with said.open("wb") as out:
        process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def _until(condition: Any, process: subprocess.Popen[bytes], said: Path) -> Any:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.05)
    raise TimeoutError(f"{process.args!r} did not start: {said.read_text(errors='replace')[-2000:]}")
