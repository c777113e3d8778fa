"""Who waits for a change of the spool is woken: by the watch on a local mount, by a timer behind it everywhere.

The wake-up is a hint. Whoever is woken looks at the disk; whoever is not looks when the timer says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from spoolq.store import Store
from spoolq.transitions import State
from spoolq.watch import Watch

#: The timer behind the watch, in seconds; half of it where the watch hears nothing.
_TIMER_S = 1.0


class Wake:
    """Counts changes of the spool. Made in the event loop's thread; `start` and `stop` with the application."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0
        self._changed = asyncio.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: Watch | None = None
        self._timer: asyncio.Task[None] | None = None
        self._waiting = 0
        self._due = False

    async def start(self) -> None:
        """Begin to watch. Without inotify the timer alone wakes."""
        self._loop, self._due = asyncio.get_running_loop(), False
        self._timer = self._loop.create_task(self._tick())
        await asyncio.to_thread(self._keep_watch)

    async def stop(self) -> None:
        """End the watch and let everybody who waits go."""
        if self._timer is not None:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer
        if self._watch is not None:
            await asyncio.to_thread(self._watch.stop)
        self._loop = None

    def poke(self) -> None:
        """Something has changed. For any thread; never raises."""
        loop = self._loop
        if loop is not None and not self._due:
            self._due = True  # RACE: taken back before the waiters look, so what comes later pokes again
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._poked)

    async def after(self, seen: int, timeout: float) -> int:
        """Wait until `count` is past *seen*, at most *timeout* seconds; returns `count`."""
        self._waiting += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout), self._changed:
                    await self._changed.wait_for(lambda: self.count > seen)
        finally:
            self._waiting -= 1
        return self.count

    def _poked(self) -> None:
        self._due = False
        self.count += 1
        if self._loop is not None and self._waiting:
            self._loop.create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TIMER_S / 2 if self.store.network else _TIMER_S)
            await asyncio.to_thread(self._keep_watch)
            self._poked()

    def _keep_watch(self) -> None:
        """Watch anew when the watch has died or there is a pool that it does not know."""
        wanted = self._directories()
        if self._watch is not None and self._watch.directories == wanted and self._watch.healthy():
            return
        if self._watch is not None:
            self._watch.stop()
        self._watch = Watch(wanted, lambda _path: self.poke())
        self._watch.start()  # where it cannot, the timer does, and tries again

    def _directories(self) -> list[Path]:
        layout = self.store.layout
        wanted = [*(layout.state(state) for state in State), layout.control, layout.pools]
        with contextlib.suppress(OSError):
            wanted += sorted(path for path in layout.pools.iterdir() if path.is_dir())
        return wanted
