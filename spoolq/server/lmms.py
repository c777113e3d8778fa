"""The routes of lmms-eval's evaluation server: its clients work here as they are. See docs/lmms-eval.md."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from spoolq.server import lmms_models as models
from spoolq.server.catalogue import Catalogue
from spoolq.server.face import Face
from spoolq.server.lmms_dialect import Cancel, Dialect
from spoolq.server.lmms_harness import ask_harness
from spoolq.server.lmms_prune import keep_pruning
from spoolq.server.lmms_route import Route
from spoolq.server.lmms_submit import evaluate

_JSON = "application/json"
_Responses = dict[int | str, dict[str, Any]]
_NO_JOB: _Responses = {404: {"model": models.Detail, "description": "There is no such job"}}
_CANCEL: _Responses = {
    202: {"model": models.CancelResponse, "description": "The operator's watcher will do it (a shared spool)"},
    400: {"model": models.Detail, "description": "It runs, or has ended"},
}


def router(face: Face) -> APIRouter:
    """All of them."""
    routes = APIRouter(tags=["lmms-eval"], route_class=Route)
    dialect = face.part(Dialect)
    evaluate(routes, face)
    _queue(routes, dialect)
    _jobs(routes, dialect)
    ask_harness(routes, face)
    face.lanes.add("GET", "/queue", dialect.queued)
    face.lanes.add("GET", "/jobs/{job_id}", dialect.quick_job)
    return routes


@contextlib.asynccontextmanager
async def running(face: Face) -> AsyncIterator[None]:
    """What goes on beside the requests: pruning, if the operator wants it."""
    pruning = asyncio.create_task(keep_pruning(face)) if face.prune else None
    try:
        yield
    finally:
        await face.part(Catalogue).stop()
        if pruning is not None:
            pruning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pruning


def _queue(routes: APIRouter, dialect: Dialect) -> None:
    @routes.get("/health", response_model=models.HealthResponse)
    async def health() -> Response:
        """That the server answers, and how many jobs wait."""
        return Response(await dialect.health(), media_type=_JSON)

    @routes.get("/queue", response_model=models.QueueStatusResponse)
    async def queue() -> Response:
        """What waits, in the order of service, and what runs."""
        return Response(await dialect.queued(), media_type=_JSON)


def _jobs(routes: APIRouter, dialect: Dialect) -> None:
    face = dialect.face

    @routes.get("/jobs/{job_id}", response_model=models.JobInfo, responses=_NO_JOB)
    async def get_job(job_id: str) -> Response:
        """A job, whatever state it is in."""
        body = await dialect.job(job_id)
        if body is None:
            raise HTTPException(404, f"Job {job_id} not found")
        return Response(body, media_type=_JSON)

    @routes.delete("/jobs/{job_id}", response_model=models.CancelResponse, responses=_NO_JOB | _CANCEL)
    async def cancel_job(job_id: str) -> Any:
        """Cancel a queued job. One that runs is not stopped in this dialect; `/api/v1` does that."""
        done = await face.work(dialect.cancel, job_id)
        if done is Cancel.UNKNOWN:
            raise HTTPException(404, f"Job {job_id} not found")
        if done is Cancel.RUNS:
            raise HTTPException(400, "Cannot cancel a running job")
        if done is Cancel.ENDED:
            raise HTTPException(400, "Job already finished or cancelled")
        face.moved()
        if done is Cancel.REQUESTED:
            return Response(models.CancelResponse(message=f"Job {job_id} is being cancelled").model_dump_json(), 202)
        return {"message": f"Job {job_id} cancelled"}
