"""Who waits for a resource, or for a job: first come, first served, and woken when there may be one.

What happens through this server pokes the face's wake-up at once; what others do is heard by its watch. One look at the
disk then does for all who wait, however many.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from spoolq.errors import SpoolqError
from spoolq.server.face import Face

#: How many may be had of each of those kinds now; None for one that there is not (any more). Looks at the disk.
Count = Callable[[set[str]], dict[str, int | None]]
log = logging.getLogger("spoolq.server.jobqueue")
#: How often somebody looks when nobody is woken, in seconds.
_TIMER_S = 2.0
#: Looking may cost this share of the time.
_SHARE = 0.2


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in the line for one of *kind*."""

    kind: str
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, timeout: float) -> None:
        """Until it is called, at most *timeout* seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.called.wait()


class Line:
    """The line of one server, for what *count* counts; of its event loop alone."""

    def __init__(self, face: Face, count: Count) -> None:
        self.face, self.count = face, count
        self._tickets: list[Ticket] = []
        self._caller: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many stand in it."""
        return len(self._tickets)

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
        clock = asyncio.get_running_loop().time
        while self._tickets:
            seen, began = self.face.wake.count, clock()
            try:
                free = await self.face.work(self.count, {ticket.kind for ticket in self._tickets})
            except (SpoolqError, OSError) as error:
                log.warning("cannot look what there is for who waits: %s. Trying again.", error)
            else:
                self._call_out(free)
            await asyncio.sleep(min(_TIMER_S, (clock() - began) * (1 / _SHARE - 1)))
            await self.face.wake.after(seen, _TIMER_S)

    def _call_out(self, free: dict[str, int | None]) -> None:
        for ticket in self._tickets:
            left = free.get(ticket.kind, 0)
            if left is None:
                ticket.called.set()
            elif left:
                free[ticket.kind] = left - 1
                ticket.called.set()
