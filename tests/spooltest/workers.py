"""Processes that make moves on command, and can be stopped between two file system calls of one, and killed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spoolq.attempt import Attempt, conclude_once
from spoolq.beat import _beat_once
from spoolq.claims import claim
from spoolq.errors import SpoolqError
from spoolq.find import entries, find
from spoolq.orders import End
from spoolq.people import cancel, prioritise, retry
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.sweep import Sweep
from spoolq.transitions import State

from .jobs import REQUEST, opened, say

#: Nobody waits long for a lock that a stopped process holds: runners go on without it, people are told to try again.
SETTINGS = Settings(durability="process", settle=0.0, lock_timeout=0.02)
#: How each evaluation ends, as its shim would say it.
ENDS: dict[str, dict[str, Any]] = {
    "succeeded": {"exit_code": 0},
    "exit": {"exit_code": 3},
    "timed_out": {"signal": 15, "stopped": "timeout"},
    "cancelled": {"signal": 15, "stopped": "cancel"},
    "requeued": {"signal": 15, "stopped": "requeue"},
}


class _Server:
    """What one of the processes does; each method is a command."""

    def __init__(self, root: Path, host: str) -> None:
        self.store = Store(root, host=host, settings=SETTINGS)
        self.sweeper = Sweep(self.store, frozenset(), say, clock=lambda: self.now)
        self.attempt: Attempt | None = None
        self.now = 0.0

    def submit(self, level: str) -> str:
        return publish(self.store, REQUEST, level).uuid

    def claim(self) -> str | None:
        waiting = entries(self.store, [State.QUEUED])
        taken = claim(self.store, waiting[0].stem, "gpu0") if waiting else None
        if taken is None:
            return None
        assert taken.fault is None, taken.fault
        self.attempt = opened(self.store, taken)
        return taken.running.stem.uuid

    def finish(self, outcome: str) -> str:
        assert self.attempt is not None
        attempt, self.attempt = self.attempt, None
        end = End(attempt.origin, self.store.now(), self.store.now(), **ENDS[outcome])
        path = self.store.layout.run(attempt.running.stem.key).end(attempt.origin)
        self.store.disk.write_new(path, json.dumps(asdict(end)).encode())  # as the shim does
        conclude_once(self.store, attempt, end, say)
        return attempt.running.stem.uuid

    def beat(self) -> bool:
        """Whether the claim stands; then its heartbeat has changed."""
        assert self.attempt is not None
        running, layout = self.attempt.running, self.store.layout
        reader, writer = os.pipe()
        stands = _beat_once(layout.running(running), layout.beat(running), writer)
        os.close(reader)
        os.close(writer)
        if stands:  # two beats within a tick would look like one
            os.utime(layout.beat(running), ns=(0, int.from_bytes(os.urandom(6), "big")))
        return stands

    def cancel(self, job: str) -> str:
        return cancel(self.store, find(self.store, job))

    def retry(self, job: str) -> str:
        return retry(self.store, find(self.store, job))

    def prioritise(self, job: str, level: str) -> None:
        prioritise(self.store, find(self.store, job), level)

    def sweep(self, now: float) -> None:
        self.now = now
        self.sweeper.turn()

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order; {"stop": N} has the process stop itself before its Nth file system call."""
        seen = []

        def step(_name: str, _path: Path) -> None:
            seen.append(1)
            if len(seen) == order["stop"]:
                os.kill(os.getpid(), signal.SIGSTOP)

        self.store.disk.step = step
        try:
            return {"done": getattr(self, order["do"])(**order["what"])}
        except (SpoolqError, OSError) as error:
            return {"refused": f"{type(error).__name__}: {error}"}
        except BaseException:
            return {"broke": traceback.format_exc()}


class Worker:
    """One such process. A stopped one goes on with `resume`."""

    def __init__(self, root: Path, host: str) -> None:
        self.root, self.host = root, host
        self.pid = 0
        self.start()

    def start(self) -> None:
        """Start it anew; it knows nothing of what its predecessor did."""
        self.stopped = False
        self.sock, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                server = _Server(self.root, self.host)
                with theirs.makefile("rb") as orders:
                    for line in orders:
                        theirs.sendall(json.dumps(server.answer(json.loads(line))).encode() + b"\n")
            finally:
                os._exit(0)
        theirs.close()

    def ask(self, do: str, stop: int = 0, **what: Any) -> dict[str, Any] | None:
        """Its answer, or None when it has stopped on the way."""
        self.sock.sendall(json.dumps({"do": do, "stop": stop, "what": what}).encode() + b"\n")
        return self._answer()

    def resume(self) -> dict[str, Any] | None:
        """Have it go on where it stopped."""
        self.stopped = False
        os.kill(self.pid, signal.SIGCONT)
        return self._answer()

    def _answer(self) -> dict[str, Any] | None:
        for _ in range(20_000):
            if select.select([self.sock], [], [], 0.001)[0]:
                said = json.loads(self.sock.recv(1 << 16))
                assert "broke" not in said, said["broke"]
                return said
            if os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)[0]:
                self.stopped = True
                return None
        raise AssertionError("a worker does not answer")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.sock.close()

    def restart(self) -> None:
        self.kill()
        self.start()


def close_all(workers: list[Worker]) -> None:
    """Kill them all."""
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.callback(worker.kill)
