"""`/api/v1`: the API for the page and for new clients. Its parts are in `v1_*.py`."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter

from spoolq.server.face import Face
from spoolq.server.records import Records

#: Modules with routes, each with `routes(face, records)`.
PARTS = ("v1_status", "v1_jobs", "v1_submit", "v1_moves", "v1_log", "v1_results", "v1_fleet")


def router(face: Face) -> APIRouter:
    """All routes below `/api/v1` but the event streams."""
    routes = APIRouter(prefix="/api/v1")
    records = Records(face)
    for part in PARTS:
        routes.include_router(import_module(f"spoolq.server.{part}").routes(face, records))
    return routes
