"""Queues jobs by a process that does nothing else, so that who waits for the disk keeps nobody from being answered.

A submit is a dozen system calls, and two of them wait. Made in threads of the server, each would queue for the
interpreter behind all the requests that are being answered. See `scribe`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections import deque
from typing import cast

from spoolq.errors import SpoolUnusable
from spoolq.names import Stem, parse_queued
from spoolq.store import Store

#: How long a scribe that was told to end may take, in seconds, before it is killed.
_GRACE_S = 5.0


class Commits:
    """The other end of a scribe. Used in the event loop's thread alone; starts one when it is needed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._line: asyncio.Future[_Line] | None = None

    async def publish(self, data: bytes, priority: str = "normal") -> Stem:
        """Queue a job's file, one line of JSON; once this has returned, it survives a power cut.

        Raises SpoolUnusable, OSError when no process can be started.
        """
        starting = self._line
        if starting is None or (starting.done() and not _stands(starting)):
            starting = self._line = asyncio.ensure_future(_start(self.store, starting))
        line = starting.result() if starting.done() else await asyncio.shield(starting)
        return await line.ask(priority.encode() + b" " + data)

    async def stop(self) -> None:
        """End the scribe. What it was told and has not answered may be queued or not."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                await (await self._line).end()
            self._line = None


def _stands(line: asyncio.Future[_Line]) -> bool:
    return line.exception() is None and not line.result().ended


class _Line(asyncio.Protocol):
    """The socket to a scribe; its answers come in the order of the questions."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.ended = process, False
        self._transport: asyncio.WriteTransport | None = None
        self._asked: deque[asyncio.Future[Stem]] = deque()
        self._parts: list[bytes] = []

    def ask(self, line: bytes) -> asyncio.Future[Stem]:
        """Send one line, which ends the question."""
        done: asyncio.Future[Stem] = asyncio.get_running_loop().create_future()
        if self._transport is None or self.ended:
            done.set_exception(_gone())
        else:
            self._asked.append(done)
            self._transport.write(line)
        return done

    async def end(self) -> None:
        """Hang up, and wait for the process."""
        if self._transport is not None:
            self._transport.close()

        def reap() -> None:
            try:
                self.process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:  # a disk that hangs: its parent would stay for ever
                self.process.kill()

        await asyncio.to_thread(reap)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's own is one without saying so

    def data_received(self, data: bytes) -> None:
        """Tell who asked."""
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._parts.append(data)
            return
        lines = b"".join([*self._parts, head]).decode().split("\n")
        self._parts = [rest] if rest else []
        for said in lines:
            done = self._asked.popleft()
            if done.done():  # who asked has gone away; the job is queued all the same
                continue
            stem = parse_queued(f"{said[1:]}.json") if said.startswith("+") else None
            if stem is not None:
                done.set_result(stem)
            else:
                done.set_exception(SpoolUnusable(said[1:]))

    def connection_lost(self, _error: Exception | None) -> None:
        """It has ended. The next submission starts another."""
        self.ended = True
        self.process.poll()
        for done in self._asked:
            if not done.done():
                done.set_exception(_gone())
        self._asked.clear()


async def _start(store: Store, before: asyncio.Future[_Line] | None) -> _Line:
    if before is not None and before.exception() is None:
        await before.result().end()
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-m", "spoolq.server.scribe", str(store.root), store.settings.durability]
    try:
        with theirs:
            # A session of its own: Ctrl-C ends the server, and the closed socket ends it.
            process = await asyncio.to_thread(subprocess.Popen, argv, stdin=theirs.fileno(), start_new_session=True)
        ours.setblocking(False)
        line = _Line(process)
        await asyncio.get_running_loop().create_connection(lambda: line, sock=ours)
    except BaseException:
        ours.close()
        raise
    return line


def _gone() -> SpoolUnusable:
    return SpoolUnusable(
        "cannot submit: the process that writes into the spool has ended. The job may be queued or not: look before "
        "you try again."
    )
