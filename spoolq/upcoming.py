"""The queue's first names, as a runner keeps them between two scans: a listing costs in proportion to the depth."""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left
from collections.abc import Callable

from spoolq.names import SUFFIX, Stem, parse_queued
from spoolq.store import Store
from spoolq.transitions import State

#: How many names are kept.
_KEEP = 4096
#: A rescan that a wake-up asks for may cost this share of the time.
_SCAN_SHARE = 0.05


class Upcoming:
    """What to claim next. Names are hints: only a claim tells whether a job is still queued."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock = store, clock
        #: Something may have arrived: the scan is the truth.
        self.stale = True
        self._names: list[str] = []
        self._scan_cost, self._scanned_at = 0.0, float("-inf")

    def forget(self) -> None:
        """Scan before the next job: something went back to its old place, before what was read ahead."""
        self._names.clear()

    def hint(self, name: str) -> None:
        """*name* has arrived in ``queued/``. It takes its place at once, however long a scan would take."""
        if not self._names or name >= self._names[-1] or parse_queued(name) is None:
            return
        place = bisect_left(self._names, name)
        if self._names[place] != name:
            self._names.insert(place, name)

    def next(self) -> Stem | None:
        """The first queued job, each once a scan; None when there is none. Raises SpoolUnusable."""
        if self.stale and self.clock() - self._scanned_at >= self._scan_cost / _SCAN_SHARE:
            self._names.clear()
        while True:
            if not self._names and not self._scan():
                return None
            stem = parse_queued(self._names.pop(0))
            if stem is not None:
                return stem

    def _scan(self) -> bool:
        began = self.clock()
        self.stale = False
        self._names = heapq.nsmallest(_KEEP, (n for n in self.store.names(State.QUEUED) if n.endswith(SUFFIX)))
        self._scanned_at = self.clock()
        self._scan_cost = self._scanned_at - began
        return bool(self._names)
