"""Where each job is, from listings that are made anew when a directory has changed.

A listing of ten thousand names takes milliseconds, and hundreds of clients poll. So one listing serves all who ask
until the directory's mtime says that something was moved in or out. The mtime is a hint: whoever opens what is not
there any more, or finds nothing, asks for a fresh look. Only directories are remembered, never a job.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field

from spoolq.errors import JobNotFound
from spoolq.jobs import Entry, parse_entry
from spoolq.names import Stem, key_names, parse_running, stem_names
from spoolq.store import Store
from spoolq.transitions import State

#: A directory that changed less than this many seconds ago may change again within one tick of its mtime.
_RACY_S = 0.02
#: Looking again because a directory has changed may cost this share of the time.
_SHARE = 0.2
#: The same for the looks of submissions: each changes the directory, and nobody can tell that nobody else did.
_SHARE_OF_SUBMITS = 0.04
#: A look that costs less than this, in seconds, is made whenever somebody asks.
_CHEAP_S = 0.003


@dataclass(slots=True)
class Listing:
    """One state directory as it was: *names* sorted, *places* from job id to name, *version* new with each look."""

    names: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    version: int = 0
    stamp: tuple[int, int] | None = None
    looked_at: float = float("-inf")
    cost: float = 0.0


class View:
    """The five state directories of *store*. For any thread."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock = store, clock
        self._listings = {state: Listing() for state in State}
        self._locks = {state: threading.Lock() for state in State}
        self._turn = threading.Lock()
        #: The last look at all five: when it began, what it cost in seconds, what we had moved, what it saw.
        self._round: tuple[float, float, int, dict[State, Listing]] = (float("-inf"), 0.0, 0, {})
        self._moves = 0

    def listing(self, state: State, *, fresh: bool = False) -> Listing:
        """The listing of *state*; *fresh*: one that was begun after this call. Raises SpoolUnusable.

        Without that it may be as old as five times what it takes to make, and only while the directory is changing.
        """
        asked = self.clock()
        with self._locks[state]:
            known = self._listings[state]
            if known.looked_at >= asked or (not fresh and self._serves(known, state, asked)):
                return known
            self._listings[state] = self._look(state, known.version + 1)
            return self._listings[state]

    def proven(self, state: State) -> Listing:
        """The listing of *state* as it was at this call or later: a new one, unless the mtime proves the known one."""
        asked = self.clock()
        with self._locks[state]:
            known = self._listings[state]
            if known.looked_at < asked and (known.stamp is None or known.stamp != self._stamp(state)):
                self._listings[state] = known = self._look(state, known.version + 1)
            return known

    def all(self) -> dict[State, Listing]:
        """All five, each as it was after the one before it: a job that moves on meanwhile is met again, never missed.

        Where a look costs little they are as they were at this call or later. In a deep spool they may be as old as
        five times what it takes to look.
        """
        asked = self.clock()
        with self._turn:
            began, cost, moves, known = self._round
            fresh = began >= asked or (cost > _CHEAP_S and asked - began < cost / _SHARE)
            if known and fresh and moves == self._moves:
                return known
            began, spent, moves = self.clock(), time.thread_time(), self._moves
            known = {state: self.proven(state) for state in State}
            # On a network mount a look waits; here what counts is what it takes from others.
            cost = self.clock() - began if self.store.network else time.thread_time() - spent
            self._round = (began, cost, moves, known)
            return known

    def _serves(self, known: Listing, state: State, now: float) -> bool:
        if now - known.looked_at < known.cost / _SHARE:
            return True
        return known.stamp is not None and known.stamp == self._stamp(state)

    def _stamp(self, state: State) -> tuple[int, int] | None:
        """The directory's inode and mtime (ns); None when it has changed too lately for that to prove anything."""
        try:
            # Opened by path: on NFS only that asks the server.
            fd = os.open(self.store.layout.state(state), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        if abs(time.time() - status.st_mtime) < _RACY_S or self.store.network:
            return None
        return status.st_ino, status.st_mtime_ns

    def _look(self, state: State, version: int) -> Listing:
        began = self.clock()
        stamp = self._stamp(state)  # RACE: before the listing, so that what comes meanwhile makes it stale
        names = self.store.names(state)
        if state is State.RUNNING:
            kept = sorted(name for name in names if parse_running(name))
            places = {name.partition("@")[0][-36:]: name for name in kept}
        else:
            kept = sorted(stem_names(names) if state is State.QUEUED else key_names(names))
            places = {name[-41:-5]: name for name in kept}
        return Listing(kept, places, version, stamp, began, self.clock() - began)

    def added(self, stem: Stem) -> int:
        """Take a job that we have just queued into the listing; returns how many are served before it."""
        name = f"{stem}.json"
        self._moves += 1
        known = self._listings[State.QUEUED]
        if self.clock() - known.looked_at >= known.cost / _SHARE_OF_SUBMITS:
            self.listing(State.QUEUED)  # what was claimed since the last look is not before this one
        with self._locks[State.QUEUED]:
            known = self._listings[State.QUEUED]
            if stem.uuid not in known.places:
                insort(known.names, name)
                known.places[stem.uuid] = name
                known.version += 1
            return bisect_left(known.names, name)

    def moved(self) -> None:
        """We have moved a job ourselves: the next look is a fresh one."""
        self._moves += 1
        for state in State:
            with self._locks[state]:
                self._listings[state].looked_at = float("-inf")
                self._listings[state].stamp = None

    def find(self, job_id: str) -> Entry:
        """Where the job *job_id* (a whole id) is; raises JobNotFound only after a fresh look."""
        for fresh in (False, True, True):  # RACE: a requeue goes against the order of our listings
            for state in State:
                name = self.listing(state, fresh=fresh).places.get(job_id)
                entry = parse_entry(state, name) if name else None
                if entry is not None:
                    return entry
        raise JobNotFound(job_id, self.store.root)

    def position(self, stem: Stem) -> int:
        """How many queued jobs are served before *stem*."""
        return bisect_left(self.listing(State.QUEUED).names, f"{stem}.json")
