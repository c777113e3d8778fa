"""A warm parent as its shim sees it: started, listened to, asked for a child, ended. Nothing here raises or waits long.

Warmth is never needed: whatever goes wrong, `fork` gives None and the evaluation is started as a program.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq import room
from spoolq.orders import Order
from spoolq.process import descendants
from spoolq.spawn import Program, Ready


@dataclass(frozen=True, slots=True)
class Warmth:
    """How an evaluation may be forked: what its parent must have imported, and the limits of that parent (seconds).

    *key* is equal for evaluations that one parent can serve; *mark* the `NAME=value` by which others know this one.
    """

    key: str
    recipe: str
    preload: list[str]
    entry: str
    mark: str
    idle: float
    max_jobs: int
    start_timeout: float
    preload_timeout: float


class WarmParent:
    """The process that has imported what *warmth* says, in the environment of *order*."""

    def __init__(self, order: Order, warmth: Warmth) -> None:
        self.key, self.warmth = warmth.key, warmth
        self.ready = self.finished = False
        #: Why no evaluation can be forked from it; None while nothing speaks against it.
        self.fault: str | None = None
        self.served = 0
        self.used = self.began = time.monotonic()
        self._heard = b""
        self.sock, theirs = socket.socketpair()
        with theirs:
            self.pid = _spawn(order, warmth, theirs)

    def due(self, busy: bool) -> float:
        """When (`time.monotonic`) it must be ended; *busy* while an evaluation of its key runs."""
        if not self.ready:
            return self.began + self.warmth.preload_timeout
        return float("inf") if busy else self.used + self.warmth.idle

    def hear(self) -> None:
        """Read what it says: that it is ready, or why not. One that is dead has a fault, too."""
        try:
            chunk = self.sock.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        self._heard += chunk
        if not chunk:
            self.fault = self.fault or "its warm parent died"
        elif self._heard.endswith(b"\n"):
            said = json.loads(self._heard)
            self._heard = b""
            self.fault, self.ready = said.get("unfit"), "ready" in said

    def fork(self, order: Order, warmth: Warmth, deadline: float) -> int | None:
        """Have it fork the evaluation, a child of ours that runs when this returns; None when it did not.

        RACE: a child that comes after its time finds nobody to let it go, and ends.
        """
        self.served += 1
        self.used = time.monotonic()
        ours, theirs = socket.socketpair()
        with ours:
            try:
                with theirs:
                    socket.send_fds(self.sock, [b"f"], [theirs.fileno()], socket.MSG_DONTWAIT)
                ours.settimeout(warmth.start_timeout)
                ours.sendall(json.dumps(_words(order, warmth, deadline)).encode() + b"\n")
                said = json.loads(_line(ours))
                if "stale" in said:
                    self.finished = True
                    return None
                ours.sendall(b"g")
                return int(said["pid"])
            except (OSError, ValueError, KeyError):
                self.finished = True
                return None

    def end(self) -> None:
        """Kill it, and whatever it has started; the caller reaps it."""
        for pid in [*descendants(self.pid), self.pid]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self.sock.close()


def _spawn(order: Order, warmth: Warmth, theirs: socket.socket) -> int:
    theirs.set_inheritable(True)
    argv = [order.argv[0], "-m", "spoolq.forkserver", str(theirs.fileno()), str(os.getpid())]
    env = {name: value for name, value in order.env.items() if not name.startswith("SPOOLQ_")}
    unset = [*order.unset, *(name for name in os.environ if name.startswith("SPOOLQ_"))]
    env |= room.reservation()
    program = Program([*argv, json.dumps(warmth.preload)], str(Path.cwd()), os.devnull, env, unset)
    return Ready().start(program)


def _words(order: Order, warmth: Warmth, deadline: float) -> dict[str, Any]:
    own = {name: value for name, value in order.env.items() if name.startswith("SPOOLQ_")}
    return {
        "argv": order.argv, "entry": warmth.entry, "cwd": order.cwd, "log": order.log, "env": own,
        "mark": warmth.mark, "deadline": deadline,
    }  # fmt: skip


def _line(sock: socket.socket) -> bytes:
    """One line; empty when the other end has gone before it was whole. Raises OSError when it takes too long."""
    text = b""
    while not text.endswith(b"\n"):
        chunk = sock.recv(1 << 12)
        if not chunk:
            return b""
        text += chunk
    return text
