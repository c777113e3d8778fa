"""One look a moment at all jobs whose logs are followed: who follows waits until his own has grown, or has moved on.

No watch tells that a file grows without a word for each write; a look at its size costs a microsecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from spoolq.errors import SpoolqError
from spoolq.server.face import Face
from spoolq.transitions import State

log = logging.getLogger("spoolq.server")

#: Between two looks, in seconds; twice as long on a network mount, where each is a question to the server.
_LOOK_S = 0.1

Seen = tuple[str | None, tuple[int, int] | None]


@dataclass(eq=False, slots=True)
class Follower:
    """Who follows the job *uuid*: *changed* is set when it is not as it was seen last."""

    uuid: str
    key: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    seen: Seen | None = None


class Pulse:
    """Looks while there are followers. Made and used in the event loop's thread."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self._followers: set[Follower] = set()
        self._looker: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def following(self, uuid: str, key: str) -> Iterator[Follower]:
        """Be told of changes of a job."""
        follower = Follower(uuid, key)
        self._followers.add(follower)
        if self._looker is None or self._looker.done():
            self._looker = asyncio.create_task(self._look_on())
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            if not self._followers and self._looker is not None:
                self._looker.cancel()
                self._looker = None

    async def _look_on(self) -> None:
        while True:
            followers = list(self._followers)
            try:
                seen = await self.face.work(self._look, {follower.uuid: follower.key for follower in followers})
            except (SpoolqError, OSError) as error:
                log.warning("cannot look at the logs that are followed: %s", error)
                seen = {}
            for follower in followers:
                if (now := seen.get(follower.uuid)) is not None and now != follower.seen:
                    follower.seen = now
                    follower.changed.set()
            await asyncio.sleep(_LOOK_S * (2 if self.face.store.network else 1))

    def _look(self, jobs: dict[str, str]) -> dict[str, Seen]:
        listings = [self.face.view.listing(state).places for state in State]
        found: dict[str, Seen] = {}
        for uuid, key in jobs.items():
            name = next((places[uuid] for places in listings if uuid in places), None)
            found[uuid] = (name, self._size(key))
        return found

    def _size(self, key: str) -> tuple[int, int] | None:
        """Inode and size of the newest log; by an open, since on NFS only that asks the server."""
        try:
            fd = os.open(
                self.face.store.layout.run(key).log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError:
            return None
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        return status.st_ino, status.st_size
