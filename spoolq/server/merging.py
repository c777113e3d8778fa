"""`POST /merge`: lmms-engine merges a checkpoint, in a process of its own, between places that the operator opened."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException

from spoolq.errors import RequestInvalid
from spoolq.server import aside, intake
from spoolq.server.face import Face
from spoolq.server.lmms_models import MergeRequest

#: How long a merge may take, in seconds.
_LIMIT_S = 6 * 3600.0
#: How long to find lmms-engine may take.
_LOOK_S = 120.0
_ABSENT = (
    "lmms_engine not available: lmms_engine package not found. Please install lmms-engine to use checkpoint merging."
)


class Merging:
    """Merges one after another: each holds a whole checkpoint in memory."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self._turn = asyncio.Lock()

    async def merge(self, asked: MergeRequest) -> str:
        """Merge; returns where to. Raises HTTPException as the dialect has it, RequestInvalid for a closed place."""
        try:
            await self.face.work(check, self.face, asked)
        except RequestInvalid:
            # Without lmms-engine no place is right; so says the original, whatever the place.
            await self._ask("null", _LOOK_S)
            raise
        async with self._turn:
            return await self._ask(asked.model_dump_json(), _LIMIT_S)

    async def _ask(self, argument: str, limit: float) -> str:
        try:
            said = await aside.ask(self.face, "merge", argument, limit=limit)
        except aside.NoAnswer as error:
            raise HTTPException(500, f"Merge failed: {error}") from None
        kind, why = said.get("kind"), said.get("error")
        if kind == "absent":
            raise HTTPException(500, _ABSENT)
        if kind == "import":
            raise HTTPException(500, f"lmms_engine not available: {why}")
        if kind is not None:
            status = {"missing": 404, "invalid": 400}.get(str(kind), 500)
            raise HTTPException(status, str(why) if status < 500 else f"Merge failed: {why}")
        return str(said.get("merged_path"))


def check(face: Face, asked: MergeRequest) -> None:
    """Raise RequestInvalid for a place that is not open: one is read from, the other is written to.

    Without an `output_path` the merger writes beside what it reads.
    """
    written = face.options.output_roots
    written = face.store.settings.output_roots if written is None else written
    if asked.output_path:
        intake.check_under("output_path", asked.output_path, written, "output_roots")
        read = [*written, *face.options.include_roots]
        intake.check_under("checkpoint_path", asked.checkpoint_path, read, "include_roots")
    else:
        intake.check_under("checkpoint_path", asked.checkpoint_path, written, "output_roots")
