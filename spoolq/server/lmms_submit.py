"""`POST /evaluate` of lmms-eval's dialect: one of its requests becomes a job like any other."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from spoolq import submit
from spoolq.errors import RequestInvalid
from spoolq.server import intake
from spoolq.server import lmms_models as models
from spoolq.server.face import Face

#: The recipe that knows all fields of the request.
_OWN = "lmms-eval"
#: Fields that say nothing when they are empty or 0.
_FALSY = ("model_args", "batch_size", "limit", "gen_kwargs", "output_dir")


class Evaluate:
    """Queues requests of the dialect."""

    def __init__(self, face: Face) -> None:
        self.face = face

    async def quick(self, _rest: str, body: bytes) -> bytes | None:
        """The answer to a plain request; None for one with a fault, or one that takes longer to judge.

        The recipe coerces values and drops fields as EvaluateRequest does; what it refuses, that says in other words.
        """
        settings = self.face.store.settings
        if settings.default_recipe != _OWN or _OWN in settings.recipes:
            return None
        try:
            asked = json.loads(body)
            if not isinstance(asked, dict) or _names_a_place(asked.get("output_dir"), asked.get("tasks")):
                return None
            job = intake.check(self.face, {"recipe": _OWN, "request": asked})
            data = submit.content({"recipe": _OWN, "request": job.request}, indent=None)
        except (ValueError, RecursionError, RequestInvalid):
            return None
        return await self._queue(data)

    async def answer(self, asked: models.EvaluateRequest) -> bytes:
        """Queue a request; the answer as JSON. Once there is one, the job survives a power cut.

        Raises RequestInvalid for what the recipe does not take, SpoolUnusable.
        """
        document = document_of(asked, self.face.store.settings.default_recipe)
        # Where it names a place, somebody's mount is asked whether that is one of the operator's.
        if _names_a_place(asked.output_dir, asked.tasks):
            await self.face.work(intake.check, self.face, document)
        else:
            intake.check(self.face, document)
        return await self._queue(submit.content(document, indent=None))

    async def _queue(self, data: bytes) -> bytes:
        stem = await self.face.commits.publish(data)
        position = self.face.view.added(stem)
        self.face.wake.poke()
        return (
            b'{"job_id":"%b","status":"queued","position_in_queue":%d,'
            b'"message":"Job queued successfully. Position in queue: %d"}' % (stem.uuid.encode(), position, position)
        )


def evaluate(routes: APIRouter, face: Face) -> None:
    """Add the route."""
    queue = Evaluate(face)

    @routes.post("/evaluate", response_model=models.JobSubmitResponse)
    async def submit_evaluation(body: models.EvaluateRequest) -> Response:
        """Queue an evaluation. Once this is answered, the job survives a power cut."""
        return Response(await queue.answer(body), media_type="application/json")

    face.lanes.add("POST", "/evaluate", queue.quick)


def _names_a_place(output_dir: object, tasks: object) -> bool:
    return bool(output_dir) or not isinstance(tasks, list) or any("/" in str(task) for task in tasks)


def document_of(body: models.EvaluateRequest, recipe: str) -> dict[str, object]:
    """The envelope of a request. Another recipe is told only what was said: it may not have every field."""
    request = body.model_dump()
    if recipe != _OWN:
        unsaid = [name for name in _FALSY if not request[name]]
        unsaid += ["num_gpus"] if body.num_gpus <= 1 else []
        blank = {name: field.default for name, field in models.EvaluateRequest.model_fields.items()}
        request = {name: value for name, value in request.items() if name not in unsaid and value != blank[name]}
    return {"recipe": recipe, "request": request}
