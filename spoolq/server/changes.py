"""Which jobs have changed their state, in the order in which they did, by looks at the directories.

The order, and what a subscriber has seen of it, is told by ctimes: the file server's time of the rename, which every
server of the spool reads alike, now and after a restart.

RACE: a look takes its time, so a job that moved early may be missed by a look that finds one which moved later. What
a look finds is therefore told only after the next look, when all that had moved before it is found too.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from spoolq.jobs import Entry, parse_entry
from spoolq.server.facts import path_of
from spoolq.server.view import Listing, View
from spoolq.transitions import TERMINAL, State

#: For so long an ended job is held back until its record is written, in seconds.
_RECORD_S = 2.0
#: A file's ctime may be this much behind the mtime of its directory: they are read from a clock that ticks.
_TICK_NS = 20_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """*entry* is where the job is since *at* (the ctime of its file, ns)."""

    entry: Entry
    at: int
    #: On this host's monotonic clock.
    found: float


class Changes:
    """Looks at the spool behind *view* again and again. For any thread. Raises SpoolUnusable, as its methods do.

    *written* tells whether the record of an ended job is there.
    """

    def __init__(
        self, view: View, written: Callable[[Entry], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.view, self.written, self.clock = view, written, clock
        self._lock = threading.Lock()
        self._pending: dict[str, Change] = {}
        self._times: dict[str, int] | None = None
        #: Whatever moved before this (ns) had done so when we began.
        self.begun = self._newest_mtime()
        self._versions = dict.fromkeys(State, -1)
        self._places: dict[State, dict[str, str]] = {state: {} for state in State}
        self._begin()

    def _begin(self) -> None:
        for state, listing in self._listings():
            self._places[state], self._versions[state] = dict(listing.places), listing.version

    @property
    def waiting(self) -> bool:
        """Whether something was found that is to be told after the next look."""
        return bool(self._pending)

    def look(self) -> list[Change]:
        """Look again; returns what can be told now, the oldest first. Of a job that moves fast only the last move."""
        with self._lock:
            before, found = self._pending, self._found()
            ready, self._pending = self._sorted_out(before, found)
            if self._times is not None:
                self._times.update({change.entry.stem.uuid: change.at for change in (*ready, *self._pending.values())})
            return ready

    def _sorted_out(
        self, before: dict[str, Change], found: dict[str, Change]
    ) -> tuple[list[Change], dict[str, Change]]:
        """What may be told, in order, of what was found *before* this look and by it, and what must wait."""
        ready, waits = [], {}
        for uuid, change in before.items():
            at = None if uuid in found else self._ctime(change.entry)
            if at is None:
                continue  # it has moved on, or was pruned
            if at == change.at and self._is_whole(change):
                ready.append(change)
            else:
                waits[uuid] = Change(change.entry, at, change.found)
        newest = max((change.at for change in ready), default=-1)
        for uuid, change in found.items():
            if change.at <= newest and self._is_whole(change):
                ready.append(change)
            else:
                waits[uuid] = change
        return sorted(ready, key=lambda change: change.at), waits

    def since(self, at: int) -> list[Change]:
        """Every job that has been where it is since *at* (ns) or later, the oldest first; those that wait excepted.

        The first call reads the times of all files; from then on they are kept. Call it after a look.
        """
        with self._lock:
            if self._times is None:
                self._times = {uuid: time for state in State for uuid, time in self._times_in(state)}
            told = max((time for uuid, time in self._times.items() if uuid not in self._pending), default=-1)
            wanted = sorted((time, uuid) for uuid, time in self._times.items() if at <= time <= told)
            changes = [Change(entry, time, 0.0) for time, uuid in wanted if (entry := self._entry(uuid))]
            for uuid in {uuid for _, uuid in wanted} - {change.entry.stem.uuid for change in changes}:
                del self._times[uuid]  # pruned
            return changes

    def _entry(self, uuid: str) -> Entry | None:
        for state in reversed(State):
            if name := self._places[state].get(uuid):
                return parse_entry(state, name)
        return None

    def _found(self) -> dict[str, Change]:
        """The jobs that are where they were not at the look before."""
        found = {}
        for state, listing in self._listings():
            places = dict(listing.places)
            for uuid, name in places.items() - self._places[state].items():
                entry = parse_entry(state, name)
                at = self._ctime(entry) if entry else None
                if entry and at is not None:
                    found[uuid] = Change(entry, at, self.clock())
            self._places[state], self._versions[state] = places, listing.version
        return found

    def _listings(self) -> list[tuple[State, Listing]]:
        """Those that are not the ones of the look before; all of them are made before the first counts as seen."""
        listings = [(state, self.view.proven(state)) for state in State]
        return [(state, listing) for state, listing in listings if self._versions[state] != listing.version]

    def _is_whole(self, change: Change) -> bool:
        if change.entry.state not in TERMINAL or self.clock() - change.found > _RECORD_S:
            return True
        return self.written(change.entry)

    def _ctime(self, entry: Entry) -> int | None:
        with contextlib.suppress(OSError):
            return path_of(self.view.store, entry).lstat().st_ctime_ns
        return None

    def _times_in(self, state: State) -> list[tuple[str, int]]:
        jobs = {name: uuid for uuid, name in self._places[state].items()}
        found = []
        with os.scandir(self.view.store.layout.state(state)) as entries:
            for entry in entries:
                if entry.name in jobs:
                    with contextlib.suppress(OSError):
                        found.append((jobs[entry.name], entry.stat(follow_symlinks=False).st_ctime_ns))
        return found

    def _newest_mtime(self) -> int:
        layout = self.view.store.layout
        return max(layout.state(state).stat().st_mtime_ns for state in State) - _TICK_NS
