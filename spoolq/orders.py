"""What a runner and its shim say to each other: orders, ends, and the socket between them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Order:
    """All that the shim must know to run one evaluation; paths absolute, times in seconds, None for no limit."""

    nonce: str
    argv: list[str]
    cwd: str
    env: dict[str, str]
    log: str
    end: str
    running: str
    beat: str
    timeout: float | None
    grace: float
    stop_signal: int
    heartbeat: float
    heartbeat_timeout: float


@dataclass(slots=True)
class End:
    """How an evaluation ended; `stopped` says why: ``timeout``, ``cancel``, ``requeue``, ``signal``, ``fenced``."""

    nonce: str
    started_at: str
    ended_at: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    stopped: str | None = None
    could_not_start: str | None = None
    peak_memory_mib: float | None = None
    leftovers: int = 0


class Link:
    """The runner's end of the socket to its shim."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid, self.sock = pid, sock
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
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
