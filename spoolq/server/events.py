"""`/api/v1/events` and `/api/v1/jobs/{id}/log/events`: what changes, and what a job prints, as it happens."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from spoolq.server.face import Face
from spoolq.server.feed import Feed
from spoolq.server.follow import follow
from spoolq.server.named import entry_of
from spoolq.server.news import News
from spoolq.server.pulse import Pulse
from spoolq.server.records import Records
from spoolq.server.routes import Responses, Route, faults
from spoolq.server.sse import Stream
from spoolq.server.v1_jobs import JobId
from spoolq.transitions import State

_STREAM: Responses = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events, without end"}
}
#: The id of an event of a log.
_PLACE = re.compile(r"^([0-9]{1,9}):([0-9]{1,18})$")
_LastId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64, description="Of the last event seen.")]


def router(face: Face) -> APIRouter:
    """The routes."""
    made = APIRouter(prefix="/api/v1", route_class=Route)
    records = Records(face)
    _of_jobs(made, face, records)
    _of_logs(made, face, records)
    return made


def _of_jobs(made: APIRouter, face: Face, records: Records) -> None:
    feed = Feed(face, News(face, records))

    @made.get("/events", tags=["queue"], status_code=200, response_class=Stream, responses={**faults(), **_STREAM})
    async def get_events(
        header: _LastId = None,
        last_event_id: Annotated[str | None, Query(pattern=r"^[0-9]{1,20}$", description="The same.")] = None,
    ) -> Response:
        """Server-sent events: `change` for every change of a job's state, `queue` for counts, pause and progress.

        Ids are the file server's time of the change in ns. With the last id seen, every job that has changed since is
        told first, as it is now; also by another server of the spool, and after a restart.
        """
        await face.work(face.view.listing, State.QUEUED)  # a spool that is gone is said before the stream begins
        last = last_event_id or header
        return Stream(feed.listen(int(last) if last and last.isdecimal() else None))


def _of_logs(made: APIRouter, face: Face, records: Records) -> None:
    pulse = Pulse(face)

    @made.get(
        "/jobs/{id}/log/events",
        tags=["logs"],
        status_code=200,
        response_class=Stream,
        responses={**faults(404), **_STREAM},
    )
    async def get_log_events(
        id: JobId,
        header: _LastId = None,
        last_event_id: Annotated[str | None, Query(pattern=_PLACE.pattern, description="The same.")] = None,
        tail: Annotated[int | None, Query(ge=0, description="Begin so many lines before the end.")] = None,
    ) -> Response:
        """Server-sent events: `log` with what the job prints, `attempt` when a new one begins a new log, then `end`.

        Ids are `ATTEMPT:OFFSET`, the place in bytes behind the text. With the last id seen it goes on from there. `end`
        holds the job's record; after it the stream ends.
        """
        entry = await face.work(entry_of, face.view, id)
        place = _PLACE.fullmatch(last_event_id or header or "")
        at = (int(place[1]), int(place[2])) if place else None
        return Stream(follow(face, records, pulse, entry.stem, at, tail))
