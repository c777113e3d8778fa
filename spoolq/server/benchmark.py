"""The benchmark-run dialect: `/api/benchmark/…` as the web client of the execution management system speaks it.

Its errors are `{"detail": …}` with the original's messages. See docs/benchmark-run.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, StreamingResponse

from spoolq.server import benchmark_log, benchmark_socket
from spoolq.server.benchmark_models import BenchmarkRequest, BenchmarkStatus
from spoolq.server.benchmark_runs import Runs
from spoolq.server.face import Face
from spoolq.transitions import State

#: How long `start` waits for a runner to take the run, in seconds.
_START_S = 2.0
#: How long `cancel` waits beyond the run's grace: for the runner to hear of it, and to write the end.
_MARGIN_S = 8.0
#: Looking may cost this share of the time that is waited: it lists directories of any size.
_SHARE = 0.2


class Detail(BaseModel):
    """An error."""

    detail: str


_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Detail, "description": "There is no such run"}}
_CANCEL = _UNKNOWN | {
    409: {"model": Detail, "description": "It has ended"},
    500: {"model": Detail, "description": "The spool refuses"},
}
_START: dict[int | str, dict[str, Any]] = {
    409: {"model": Detail, "description": "A run waits or runs already"},
    503: {"model": Detail, "description": "No recipe is set up for it, or the spool cannot be used at this moment"},
}
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


def router(face: Face) -> APIRouter:
    """`/api/benchmark/start`, `jobs`, `jobs/{id}`, its `cancel` and `logs`, and the WebSocket `ws/{id}`."""
    routes = APIRouter(prefix="/api/benchmark", tags=["benchmark runs"])
    runs = Runs(face)
    _moves(routes, runs)
    _looks(routes, runs)
    return routes


def _moves(routes: APIRouter, runs: Runs) -> None:
    @routes.post("/start", responses=_START)
    async def start(asked: BenchmarkRequest) -> BenchmarkStatus:
        """Start a run; answers once it runs, or after 2 s with what it is."""
        job_id = await runs.face.work(runs.start, asked)
        return await _settled(runs, job_id, lambda status: status.status != "pending", _START_S)

    @routes.post("/jobs/{job_id}/cancel", responses=_CANCEL)
    async def cancel(job_id: str) -> BenchmarkStatus:
        """End a run: SIGTERM, the grace (2 s), SIGKILL for all that it started. Answers once it has ended."""
        grace = await runs.face.work(runs.cancel, job_id)
        return await _settled(runs, job_id, lambda status: status.finished_at is not None, grace + _MARGIN_S)


def _looks(routes: APIRouter, runs: Runs) -> None:
    face = runs.face

    @routes.get("/jobs")
    async def jobs() -> list[BenchmarkStatus]:
        """Every run, in the order in which they were submitted."""
        return await face.work(runs.all)

    @routes.get("/jobs/{job_id}", responses=_UNKNOWN)
    async def job(job_id: str) -> BenchmarkStatus:
        """One run."""
        return await face.work(runs.status, job_id)

    @routes.get("/jobs/{job_id}/logs", response_class=PlainTextResponse, responses=_UNKNOWN | _TEXT)
    async def logs(job_id: str) -> StreamingResponse:
        """The log of a run's newest attempt, its lines joined by line feeds."""
        entry = await face.work(runs.find, job_id)
        log = face.store.layout.run(entry.stem.key).log
        text = benchmark_log.whole(log, cancelled=entry.state is State.CANCELLED)
        safe = {"X-Content-Type-Options": "nosniff"}
        return StreamingResponse(text, media_type="text/plain; charset=utf-8", headers=safe)

    @routes.websocket("/ws/{job_id}")
    async def follow(socket: WebSocket, job_id: str) -> None:
        await benchmark_socket.serve(runs, socket, job_id)


async def _settled(
    runs: Runs, job_id: str, holds: Callable[[BenchmarkStatus], bool], timeout: float
) -> BenchmarkStatus:
    """The run's status once *holds* of it, or after *timeout* seconds."""
    face, deadline = runs.face, time.monotonic() + timeout
    while True:
        began, seen = time.monotonic(), face.wake.count  # RACE: before the look: what changes meanwhile ends the wait
        status = await face.work(runs.status, job_id, fresh=True)
        now = time.monotonic()
        if holds(status) or now >= deadline:
            return status
        await asyncio.sleep(min((now - began) / _SHARE, deadline - now))
        await face.wake.after(seen, max(0.0, deadline - time.monotonic()))
