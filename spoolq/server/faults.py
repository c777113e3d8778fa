"""Errors as responses: a status, a body with `detail`, and nothing that tells a stranger how the host is laid out."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from spoolq.errors import (
    ClaimLost,
    EndUnderWay,
    JobAmbiguous,
    JobNotFound,
    LockTimeout,
    NotAllowed,
    RequestInvalid,
    SettingsInvalid,
    SpoolqError,
    SpoolUnusable,
)

log = logging.getLogger("spoolq.server")

#: The status of each error; the first class that fits counts.
_STATUS: tuple[tuple[type[SpoolqError], int], ...] = (
    (JobNotFound, 404),
    (JobAmbiguous, 404),
    (EndUnderWay, 503),
    (NotAllowed, 409),
    (ClaimLost, 409),
    (RequestInvalid, 422),
    (LockTimeout, 503),
    (SpoolUnusable, 503),
    (SettingsInvalid, 503),
)
#: Of these the message may name paths of the host: the log has it, the caller does not.
_PRIVATE = (LockTimeout, SpoolUnusable, SettingsInvalid)
_TRY_LATER = "the spool cannot be used at this moment. Try again; the server's log says why"


def install(app: FastAPI, root: str) -> None:
    """Have *app* answer every error of ours, and every fault of the disk; *root* never leaves the host."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, SpoolqError | OSError)
        return response(request, error, root)

    app.add_exception_handler(SpoolqError, answer)
    app.add_exception_handler(OSError, answer)


def response(request: Request, error: SpoolqError | OSError, root: str) -> JSONResponse:
    """What is answered to *request*; of a fault of the disk the log says more."""
    if isinstance(error, SpoolqError):
        return _answer(request, error, root)
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return JSONResponse({"detail": _TRY_LATER}, 503, {"Retry-After": "1"})


def status_of(error: SpoolqError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def detail_of(error: SpoolqError, root: str) -> str:
    """What a stranger is told of it: the message without the place of the spool."""
    if isinstance(error, JobNotFound):
        return f"Job {error.job} not found"
    return _TRY_LATER if isinstance(error, _PRIVATE) else str(error).replace(root, "the spool")


def _answer(request: Request, error: SpoolqError, root: str) -> JSONResponse:
    status = status_of(error)
    if isinstance(error, _PRIVATE):
        log.warning("%s %s: %s", request.method, request.url.path, error)
    body: dict[str, object] = {"detail": detail_of(error, root)}
    if isinstance(error, RequestInvalid):
        body["field"] = error.field
    if isinstance(error, JobAmbiguous):
        body["candidates"] = error.candidates[:20]
    return JSONResponse(body, status, {"Retry-After": "1"} if status == 503 else None)
