"""`/api/v1`: what people do with jobs and the queue: cancel, retry, another priority, pause, resume, prune."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from spoolq.durations import parse_duration
from spoolq.errors import RequestInvalid
from spoolq.server import shapes
from spoolq.server.answers import Answer
from spoolq.server.face import Face
from spoolq.server.named import entry_of
from spoolq.server.records import Records
from spoolq.server.routes import Responses, Route, faults
from spoolq.server.v1_jobs import JobId
from spoolq.transitions import TERMINAL

_REQUESTED: Responses = {202: {"model": shapes.Cancelled, "description": "It runs, and is being stopped"}}


def routes(face: Face, _records: Records) -> APIRouter:
    """The routes."""
    made = APIRouter(route_class=Route)
    _of_jobs(made, face)
    _of_the_queue(made, face)
    return made


def _of_jobs(made: APIRouter, face: Face) -> None:
    async def whole(id: str) -> str:
        return (await face.work(entry_of, face.view, id)).stem.uuid

    @made.post(
        "/jobs/{id}/cancel",
        tags=["jobs"],
        response_model=shapes.Cancelled,
        responses={**faults(404, 409), **_REQUESTED},
    )
    async def cancel(id: JobId) -> Response:
        """Cancel a job: a queued one at once; a running one is asked to stop, and killed after its grace."""
        job = await whole(id)
        became = await face.work(face.spool.cancel, job)
        face.moved()
        return Answer({"job_id": job, "status": became}, 200 if became == "cancelled" else 202)

    @made.post("/jobs/{id}/retry", tags=["jobs"], response_model=shapes.Retried, responses=faults(404, 409))
    async def retry(id: JobId) -> Response:
        """Put a failed or cancelled job back into the queue, in its old place."""
        job = await whole(id)
        became = await face.work(face.spool.retry, job)
        face.moved()
        return Answer({"job_id": job, "status": became})

    @made.put("/jobs/{id}/priority", tags=["jobs"], response_model=shapes.Placed, responses=faults(404, 409))
    async def prioritise(id: JobId, level: shapes.Level) -> Response:
        """Give a queued job another priority."""
        job = await whole(id)
        place = await face.work(face.spool.prioritise, job, level.priority)
        face.moved()
        return Answer({"job_id": job, "position_in_queue": place})


def _of_the_queue(made: APIRouter, face: Face) -> None:
    @made.post("/pause", tags=["queue"], response_model=shapes.Paused, responses=faults())
    async def pause(why: Annotated[shapes.Why | None, Body()] = None) -> Response:
        """Stop runners from claiming; what runs goes on. One that is paused keeps its first reason."""
        await face.work(face.spool.pause, why.reason if why else None)
        face.moved()
        return Answer({"paused": True})

    @made.post("/resume", tags=["queue"], response_model=shapes.Paused, responses=faults())
    async def resume() -> Response:
        """Let runners claim again."""
        await face.work(face.spool.resume)
        face.moved()
        return Answer({"paused": False})

    @made.post("/prune", tags=["queue"], response_model=shapes.Pruned, responses=faults())
    async def prune(limits: shapes.Limits) -> Response:
        """Remove ended jobs with their logs and outputs, or say which would go. Needs `older_than` or `keep`."""
        if limits.older_than is None and limits.keep is None:
            raise RequestInvalid("cannot prune: say which, by `older_than` or `keep`; `keep` 0 is every one.", "keep")
        try:
            age = None if limits.older_than is None else parse_duration(limits.older_than)
        except ValueError as error:
            raise RequestInvalid(f"cannot prune: `older_than`: {error}.", "older_than") from None
        states = list[str](limits.states or TERMINAL)
        report = await face.work(
            face.spool.prune, older_than=age, keep=limits.keep, states=states, dry_run=limits.dry_run
        )
        if not limits.dry_run:
            face.moved()
        return Answer({"jobs": report.jobs, "bytes": report.bytes})
