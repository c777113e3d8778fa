"""`/api/v1/jobs`: look at jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from spoolq import history
from spoolq.masking import mask
from spoolq.models import Outcome
from spoolq.server import shapes
from spoolq.server.answers import Answer, placeless
from spoolq.server.cursor import Cursor
from spoolq.server.face import Face
from spoolq.server.listing import Listings
from spoolq.server.listing import Query as Wanted
from spoolq.server.named import entry_of
from spoolq.server.records import Records
from spoolq.server.routes import Route, faults
from spoolq.settings import Priority
from spoolq.transitions import State

JobId = Annotated[
    str, Path(description="The job's id, an unambiguous beginning of it, or `last`.", examples=["last"], max_length=64)
]
_Text = Annotated[str | None, Query(max_length=500)]
_Searched = Annotated[str | None, Query(max_length=500, description="A part of the id, model, task or recipe.")]
_When = Annotated[datetime | None, Query(description="ISO 8601; UTC where it does not say.")]


def routes(face: Face, records: Records) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["jobs"], route_class=Route)
    _of_all(made, face, Listings(face, records))
    _of_one(made, face, records)
    return made


def _of_all(made: APIRouter, face: Face, listings: Listings) -> None:
    @made.get("/jobs", response_model=shapes.Jobs, responses=faults())
    async def list_jobs(
        state: Annotated[list[State] | None, Query(description="Only jobs of these states; repeat it.")] = None,
        recipe: _Text = None,
        model: _Text = None,
        task: _Text = None,
        priority: Priority | None = None,
        outcome: Outcome | None = None,
        q: _Searched = None,
        since: _When = None,
        until: _When = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
    ) -> Response:
        """List jobs: running, queued in the order of service, then ended, newest first.

        `since` and `until` bound `created_at`, the latter excluded. `model` and `task` are whole names.
        """
        wanted = Wanted(
            frozenset(state or State), recipe, model, task, priority, outcome, q or None, since, until, limit
        )
        after = Cursor.parse(cursor) if cursor else Cursor()
        page = await face.work(listings.page, wanted, after)
        following = None if page.next is None else str(page.next)
        return Answer({"jobs": page.jobs, "next": following, "counts": await face.work(listings.counts)})


def _of_one(made: APIRouter, face: Face, records: Records) -> None:
    @made.get("/jobs/{id}", response_model=shapes.Job, responses=faults(404))
    async def get_job(id: JobId) -> Response:
        """One job, whatever state it is in."""
        return Answer(await face.work(records.one, id))

    @made.get("/jobs/{id}/history", response_model=shapes.History, responses=faults(404))
    async def get_history(id: JobId) -> Response:
        """The events of a job, oldest first: admitted, claimed, started, requeued, finished."""

        def past() -> list[dict[str, Any]]:
            events = history.events(face.store, entry_of(face.view, id).stem.key)
            return [_shown(face, event) for event in events]

        return Answer({"events": await face.work(past)})


def _shown(face: Face, event: dict[str, Any]) -> dict[str, Any]:
    """An event as strangers see it: its texts are ours, and may name a place."""
    seen: dict[str, Any] = mask(event)
    return {key: placeless(face.store, value) if isinstance(value, str) else value for key, value in seen.items()}
