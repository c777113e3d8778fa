"""Who waits for a resource: first come, first served, and woken when one is free.

A release or an expiry pokes the face's wake-up at once; those of other processes are heard by its watch. One look at
the disk then does for all who wait, however many.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from spoolq.errors import SpoolqError
from spoolq.pools import look
from spoolq.server.face import Face

log = logging.getLogger("spoolq.server.jobqueue")
#: How often somebody looks when nobody is woken, in seconds.
_TIMER_S = 2.0


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in the line for a resource of *kind*."""

    kind: str
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, timeout: float) -> None:
        """Until it is called, at most *timeout* seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.called.wait()


class Line:
    """The line of one server; of its event loop alone."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self._tickets: list[Ticket] = []
        self._caller: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def ticket(self, kind: str) -> AsyncIterator[Ticket]:
        """Stand in the line. It is called, again and again, when it may be its turn; then look, and wait anew."""
        mine = Ticket(kind)
        self._tickets.append(mine)
        if self._caller is None or self._caller.done():
            self._caller = asyncio.get_running_loop().create_task(self._call())
        try:
            yield mine
        finally:
            self._tickets.remove(mine)
            self.face.wake.poke()  # who was called and did not come leaves the turn to the next

    async def _call(self) -> None:
        while self._tickets:
            seen = self.face.wake.count
            try:
                free = await self.face.work(self._free, {ticket.kind for ticket in self._tickets})
            except (SpoolqError, OSError) as error:
                log.warning("cannot look at the pools: %s. Trying again.", error)
            else:
                self._call_out(free)
            await self.face.wake.after(seen, _TIMER_S)

    def _free(self, kinds: Iterable[str]) -> dict[str, int | None]:
        """How many of each type may be had now; None for a type that is gone."""
        shelves = (look(self.face.store, kind) for kind in kinds)
        return {s.kind: None if not s.total else 0 if s.draining else len(s.free) for s in shelves}

    def _call_out(self, free: dict[str, int | None]) -> None:
        for ticket in self._tickets:
            left = free.get(ticket.kind, 0)
            if left is None:
                ticket.called.set()
            elif left:
                free[ticket.kind] = left - 1
                ticket.called.set()
