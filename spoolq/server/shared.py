"""One look for all who ask at once: each is answered by one that began after he asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Seen = TypeVar("Seen")


class Shared(Generic[Seen]):
    """Asks *look* once for everybody who came while the look before was under way. For one event loop."""

    def __init__(self, look: Callable[[], Awaitable[Seen]]) -> None:
        self.look = look
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Seen] | None = None

    async def get(self) -> Seen:
        """What a look that begins now, or later, sees; raises what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._take_turn())
            self._next.add_done_callback(_heard)
        return await asyncio.shield(self._next)

    async def _take_turn(self) -> Seen:
        async with self._turn:
            self._next = None  # who comes from now on is not answered by what has begun
            return await self.look()


def _heard(task: asyncio.Task[Seen]) -> None:
    """Take the fault of a look for which nobody waits any more."""
    if not task.cancelled():
        task.exception()
