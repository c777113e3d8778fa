"""`GET /api/v1/jobs/{id}/log`: what a job printed, whole, its last lines, or a range of bytes."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Response
from starlette.responses import StreamingResponse

from spoolq.logs import offset_of
from spoolq.server.answers import Answer
from spoolq.server.face import Face
from spoolq.server.named import entry_of
from spoolq.server.printed import Log, open_log
from spoolq.server.records import Records
from spoolq.server.routes import Responses, Route, faults
from spoolq.server.v1_jobs import JobId

TEXT = "text/plain; charset=utf-8"
_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_AS_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_SIZE = {"X-Log-Size": {"description": "Bytes of the whole log", "schema": {"type": "integer"}}}
_TEXT: Responses = {
    200: {"content": _AS_TEXT, "description": "The log", "headers": _SIZE},
    206: {"content": _AS_TEXT, "description": "The bytes asked for", "headers": _SIZE},
}


def routes(face: Face, _records: Records) -> APIRouter:
    """The route."""
    made = APIRouter(tags=["logs"], route_class=Route)

    @made.get(
        "/jobs/{id}/log",
        response_class=StreamingResponse,
        responses={**faults(404, 416, at_404="There is no such job, or no such attempt"), **_TEXT},
    )
    async def get_log(
        id: JobId,
        tail: Annotated[int | None, Query(ge=0, description="Only the last so many lines.")] = None,
        attempt: Annotated[int | None, Query(ge=1, description="An earlier attempt's.")] = None,
        range: Annotated[str | None, Header(description="`bytes=A-B`; counts before `tail`.")] = None,
        if_range: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """What the job has printed so far: as it is, never to be shown as anything but text.

        `X-Log-Size` is the size of the whole in bytes; a log that grows is read on from there.
        """
        log = await face.work(_open, face, id, attempt)
        return await face.work(_answer, face, log, None if if_range else range, tail)

    return made


def _open(face: Face, job: str, attempt: int | None) -> Log:
    log = open_log(face.store, entry_of(face.view, job).stem.key, attempt)
    if log is None:
        raise HTTPException(404, f"cannot read the log of attempt {attempt} of job {job}: there is none.")
    return log


def _answer(face: Face, log: Log, wanted: str | None, tail: int | None) -> Response:
    headers = {"Accept-Ranges": "bytes", "X-Log-Size": str(log.size)}
    first, end, status = 0, log.size, 200
    spans = _RANGE.fullmatch(wanted or "")
    if spans and (spans[1] or spans[2]):
        first, end = _span(spans[1], spans[2], log.size)
        if first >= end:
            log.close()
            headers["Content-Range"] = f"bytes */{log.size}"
            return Answer({"detail": f"cannot read the log there: it has {log.size} bytes."}, 416, headers)
        headers["Content-Range"], status = f"bytes {first}-{end - 1}/{log.size}", 206
    elif tail is not None and log.fd >= 0:
        first = min(offset_of(log.fd, tail), end)
    headers["Content-Length"] = str(end - first)
    return StreamingResponse(_bytes(face, log, first, end), status, headers, TEXT)


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """The bytes that a range means: from, and before which; empty where there are none."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


async def _bytes(face: Face, log: Log, first: int, end: int) -> AsyncIterator[bytes]:
    try:
        while first < end:
            chunk = await face.work(os.pread, log.fd, min(_CHUNK, end - first), first)
            if not chunk:
                return  # it was cut off meanwhile; the connection says so by ending early
            first += len(chunk)
            yield chunk
    finally:
        log.close()
