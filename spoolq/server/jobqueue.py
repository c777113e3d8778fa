"""The eval-jobqueue dialect: remote workers ask for jobs and for resources, and say that they live and how it went.

All that they say is in the query, as in the original; its errors have the original's words. See docs/workers.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Literal, TypeVar
from weakref import WeakValueDictionary

from fastapi import APIRouter, HTTPException, Query, Request

from spoolq import pools
from spoolq.documents import parse_object
from spoolq.errors import ClaimLost, LeaseLost, NoneFree, PoolUnknown
from spoolq.plain import one_line
from spoolq.server.answers import Answer
from spoolq.server.face import Face
from spoolq.server.jobqueue_models import BEATEN, DONE, GIVEN, LEASED, OK, REPORT, Report, refusals
from spoolq.server.line import Line
from spoolq.server.upkeep import Upkeep
from spoolq.transitions import State
from spoolq.workers import Workers

log = logging.getLogger("spoolq.server.jobqueue")
#: The longest that a request may wait for a resource, in seconds.
_LONGEST_S = 60.0

Got = TypeVar("Got")
Worker = Annotated[str, Query(description="What the worker calls itself, the same in all that it asks")]
JobId = Annotated[str, Query(description="The job that the resource is for, as the worker calls it")]
Wait = Annotated[float, Query(ge=0, allow_inf_nan=False, description="Seconds to wait for one, at most 60")]
Index = Annotated[int, Query(description="The resource's `index`")]


class Dialect:
    """What the routes share with what is done beside them."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.workers = Workers(face.store, lambda line: log.warning("%s", one_line(line)))
        self.for_jobs = Line(face, lambda _kinds: {"": self.workers.on_offer()})
        self.for_resources = Line(face, self._free)
        self.upkeep = Upkeep(face, self.workers)

    def _free(self, kinds: set[str]) -> dict[str, int | None]:
        found = (pools.look(self.face.store, kind) for kind in kinds)
        return {shelf.kind: None if not shelf.total else 0 if shelf.draining else len(shelf.free) for shelf in found}


#: By the id of the face: routes and upkeep are made apart, and are one.
_DIALECTS: WeakValueDictionary[int, Dialect] = WeakValueDictionary()


def of(face: Face) -> Dialect:
    """The dialect behind *face*."""
    found = _DIALECTS.get(id(face))
    if found is None or found.face is not face:
        found = _DIALECTS[id(face)] = Dialect(face)
    return found


@contextlib.asynccontextmanager
async def running(face: Face) -> AsyncIterator[None]:
    """Meanwhile, what is silent for too long is taken back, and the statistics are logged."""
    async with of(face).upkeep.running():
        yield


def router(face: Face) -> APIRouter:
    """`/job`, `/done`, `/fail`, `/heartbeat`, `/resource/…`."""
    made = APIRouter(tags=["eval-jobqueue"])
    dialect = of(face)
    _jobs(made, dialect)
    _ends(made, dialect)
    _resources(made, dialect)
    _leases(made, dialect)
    return made


async def _get(
    request: Request, line: Line, kind: str, wait: float, try_it: Callable[[], Awaitable[Got | None]]
) -> Got | None:
    """What *try_it* gets, waited for at most *wait* seconds in *line*; None when there was nothing to be had."""
    got = await try_it()
    if got is not None or not wait:
        return got
    await request.body()  # what comes after it is that the client has gone
    loop = asyncio.get_running_loop()
    until = loop.time() + min(wait, _LONGEST_S)
    async with line.ticket(kind) as ticket:
        while (left := until - loop.time()) > 0:
            await ticket.wait(left)
            if await request.is_disconnected():
                return None  # nobody would ever give it back
            ticket.called.clear()  # RACE: before the look, so that what comes free during it calls again
            got = await try_it()
            if got is not None:
                return got
    return None


def _jobs(made: APIRouter, dialect: Dialect) -> None:
    face, workers = dialect.face, dialect.workers

    @made.get("/job", responses=GIVEN)
    async def get_job(request: Request, worker: Worker, wait: Wait = 0.0) -> Answer:
        """Take the next job, or null. It is the worker's from now on: it must be heard of until it is done."""
        given = await _get(request, dialect.for_jobs, "", wait, lambda: face.work(workers.take, worker))
        if given is None:
            return Answer({"job": None})
        face.moved()
        log.info("Job %s assigned to %s (attempt %s)", given.job_id, one_line(worker), given.attempt)
        return Answer({"job": {"id": given.job_id, "payload": given.payload, "resource_type": given.kind}})

    @made.post("/job/{job_id:path}/heartbeat", responses=OK | refusals(404, "Job not assigned to worker"))
    async def heartbeat_job(job_id: str, worker: Worker) -> Answer:
        """Say that the job is being worked on."""
        if not await face.work(workers.heartbeat, job_id, worker):
            raise HTTPException(404, "Job not assigned to worker")
        return Answer({"status": "ok"})

    @made.post("/heartbeat", responses=BEATEN)
    async def heartbeat(worker: Worker) -> Answer:
        """Say that the worker lives, for all its jobs and resources at once."""
        jobs = await face.work(workers.heartbeat_all, worker)
        resources = await face.work(pools.heartbeat_all, face.store, worker)
        counts = {"jobs_heartbeated": jobs, "resources_heartbeated": resources}
        return Answer({"status": "ok", **counts, "total_resources_heartbeated": sum(resources.values())})


