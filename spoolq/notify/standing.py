"""Running jobs that stand still: no heartbeat for half of the time after which they are taken over, or a quiet log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from spoolq.durations import format_duration
from spoolq.names import Running, parse_running
from spoolq.store import Store
from spoolq.transitions import State

#: How often running jobs are looked at, in seconds, unless a limit is so short that it must be oftener.
_LOOK_S = 5.0

_Sight = tuple[int, ...]


@dataclass(slots=True)
class Standing:
    """Watches the claims of one spool, whoever's they are.

    Since when something has looked the same is timed by this process's monotonic clock: no two hosts' clocks are
    compared, and a watcher that has just started begins to count anew.
    """

    store: Store
    quiet: float | None
    clock: Callable[[], float] = time.monotonic
    _seen: dict[tuple[str, str], tuple[_Sight, float]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _look_at: float = float("-inf")

    def look(self) -> list[list[str]]:
        """Name and reason of each claim that has come to stand still; each claim once. Raises OSError."""
        if self.clock() < self._look_at:
            return []
        standing = [running for name in self.store.names(State.RUNNING) if (running := parse_running(name))]
        limits = [self._limit(running) for running in standing] + ([] if self.quiet is None else [self.quiet])
        self._look_at = self.clock() + min([_LOOK_S, *(limit / 4 for limit in limits)])
        names = {str(running) for running in standing}
        self._told &= names
        self._seen = {key: sight for key, sight in self._seen.items() if key[0] in names}
        found = []
        for running in standing:
            why = self._why(running)
            if why and str(running) not in self._told:
                self._told.add(str(running))
                found.append([str(running), why])
        return found

    def _limit(self, running: Running) -> float:
        settings = self.store.settings
        full = settings.jobqueue.job_heartbeat_timeout if running.claim.is_workers else settings.heartbeat_timeout
        return full / 2

    def _why(self, running: Running) -> str:
        """Why a job counts as stuck; "" while it does not."""
        still = self._unchanged(str(running), "beat", _mtime(self.store.layout.beat(running)))
        if still >= self._limit(running):
            return f"its heartbeat has stood still for {format_duration(still)}"
        if self.quiet is None or running.claim.is_workers:
            return ""
        still = self._unchanged(str(running), "log", _size(self.store.layout.run(running.stem.key).log))
        return f"its log has not grown for {format_duration(still)}" if still >= self.quiet else ""

    def _unchanged(self, name: str, what: str, sight: _Sight) -> float:
        """Seconds for which *what* has looked as it does now."""
        known, now = self._seen.get((name, what)), self.clock()
        if known is None or known[0] != sight:
            self._seen[name, what] = (sight, now)
            return 0.0
        return now - known[1]


def _mtime(path: Path) -> _Sight:
    try:
        return (path.stat().st_mtime_ns,)
    except OSError:
        return ()


def _size(path: Path) -> _Sight:
    """Which file the log is, and how long. Opened, because an NFS client answers a mere stat from its cache."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ()
    try:
        status = os.fstat(fd)
        return status.st_ino, status.st_size
    finally:
        os.close(fd)
