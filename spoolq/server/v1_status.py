"""`GET /api/v1/status`: the whole queue in one look, shared by all who ask at once."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from spoolq import __version__
from spoolq.server.access import Tokens
from spoolq.server.answers import Answer, placeless, shown
from spoolq.server.face import Face
from spoolq.server.records import Records
from spoolq.server.routes import Route, faults
from spoolq.server.shapes import Status
from spoolq.server.shared import Shared
from spoolq.status import status
from spoolq.store import Store
from spoolq.took import Past


def routes(face: Face, _records: Records) -> APIRouter:
    """The route."""
    made = APIRouter(tags=["queue"], route_class=Route)

    past = Past(face.store)

    async def look() -> dict[str, Any]:
        return await face.work(_seen, face.store, past)

    looks = Shared(look)

    @made.get("/status", response_model=Status, responses=faults())
    async def get_status(request: Request) -> Response:
        """The whole queue in one look: counts, what runs and how far, what waits and why, what is wrong."""
        tokens: Tokens = request.app.state.tokens
        caller = {"read_only": face.reading(request), "token_required": tokens.full is not None}
        return Answer({**await looks.get(), "server_time": face.store.now(), "version": __version__, **caller})

    return made


def _seen(store: Store, past: Past) -> dict[str, Any]:
    seen = status(store, past=past)
    seen["spool"] = store.root.absolute().name
    seen["devices"] = store.settings.slots
    seen["running"] = [shown(store, {**record, "reason": None}) for record in seen["running"]]
    seen["waiting"] = [shown(store, record) for record in seen["waiting"]]
    seen["troubles"] = [{key: placeless(store, text) for key, text in trouble.items()} for trouble in seen["troubles"]]
    return seen
