"""What a runner and its shim say to each other: orders, ends, and the socket between them."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Order:
    """All that the shim must know to run one evaluation; paths absolute, times in seconds, None for no limit.

    The evaluation's environment is the shim's, which is the runner's, without the names *unset* and with *env*.
    """

    nonce: str
    argv: list[str]
    cwd: str
    env: dict[str, str]
    unset: list[str]
    log: str
    end: str
    running: str
    beat: str
    timeout: float | None
    grace: float
    stop_signal: int
    heartbeat: float
    heartbeat_timeout: float
    #: When the claim was asked for, on the monotonic clock of this host.
    claimed: float
    #: Stop it when it has printed nothing for so long.
    idle_timeout: float | None = None
    #: How it may be forked from a warm parent, as `warm.Warmth` has it; None: it is started as a program.
    warm: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """The order as it is sent."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class End:
    """How an evaluation ended; `stopped`: by ``timeout``, ``idle``, ``cancel``, ``requeue``, ``signal`` or ``fenced``.

    *launch* is ``exec`` or ``fork``, *warm_hit* whether a warm parent was there (None: none could be), *setup_seconds*
    what the start itself took.
    """

    nonce: str
    started_at: str
    ended_at: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    stopped: str | None = None
    could_not_start: str | None = None
    peak_memory_mib: float | None = None
    leftovers: int = 0
    launch: str | None = None
    warm_hit: bool | None = None
    setup_seconds: float | None = None

    def document(self) -> dict[str, Any]:
        """The end as it is sent and written down."""
        return {name: getattr(self, name) for name in self.__slots__}


class Link:
    """A shim, started to keep the descriptor *slot_lock* open, and the runner's end of the socket to it.

    The shim is a program of its own, not a fork of the runner: what it forks for each evaluation stays small.
    """

    def __init__(self, slot_lock: int) -> None:
        import subprocess

        self.sock, theirs = socket.socketpair()
        with theirs:
            kept = (theirs.fileno(), slot_lock)
            argv = [sys.executable, "-m", "spoolq.shim", *map(str, kept)]
            self._shim = subprocess.Popen(argv, pass_fds=kept, start_new_session=True)
        self.pid = self._shim.pid
        self._buffer = b""

    def send(self, **message: Any) -> None:
        """Give an order or a request; raises OSError (BrokenPipeError) when the shim is dead."""
        self.sock.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]]:
        """What the shim has said; blocks for something. Raises EOFError when it is dead."""
        try:
            chunk = self.sock.recv(1 << 16)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            raise EOFError("the shim is dead")
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Let the shim go, and wait until it has: after that the slot is free as far as it is concerned."""
        self.sock.close()
        self._shim.wait()
