"""`/api/v1/pools`, `/workers`, `/recipes`: who works here, on what, and what may be asked for."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from spoolq import recipes
from spoolq.recipes.catalog import parameters_of
from spoolq.server import shapes_fleet as shapes
from spoolq.server.answers import Answer
from spoolq.server.face import Face
from spoolq.server.fleet import Fleet
from spoolq.server.records import Records
from spoolq.server.routes import Route, faults
from spoolq.server.shared import Shared


def routes(face: Face, records: Records) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["workers"], route_class=Route)
    fleet = Fleet(face, records.facts)
    pools = Shared(lambda: face.work(fleet.pools))
    workers = Shared(lambda: face.work(fleet.workers))

    @made.get("/pools", response_model=shapes.Pools, responses=faults())
    async def get_pools() -> Response:
        """The resource pools: what there is, who has it, and how many jobs wait for each type."""
        return Answer({"pools": await pools.get()})

    @made.get("/workers", response_model=shapes.Workers, responses=faults())
    async def get_workers() -> Response:
        """The runners that are known here and what they run, and the remote workers with their jobs."""
        return Answer(await workers.get())

    @made.get("/recipes", response_model=shapes.Recipes, responses=faults())
    async def get_recipes() -> Response:
        """The recipes that a request over HTTP may name, with their parameters."""
        return Answer({"recipes": await face.work(_recipes, face)})

    return made


def _recipes(face: Face) -> list[dict[str, Any]]:
    settings, allowed = face.store.settings, face.options.recipes
    names = [name for name in recipes.known(settings) if allowed is None or name in allowed]
    return [
        {"name": name, "default": name == settings.default_recipe, "parameters": parameters_of(name, settings)}
        for name in names
    ]
