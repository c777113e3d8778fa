"""`/tasks` and `/models`: what the harness of this spool knows, as it says itself, asked once until it changes.

To ask takes the harness seconds and hundreds of MiB, so a process of its own does it; the server keeps the text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spoolq.server import aside
from spoolq.server.face import Face

#: How long the harness may take, and how long its fault is believed, in seconds.
_LIMIT_S, _FAULT_S = 180.0, 10.0
#: Recipe -> the module that is its harness; any other recipe's spool lists lmms-eval's.
_HARNESSES = {"lm-eval": "lm_eval"}
_HARNESS = "lmms_eval"


@dataclass(frozen=True, slots=True)
class _Known:
    body: bytes
    watched: dict[str, int] = field(default_factory=dict)
    #: When it is not believed any longer, by the monotonic clock; None: while no folder changes.
    until: float | None = None


class Catalogue:
    """The names that a face's harness knows, by kind: ``tasks`` or ``models``. Used in the event loop's thread."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}

    async def body(self, kind: str) -> bytes:
        """`{KIND: [names]}` as JSON, with `error` where the harness could not say. Never raises for that."""
        known = self._known.get(kind)
        if known is not None and await self.face.work(_stands, known):
            return known.body
        # However many wait for it, it is asked once; and goes on when one of them goes away.
        asking = self._asking.get(kind)
        if asking is None:
            asking = self._asking[kind] = asyncio.create_task(self._ask(kind))
        return (await asyncio.shield(asking)).body

    async def stop(self) -> None:
        """End the processes that are being asked."""
        for asking in list(self._asking.values()):
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    async def _ask(self, kind: str) -> _Known:
        harness = _HARNESSES.get(self.face.store.settings.default_recipe, _HARNESS)
        try:
            # To list names takes no device, and must not take one from an evaluation.
            said = await aside.ask(self.face, "names", harness, kind, limit=_LIMIT_S, env={"CUDA_VISIBLE_DEVICES": ""})
            known = _read(kind, said)
        except aside.NoAnswer as error:
            known = _fault(kind, str(error))
        finally:
            del self._asking[kind]
        self._known[kind] = known
        return known


def _read(kind: str, said: dict[str, Any]) -> _Known:
    names, watched = said.get("names"), said.get("watched")
    if not isinstance(names, list) or not isinstance(watched, dict):
        return _fault(kind, str(said.get("error") or "the harness gave no names"))
    return _Known(_dump({kind: [str(name) for name in names]}), watched)


def _fault(kind: str, error: str) -> _Known:
    return _Known(_dump({kind: [], "error": error}), until=time.monotonic() + _FAULT_S)


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _stands(known: _Known) -> bool:
    """Whether nothing was installed or removed since."""
    if known.until is not None:
        return time.monotonic() < known.until
    try:
        return all(Path(folder).stat().st_mtime_ns == mtime for folder, mtime in known.watched.items())
    except OSError:
        return False
