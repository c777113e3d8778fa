"""`POST /api/v1/jobs`, `/jobs/batch`, `/validate`: what goes into the queue, or would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from spoolq.errors import RequestInvalid
from spoolq.jobs import just_submitted, parse_entry
from spoolq.masking import mask
from spoolq.names import Stem
from spoolq.server import intake, shapes
from spoolq.server.answers import Answer
from spoolq.server.face import Face
from spoolq.server.records import Records
from spoolq.server.routes import Responses, Route, body_of, faults, json_body
from spoolq.transitions import State

_KEY = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Of the client's choice, a new one for each submission: sent again with the same key, after a "
        "lost answer, the same request queues nothing twice.",
    ),
]
_BARE = {"model": "hf", "tasks": ["mmlu"], "model_args": {"pretrained": "gpt2"}, "limit": 8}
_ENVELOPE = {"request": {"command": ["echo", "hello"]}, "priority": "high", "timeout": "2h", "max_attempts": 2}
_REUSED: Responses = faults(409, at_409="The key was used for another request")
_LOCATION = {"Location": {"description": "Where the job is", "schema": {"type": "string"}}}
_KNOWN: Responses = {
    200: {
        "model": shapes.Job,
        "description": "The key was used for this request before: here is its job",
        "headers": _LOCATION,
    },
    201: {"headers": _LOCATION},
}
#: The most documents of one batch.
_MOST = 1000


def routes(face: Face, records: Records) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["jobs"], route_class=Route)
    _one(made, face, records)
    _several(made, face, records)
    return made


def _one(made: APIRouter, face: Face, records: Records) -> None:
    @made.post(
        "/jobs",
        status_code=201,
        response_model=shapes.Job,
        responses={**_REUSED, **_KNOWN},
        openapi_extra=json_body(bare=_BARE, envelope=_ENVELOPE),
    )
    async def submit(request: Request, idempotency_key: _KEY = None) -> Response:
        """Queue a job: a bare request, or an envelope with its policy. Once it is answered, it survives a power cut."""
        document = await body_of(request, face.options.max_body)
        stem, new = await face.work(_submit, face, document, idempotency_key)
        job = await face.work(_queued, face, records, stem, document, new)
        return Answer(job, 201 if new else 200, {"Location": f"/api/v1/jobs/{stem.uuid}"})

    @made.post(
        "/validate",
        response_model=shapes.Valid,
        responses=faults(),
        openapi_extra=json_body(bare=_BARE, envelope=_ENVELOPE),
    )
    async def validate(request: Request) -> Response:
        """Whether a request would be taken, and what it is with its defaults filled in. Queues nothing."""
        job = await face.work(intake.check, face, await body_of(request, face.options.max_body))
        return Answer({"ok": True, "recipe": job.recipe.name, "request": mask(job.request)})


def _several(made: APIRouter, face: Face, records: Records) -> None:
    @made.post(
        "/jobs/batch",
        status_code=201,
        response_model=shapes.Batch,
        responses=_REUSED,
        openapi_extra=json_body(batch={"jobs": [_BARE, _ENVELOPE]}),
    )
    async def submit_batch(request: Request, idempotency_key: _KEY = None) -> Response:
        """Queue several jobs, all or none: each is checked before the first is queued."""
        documents = _documents(await body_of(request, face.options.max_body))
        stems = await face.work(_submit_all, face, documents, idempotency_key)

        def queued() -> list[dict[str, Any]]:
            pairs = zip(stems, documents, strict=True)
            return [_queued(face, records, stem, document, new) for (stem, new), document in pairs]

        return Answer({"jobs": await face.work(queued)}, 201)


def _submit(face: Face, document: Mapping[str, Any], key: str | None) -> tuple[Stem, bool]:
    try:
        return intake.submit(face, document, key=key)
    except RequestInvalid as error:
        raise RequestInvalid(f"cannot submit: {str(error).removeprefix('cannot submit: ')}", error.field) from None


def _submit_all(face: Face, documents: list[dict[str, Any]], key: str | None) -> list[tuple[Stem, bool]]:
    try:
        return intake.submit_all(face, documents, key=key)
    except RequestInvalid as error:
        raise RequestInvalid(f"cannot submit: {error}. Nothing was queued.", error.field) from None


def _documents(body: dict[str, Any]) -> list[dict[str, Any]]:
    documents = body.get("jobs")
    if not isinstance(documents, list) or not documents or len(documents) > _MOST:
        raise RequestInvalid(f"cannot submit: `jobs` must be a list of 1 to {_MOST} requests.", "jobs")
    for place, document in enumerate(documents):
        if not isinstance(document, dict):
            raise RequestInvalid(f"cannot submit: `jobs.{place}` is no JSON object.", f"jobs.{place}")
    return documents


def _queued(face: Face, records: Records, stem: Stem, document: Mapping[str, Any], new: bool) -> dict[str, Any]:
    """The record of a job that was just submitted; nothing is read back of what we have just written."""
    if not new:
        return records.one(stem.uuid)
    face.view.added(stem)
    face.wake.poke()
    entry = parse_entry(State.QUEUED, f"{stem}.json")
    assert entry is not None
    return records.complete(entry, just_submitted(face.store, stem, document))
