"""The jobs that a runner will claim next: the queue's first names, read once and worked off.

A listing costs in proportion to the queue's depth, so it is not done for every job; a wake-up marks it stale.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator

from spoolq.claims import Claimed, claim
from spoolq.errors import ClaimLost, Immovable
from spoolq.names import SUFFIX, Running, parse_queued
from spoolq.remote import are_expected, is_workers, leave
from spoolq.store import Store
from spoolq.transitions import State

#: How many of the queue's first names are kept between two scans.
_KEEP = 4096
#: A rescan that a wake-up asks for may cost this share of the time.
_SCAN_SHARE = 0.05


class Upcoming:
    """What *slot* may claim next; *say* gets a line about each entry that cannot be moved.

    Names are hints: only a claim tells whether a job is still queued.
    """

    def __init__(
        self, store: Store, slot: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store, self.slot, self.say, self.clock = store, slot, say, clock
        #: Something may have arrived: the scan is the truth.
        self.stale = True
        self._names: list[str] = []
        self._cost, self._scanned_at = 0.0, float("-inf")
        #: Names that cannot be moved: left out for `poll` seconds, or they would stand before all others for ever.
        self._stuck: set[str] = set()
        self._stuck_until = float("-inf")
        #: Remote workers' jobs, which are passed over; looked for once there is a pool, or one was met.
        self._foreign: set[str] = set()
        self._met_one = self._looks = self._put_off = False

    def clear(self) -> None:
        """Forget what was read ahead: something has come back to an earlier place."""
        self._names.clear()

    def hint(self, name: str) -> None:
        """*name* has arrived in ``queued/``. It takes its place at once, however long a scan would take."""
        if not self._names or name >= self._names[-1] or name in self._stuck or name in self._foreign:
            return
        if parse_queued(name) is None:
            return
        place = bisect_left(self._names, name)
        if self._names[place] != name:
            self._names.insert(place, name)
            del self._names[_KEEP:]

    def claim(self) -> Claimed | None:
        """Claim the first job that can be had; None when there is none. Raises OSError, SpoolqError."""
        if self.stale and self.clock() - self._scanned_at >= self._cost / _SCAN_SHARE:
            self._names.clear()
        while self._names or self._scan():
            name = self._names.pop(0)
            stem = parse_queued(name)
            if stem is None:
                continue
            if self._looks and is_workers(self.store, name):
                self._foreign.add(name)
                continue
            try:
                claimed = claim(self.store, stem, self.slot, self.say)
            except Immovable as error:
                self._stuck.add(name)
                self.say(str(error))
                continue
            if claimed is not None:
                return claimed
        return None

    def leave(self, running: Running) -> float:
        """Give back a remote worker's job that was claimed unseen; they are looked for from now on.

        Returns when (`time.monotonic`) what the disk has refused is to be recovered; infinite for never.
        """
        self._met_one = self._looks = True
        self._foreign.add(f"{running.stem}{SUFFIX}")
        try:
            leave(self.store, running, running.claim.nonce, self.say)
        except ClaimLost:
            pass
        except OSError as error:
            self.say(f"cannot give {running.stem.uuid[:8]} back: {error.strerror or error}. Trying again.")
            return time.monotonic() + 1.0
        return float("inf")

    def patience(self) -> float:
        """Seconds until a scan that was put off is due; infinite without one."""
        return self._due() if self._put_off else float("inf")

    def _due(self) -> float:
        return max(0.0, self._scanned_at + self._cost / _SCAN_SHARE - self.clock())

    def _scan(self) -> bool:
        # Workers' jobs may be many and stay long: where they alone are left, each look would be in vain.
        self._put_off = bool(self._foreign) and self._due() > 0
        if self._put_off:
            return False
        began = self.clock()
        self.stale = False
        self._looks = self._met_one or are_expected(self.store)
        if began >= self._stuck_until:
            self._stuck.clear()
            self._stuck_until = began + max(1.0, self.store.poll)
        self._names = heapq.nsmallest(_KEEP, self._candidates())
        if len(self._names) == _KEEP and not any(map(parse_queued, self._names)):  # drops stand before the first job
            self._names = heapq.nsmallest(_KEEP, filter(parse_queued, self._candidates()))
        self._scanned_at = self.clock()
        self._cost = self._scanned_at - began
        return bool(self._names)

    def _candidates(self) -> Iterator[str]:
        there = set()
        for name in self.store.each_name(State.QUEUED):
            if name in self._foreign:
                there.add(name)
            elif name.endswith(SUFFIX) and name not in self._stuck:
                yield name
        self._foreign = there
