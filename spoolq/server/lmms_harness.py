"""The routes of lmms-eval's dialect that ask the harness itself: what it knows, and its merger."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from spoolq.server import lmms_models as models
from spoolq.server.catalogue import Catalogue
from spoolq.server.face import Face
from spoolq.server.merging import Merging

_MERGE: dict[int | str, dict[str, Any]] = {
    400: {"model": models.Detail, "description": "The checkpoint cannot be merged"},
    404: {"model": models.Detail, "description": "There is no such checkpoint"},
    500: {"model": models.Detail, "description": "The merge failed, or there is no lmms-engine"},
}


def ask_harness(routes: APIRouter, face: Face) -> None:
    """Add the routes."""
    catalogue, merging = face.part(Catalogue), face.part(Merging)

    @routes.get("/tasks", response_model=models.TasksResponse, response_model_exclude_unset=True)
    async def tasks() -> Response:
        """The benchmarks that the harness knows. The first answer takes as long as the harness takes to start."""
        return Response(await catalogue.body("tasks"), media_type="application/json")

    @routes.get("/models", response_model=models.ModelsResponse, response_model_exclude_unset=True)
    async def model_types() -> Response:
        """The model types that the harness knows, sorted."""
        return Response(await catalogue.body("models"), media_type="application/json")

    @routes.post("/merge", response_model=models.MergeResponse, responses=_MERGE)
    async def merge(body: models.MergeRequest) -> models.MergeResponse:
        """Merge a sharded checkpoint into one, outside the queue. Only between places that the operator has opened."""
        path = await merging.merge(body)
        return models.MergeResponse(success=True, message="Checkpoint merged successfully", merged_path=path)
