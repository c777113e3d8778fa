"""One reader of state changes for all who listen, however many they are; a late or slow one is told what it missed.

What was told last is kept in a ring. Who reads so slowly that the ring has gone round since, is told anew from the
last event that he had, by the same replay as who comes back with a `Last-Event-ID`: each job once, as it is now.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from itertools import islice

from spoolq.errors import SpoolqError
from spoolq.server.changes import Changes
from spoolq.server.face import Face
from spoolq.server.news import News
from spoolq.server.sse import event

log = logging.getLogger("spoolq.server")

#: Events that are kept for who is slower than others, and how many go out in one piece.
_RING, _PIECE = 4096, 64
#: Looking again may cost this share of the time; the least pause between two looks, and the longest, in seconds.
_SHARE, _LEAST_S, _LONGEST_S = 0.2, 0.002, 1.0
#: Between two events about the queue as a whole, in seconds.
_QUEUE_S = 1.0


class Feed:
    """Reads changes while somebody listens. Made and used in the event loop's thread."""

    def __init__(self, face: Face, news: News, clock: Callable[[], float] = time.monotonic) -> None:
        self.face, self.news, self.clock = face, news, clock
        self._listeners = 0
        self._reader: asyncio.Task[None] | None = None
        self._begun: asyncio.Future[Changes] | None = None
        self._told = asyncio.Condition()
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=_RING)
        #: How many events there have been, the id of the newest, and the news of the queue: which, when, what.
        self._count, self._last = 0, 0
        self._queue: tuple[int, float, bytes] = (0, float("-inf"), b"")

    async def listen(self, since: int | None) -> AsyncGenerator[bytes, None]:
        """The queue as it is, what changed *since* (an event's id, ns) if given, then what changes.

        Ends when the reader does: then the spool could not be looked at, and the log says why.
        """
        reader = self._join()
        try:
            changes = await self._changes()
            if changes is None:
                return
            place, last, shown = self._count, self._last if since is None else since, self._queue[0]
            yield (f"id: {last}\n".encode() if since is None else b"") + self._queue[2]
            missed = since is not None
            while not reader.done():
                if missed:
                    place, left = self._count, await self.face.work(changes.since, last)
                    while left:
                        some, left = left[:_PIECE], left[_PIECE:]
                        events = await self.face.work(self.news.of, some, last)
                        last = max([last, *(id for id, _ in events)])
                        yield b"".join(text for _, text in events)
                missed = place < self._count - len(self._ring)
                if not missed and place < self._count:
                    fresh = list(islice(self._ring, place - self._count + len(self._ring), None))[:_PIECE]
                    place, last = place + len(fresh), fresh[-1][0]
                    yield b"".join(text for _, text in fresh)
                if self._queue[0] != shown:
                    shown = self._queue[0]
                    yield self._queue[2]
                if place == self._count and not missed:
                    await self._wait(place, shown, reader)
        finally:
            self._leave()

    async def _changes(self) -> Changes | None:
        assert self._begun is not None
        with contextlib.suppress(SpoolqError, OSError):
            return await asyncio.shield(self._begun)
        return None

    async def _wait(self, place: int, shown: int, reader: asyncio.Task[None]) -> None:
        async with self._told:
            await self._told.wait_for(lambda: self._count != place or self._queue[0] != shown or reader.done())

    def _join(self) -> asyncio.Task[None]:
        self._listeners += 1
        if self._reader is None or self._reader.done():
            self._begun = asyncio.get_running_loop().create_future()
            self._reader = asyncio.create_task(self._read(self._begun))
            self._reader.add_done_callback(self._ended)
        return self._reader

    def _leave(self) -> None:
        self._listeners -= 1
        if not self._listeners and self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _ended(self, reader: asyncio.Task[None]) -> None:
        if not reader.cancelled() and (error := reader.exception()) is not None:
            log.error("the reader of changes has ended: %r", error)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._told:
            self._told.notify_all()

    async def _read(self, begun: asyncio.Future[Changes]) -> None:
        """Look whenever something may have changed, and a second time after each look that found something."""
        seen, wake = self.face.wake.count, self.face.wake
        try:
            changes = await self.face.work(Changes, self.face.view, self.news.is_written)
            self._last = max(self._last, changes.begun)
            await self._look(changes)
            begun.set_result(changes)
        except (SpoolqError, OSError) as error:
            log.warning("cannot look for changes: %s", error)
            begun.set_exception(error)
            return
        except asyncio.CancelledError:
            begun.cancel()
            raise
        trouble = ""
        while True:
            began = self.clock()
            if not changes.waiting:
                seen = await wake.after(seen, _LONGEST_S)
                began = self.clock()
            try:
                await self._look(changes)
                trouble = ""
            except (SpoolqError, OSError) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("cannot look for changes: %s", error)
                await asyncio.sleep(_LONGEST_S)
            await asyncio.sleep(max(_LEAST_S, (self.clock() - began) / _SHARE))

    async def _look(self, changes: Changes) -> None:
        changed = await self.face.work(changes.look)
        for id, text in await self.face.work(self.news.of, changed, self._last) if changed else []:
            self._ring.append((id, text))
            self._count, self._last = self._count + 1, id
        number, at, known = self._queue
        if self.clock() - at >= _QUEUE_S:
            text = await self.face.work(lambda: event("queue", self.news.queue()))
            if text != known:
                self._queue = (number + 1, self.clock(), text)
        await self._tell()
