"""Which jobs have ended since the last look: by listings of the terminal directories, and whether all is quiet now."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from spoolq.files import GONE
from spoolq.names import is_candidate, parse_terminal
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State


@dataclass(slots=True)
class Ends:
    """What has been seen in ``completed/``, ``failed/`` and ``cancelled/``; *every*: seconds between two full looks.

    A name alone does not tell: a retried job may come back under it between two looks. The inode does, since each
    record is a file of its own. What is kept is a number a job.
    """

    store: Store
    every: float
    clock: Callable[[], float] = time.monotonic
    _known: dict[State, set[int]] = field(default_factory=dict)
    _changed: dict[State, int] = field(default_factory=dict)
    _again: set[State] = field(default_factory=set)
    _full_at: float = float("-inf")

    def look(self) -> list[list[str]]:
        """State and name of each file that was not there in the last look. Raises OSError, SpoolUnusable.

        A directory is listed when its mtime is another one, and once more in the look after that: RACE: two changes
        within a tick of the clock leave the same mtime. The timer lists them all, whatever their mtimes say.
        """
        full = self.clock() >= self._full_at
        found: list[list[str]] = []
        for state in TERMINAL:
            changed = _mtime(self.store.layout.state(state))
            is_new = changed != self._changed.get(state)
            if full or is_new or state in self._again:
                found += self._new(state)
            (self._again.add if is_new else self._again.discard)(state)
            self._changed[state] = changed
        if full:
            self._full_at = self.clock() + self.every
        return found

    def _new(self, state: State) -> list[list[str]]:
        known, now, found = self._known.get(state, set()), set(), []
        with os.scandir(self.store.layout.state(state)) as entries:
            for entry in entries:
                mark = hash((entry.name, entry.inode()))
                now.add(mark)
                if mark not in known and parse_terminal(entry.name):
                    found.append([state.value, entry.name])
        self._known[state] = now
        return found


def _mtime(directory: Path) -> int:
    """When a directory last changed. Opened by path: an NFS client then asks the server."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)


def is_idle(store: Store) -> bool:
    """Whether nothing waits and nothing runs. RACE: a job given back goes from the second to the first, so it is asked
    twice."""
    for state in (State.QUEUED, State.RUNNING, State.QUEUED):
        if any(is_candidate(name) for name in store.each_name(state)):
            return False
    return True


def is_recent(store: Store, state: State, name: str, max_age: float) -> bool:
    """Whether an ended job's file was written within *max_age* seconds, or an hour more: a first sieve, before it is
    read. The clocks of two hosts are compared, for which the hour is there."""
    try:
        written = (store.layout.state(state) / name).lstat().st_mtime
    except OSError as error:
        if error.errno in GONE:
            return False
        raise
    return store.clock() - written <= max_age + 3600
