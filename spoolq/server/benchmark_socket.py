"""The WebSocket of a benchmark run: its whole log, then what comes, then how it ended.

Nothing is kept for a subscriber but an offset into the log, so there may be any number of them, and one that is slow
holds up nobody. uvicorn pings each of them every 20 s and drops one that does not answer for as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time

from fastapi import HTTPException, WebSocket, WebSocketDisconnect

from spoolq.errors import JobNotFound, SpoolqError
from spoolq.server.benchmark_log import CANCELLED_LINE, LogLines
from spoolq.server.benchmark_models import Status
from spoolq.server.benchmark_runs import Runs

log = logging.getLogger("spoolq.server")

#: The close code for an unknown run. Before the handshake is answered it becomes HTTP 403.
UNKNOWN = 4004
#: RFC 6455: something of ours went wrong.
_FAULT = 1011
#: The end is told with its record on disk; when nobody writes one, after so many seconds without.
_RECORD_S = 2.0
#: Between two looks at a log, in seconds: while it grows, and at most while it is quiet.
_LEAST_S, _MOST_S = 0.05, 0.5


class _Follow:
    """One subscriber's place in a run's log."""

    def __init__(self, runs: Runs, job_id: str, lines: LogLines) -> None:
        self.runs, self.job_id, self.lines = runs, job_id, lines
        self.ended_at: float | None = None

    def look(self) -> tuple[list[str] | None, Status | None]:
        """What the log has that is new, None for nothing; then, when it has all been read, how the run ended."""
        status, recorded = self.runs.ended(self.job_id)  # before the log: what has ended prints no more
        if (new := self.lines.read()) is not None or status is None:
            return new, None
        self.ended_at = self.ended_at or time.monotonic()
        if not recorded and time.monotonic() - self.ended_at < _RECORD_S:
            return None, None
        return self.lines.rest() or None, status


async def serve(runs: Runs, socket: WebSocket, job_id: str) -> None:
    """Serve one subscriber to the end of the run, or his own."""
    try:
        entry = await runs.face.work(runs.find, job_id)
    except HTTPException:
        await socket.close(UNKNOWN, "Job not found")
        return
    await socket.accept()
    lines = LogLines(runs.store.layout.run(entry.stem.key).log)
    sending = asyncio.create_task(_send(_Follow(runs, job_id, lines), socket))
    leaving = asyncio.create_task(_until_gone(socket))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        ended = await asyncio.gather(sending, leaving, return_exceptions=True)
        await runs.face.work(lines.close)
    if isinstance(ended[0], Exception) and not isinstance(ended[0], WebSocketDisconnect):
        raise ended[0]


async def _until_gone(socket: WebSocket) -> None:
    """Return when the subscriber has left; what he says means nothing."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(follow: _Follow, socket: WebSocket) -> None:
    face, pause, seen = follow.runs.face, _LEAST_S, follow.runs.face.wake.count
    try:
        while True:
            new, status = await face.work(follow.look)
            for line in new or ():
                await _log(socket, line)
            if status is not None:
                break
            pause = _LEAST_S if new else min(_MOST_S, 1.5 * pause)
            if new is None:
                await asyncio.sleep(_LEAST_S)  # a busy spool changes all the time
                seen = await face.wake.after(seen, pause)
    except JobNotFound:
        await socket.close(UNKNOWN, "Job not found")  # pruned
        return
    except (SpoolqError, OSError) as error:
        log.warning("cannot follow %s: %s", follow.job_id, error)
        await socket.close(_FAULT, "the spool cannot be used at this moment")
        return
    if status == "cancelled":
        await _log(socket, CANCELLED_LINE)
        await _log(socket, "__CANCELLED__")
    await socket.send_text(json.dumps({"type": "done", "status": status}))
    with contextlib.suppress(RuntimeError):  # he has closed it himself
        await socket.close()


async def _log(socket: WebSocket, line: str) -> None:
    await socket.send_text(json.dumps({"type": "log", "line": line}))
