"""The jobs that a runner will claim next: the queue's first names, read once and worked off.

A listing costs in proportion to the queue's depth, so it is not done for every job; a wake-up marks it stale.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from spoolq.affinity import choose, forget
from spoolq.claims import Claimed, claim, requeue
from spoolq.errors import ClaimLost, Immovable
from spoolq.gate import Gate
from spoolq.gates import Gates, of
from spoolq.names import SUFFIX, Running, Stem, parse_queued
from spoolq.preload import recipe_of
from spoolq.remote import are_expected, is_workers
from spoolq.store import Store
from spoolq.transitions import State

if TYPE_CHECKING:
    from spoolq.requests import Job

#: How many of the queue's first names are kept between two scans.
_KEEP = 4096
#: A rescan that a wake-up asks for may cost this share of the time; so may asking again about jobs that are held.
_SCAN_SHARE = 0.05
#: The least time between two questions about a job that is held, in seconds.
_LEAST_S = 0.01


class Upcoming:
    """What *slot* may claim next; *say* gets a line about each entry that cannot be moved.

    Names are hints: only a claim tells whether a job is still queued. A job that one of *gates* holds is passed over:
    those behind it may go.
    """

    def __init__(
        self,
        store: Store,
        slot: str,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        gates: Sequence[Gate] | None = None,
    ) -> None:
        self.store, self.slot, self.say, self.clock = store, slot, say, clock
        self.gates = Gates(store, of(store) if gates is None else gates)
        #: Names that a gate holds, and when (by *clock*) they are worth asking about again by themselves.
        self._held: dict[str, float] = {}
        #: Something has happened that may open a gate; how long the last claim asked; when that is paid for.
        self._ask_again, self._asking, self._asked_until = False, 0.0, float("-inf")
        #: The recipe for which a warm parent may be ready; how often each waiting job was overtaken for that.
        self.affine: str | None = None
        self._overtaken: dict[str, int] = {}
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
        #: Whether anything was asked for since somebody wanted to know how long to wait.
        self._tried = False

    def clear(self) -> None:
        """Forget what was read ahead: something has come back to an earlier place."""
        self._names.clear()

    def hint(self, name: str) -> None:
        """*name* has arrived in ``queued/``. It takes its place at once, however long a scan would take."""
        if not self._names or name >= self._names[-1] or parse_queued(name) is None:
            return
        if name in self._stuck or name in self._foreign or name in self._held:
            return
        place = bisect_left(self._names, name)
        if self._names[place] != name:
            self._names.insert(place, name)
            del self._names[_KEEP:]

    def claim(self) -> Claimed | None:
        """Claim the first job that can be had; None when there is none. Raises OSError, SpoolqError."""
        if self.stale and self.clock() - self._scanned_at >= self._cost / _SCAN_SHARE:
            self._names.clear()
        self.gates.refresh()
        self._tried, self._asking = True, 0.0
        try:
            return self._first()
        finally:
            if self._asking:
                self._asked_until = self.clock() + self._asking / _SCAN_SHARE

    def _first(self) -> Claimed | None:
        while self._names or self._scan():
            name = self._names.pop(self._next_place())
            stem = parse_queued(name)
            if stem is None:
                continue
            if self._looks and is_workers(self.store, name):
                self._foreign.add(name)
                continue
            if self._is_held(name, stem):
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

    def _next_place(self) -> int:
        """Where the next job stands: first, or with an `affinity_window` shortly behind that, in its own priority."""
        window = self.store.settings.warm.affinity_window
        first = parse_queued(self._names[0])
        if not window or self.affine is None or first is None:
            return 0
        stems = [parse_queued(name) for name in self._names[: window + 1]]
        near = [str(stem) for stem in takewhile(lambda stem: stem is not None and stem.prefix == first.prefix, stems)]
        forget([name.removesuffix(SUFFIX) for name in self._names], self._overtaken)
        return choose(near, self._is_affine, window, self._overtaken)

    def _is_affine(self, name: str) -> bool:
        stem = parse_queued(f"{name}{SUFFIX}")
        return stem is not None and recipe_of(self.store, stem) == self.affine

    def _is_held(self, name: str, stem: Stem) -> bool:
        began = self.clock()
        hold = self.gates.hold(stem)
        if hold is None:
            return False
        now = self.clock()
        self._asking += now - began
        self._held[name] = now + max(_LEAST_S, hold.patience)
        return True

    def left(self, running: Running, job: Job) -> float | None:
        """Give back, unburnt, a claimed job that is a remote worker's, or that a gate holds; None when it may run.

        Else returns when (`time.monotonic`) what the disk has refused is to be recovered; infinite for never.
        """
        if job.is_workers:
            return self.leave(running)
        # RACE: what a gate looks at may have changed since it was asked, and so may the file.
        self.gates.refresh()
        document = job.policy
        hold = self.gates.judge(running.stem, document)
        if hold is None:
            return None
        self.gates.remember(running.stem, document)
        return self.put_off(running, hold.why, hold.patience)

    def put_off(self, running: Running, why: str, patience: float) -> float:
        """Give back, unburnt, a claimed job that is worth asking about again in *patience* seconds. As `left`."""
        self._held[f"{running.stem}{SUFFIX}"] = self.clock() + max(_LEAST_S, patience)
        return self._give_back(running, why)

    def leave(self, running: Running) -> float:
        """Give back a remote worker's job that was claimed unseen; they are looked for from now on. As `left`."""
        self._met_one = self._looks = True
        self._foreign.add(f"{running.stem}{SUFFIX}")
        return self._give_back(running, "it is a remote worker's")

    def _give_back(self, running: Running, why: str) -> float:
        try:
            requeue(self.store, running, why, nonce=running.claim.nonce, started=False, warn=self.say)
        except ClaimLost:
            pass
        except OSError as error:
            self.say(f"cannot give {running.stem.uuid[:8]} back: {error.strerror or error}. Trying again.")
            return time.monotonic() + 1.0
        return float("inf")

    def finished(self) -> None:
        """A job of this slot has ended: that may be what another waits for."""
        self.stale = self.stale or bool(self._held)

    def patience(self) -> float:
        """Seconds until a scan that was put off is due, or a job that is held; infinite without one."""
        tried, self._tried = self._tried, False
        if not tried:  # the queue is paused: nothing is due while nothing is claimed
            return float("inf")
        if self._put_off or not self._held:
            return self._due() if self._put_off else float("inf")
        now = self.clock()
        soonest = now if self._ask_again else min(self._held.values())
        return max(0.0, soonest - now, self._asked_until - now)

    def _due(self) -> float:
        return max(0.0, self._scanned_at + self._cost / _SCAN_SHARE - self.clock())

    def _scan(self) -> bool:
        # Workers' jobs may be many and stay long: where they alone are left, each look would be in vain.
        self._put_off = bool(self._foreign) and self._due() > 0
        if self._put_off:
            return False
        began = self.clock()
        self._release(began)
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

    def _release(self, now: float) -> None:
        """Ask again about those whose time has come, and after a wake-up about all: asking may cost its share, too."""
        self._ask_again = bool(self._held) and (self._ask_again or self.stale)
        if now < self._asked_until:
            return
        self._held = {} if self._ask_again else {name: due for name, due in self._held.items() if due > now}
        self._ask_again = False

    def _candidates(self) -> Iterator[str]:
        there, held = set(), {}
        for name in self.store.each_name(State.QUEUED):
            if name in self._foreign:
                there.add(name)
            elif name in self._held:
                held[name] = self._held[name]
            elif name.endswith(SUFFIX) and name not in self._stuck:
                yield name
        self._foreign, self._held = there, held