def _ends(made: APIRouter, dialect: Dialect) -> None:
    face, workers = dialect.face, dialect.workers
    not_yours = refusals(400, "Job not assigned to worker")

    @made.post("/done/{job_id:path}", responses=OK | not_yours, openapi_extra=REPORT)
    async def done(job_id: str, worker: Worker, request: Request) -> Answer:
        """Say that the job is done; a JSON body may have its `result` and `metrics`, which the record keeps."""
        report = _report(await request.body())
        try:
            await face.work(workers.done, job_id, worker, report.result, report.metrics)
        except ClaimLost:
            raise HTTPException(400, "Job not assigned to worker") from None
        face.moved()
        log.info("Job %s finished by %s", one_line(job_id), one_line(worker))
        return Answer({"status": "ok"})

    @made.post("/fail/{job_id:path}", responses=DONE | not_yours)
    async def fail(
        job_id: str,
        worker: Worker,
        error: Annotated[str, Query(description="What went wrong, for people")] = "its worker gave no reason",
        exit_code: Annotated[int | None, Query(ge=-255, le=255)] = None,
        outcome: Annotated[
            Literal["exit", "lost"], Query(description="`lost`: the worker is stopped before the job has ended")
        ] = "exit",
    ) -> Answer:
        """Say that the job failed. It waits again if its `retry_on` has the outcome and an attempt is left."""
        try:
            became = await face.work(workers.fail, job_id, worker, error, exit_code, outcome)
        except ClaimLost:
            raise HTTPException(400, "Job not assigned to worker") from None
        face.moved()
        after = ", and waits again" if became is State.QUEUED else ""
        log.warning("Job %s failed%s (worker=%s): %s", one_line(job_id), after, one_line(worker), one_line(error[:500]))
        return Answer({"status": "ok", "job_status": became.value})


def _report(body: bytes) -> Report:
    """What a worker says of its job; raises RequestInvalid."""
    if not body.strip():
        return Report()
    return Report.read(parse_object(body, "the body"))


def _resources(made: APIRouter, dialect: Dialect) -> None:
    @made.post(
        "/resource/{resource_type}/acquire",
        responses=LEASED | refusals(404, "Unknown resource type") | refusals(429, "No resources available"),
    )
    async def acquire(request: Request, resource_type: str, worker: Worker, job_id: JobId, wait: Wait = 0.0) -> Answer:
        """Lease the first free resource; asked again, the same. Until it is released it must be heard of."""

        async def try_it() -> pools.Leased | None:
            with contextlib.suppress(NoneFree):
                return await dialect.face.work(pools.acquire, dialect.face.store, resource_type, worker, job_id)
            return None

        try:
            leased = await _get(request, dialect.for_resources, resource_type, wait, try_it)
        except PoolUnknown:
            raise HTTPException(404, "Unknown resource type") from None
        if leased is None:
            raise HTTPException(429, "No resources available")
        if leased.fresh:
            dialect.face.moved()
            of_whom = one_line(worker), one_line(job_id)
            log.info("Resource %s[%s] allocated to %s for job %s", resource_type, leased.index, *of_whom)
        return Answer({"index": leased.index, "resource": leased.resource})


def _leases(made: APIRouter, dialect: Dialect) -> None:
    face = dialect.face

    @made.post("/resource/{resource_type}/heartbeat", responses=OK | refusals(404, "Resource lease not found"))
    async def heartbeat_resource(resource_type: str, worker: Worker, job_id: JobId, resource_idx: Index) -> Answer:
        """Say that the resource is still needed."""
        try:
            await face.work(pools.heartbeat, face.store, resource_type, worker, job_id, resource_idx)
        except LeaseLost:
            raise HTTPException(404, "Resource lease not found") from None
        return Answer({"status": "ok"})

    gone = "Resource lease not found or mismatch"

    @made.post("/resource/{resource_type}/release", responses=OK | refusals(404, gone))
    async def release(resource_type: str, worker: Worker, job_id: JobId, resource_idx: Index) -> Answer:
        """Give the resource back; whoever waits longest has it next."""
        try:
            await face.work(pools.release, face.store, resource_type, worker, job_id, resource_idx)
        except LeaseLost:
            raise HTTPException(404, gone) from None
        face.moved()
        log.warning("Resource %s[%s] freed (released by worker)", resource_type, resource_idx)
        return Answer({"status": "ok"})
