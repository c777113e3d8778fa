"""The line of statistics about remote workers' jobs and resources, and what is worth a warning."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from spoolq.finish import terminal_record
from spoolq.names import key_names
from spoolq.pools import shelves
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State
from spoolq.workers import Workers

#: Reading ended jobs for the first time may take so many seconds of one line; the next line goes on from there.
_READING_S = 0.5


class Ended:
    """How many remote workers' jobs have ended, by state. Each record is read once: it stays as it is."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock = store, clock
        self._known: dict[State, dict[str, bool]] = {state: {} for state in TERMINAL}

    def counts(self) -> dict[State, int]:
        """Of all ended jobs; while not all have been read yet, of those that have, the newest first."""
        until = self.clock() + _READING_S
        return {state: self._count(state, until) for state in TERMINAL}

    def _count(self, state: State, until: float) -> int:
        names = set(key_names(self.store.each_name(state)))
        known = self._known[state] = {name: mine for name, mine in self._known[state].items() if name in names}
        for name in sorted(names - known.keys(), reverse=True):
            if self.clock() > until:
                break
            mine = self._is_workers(state, name)
            if mine is not None:
                known[name] = mine
        return sum(known.values())

    def _is_workers(self, state: State, name: str) -> bool | None:
        """Whether a record is that of a worker's job; None while it is not there."""
        record = terminal_record(self.store.layout.terminal(state, name[:-5]))
        return None if record is None else isinstance(record.get("resource_type"), str)


class Figures:
    """Makes the lines; *workers* is who has what."""

    def __init__(self, workers: Workers) -> None:
        self.workers, self.store = workers, workers.store
        self.ended = Ended(self.store)

    def lines(self) -> tuple[str, list[str]]:
        """The line of statistics, and a warning for each type that jobs wait for in vain. Raises SpoolUnusable."""
        waiting = self.workers.waiting()
        busy = Counter(held.kind for held in self.workers.standing())
        there = shelves(self.store)
        ended = self.ended.counts() if there or waiting or busy else dict.fromkeys(TERMINAL, 0)
        totals = {kind: shelf.total for kind, shelf in there.items()}
        pending, running = sum(waiting.values()), sum(busy.values())
        used = {
            kind: f"{len(shelf.leases)}/{shelf.total} ({len(shelf.leases) / shelf.total * 100:.1f}%)"
            for kind, shelf in there.items()
        }
        line = [
            f"Jobs: {pending + running + sum(ended.values())}",
            f"Pending jobs: {pending}",
            f"In progress: {running}",
            f"Finished jobs: {ended[State.COMPLETED]}",
            f"Resource pools: {len(there)}",
            f"Resource counts: {totals}",
            f"Resource utilization by resource type: {used}",
            f"In-progress jobs per resource type: {dict(sorted(busy.items()))}",
        ]
        missing = {kind: count for kind, count in sorted(waiting.items()) if kind not in there}
        return " | ".join(line), [_missing(kind, count) for kind, count in missing.items()]


def _missing(kind: str, count: int) -> str:
    jobs = "1 job waits" if count == 1 else f"{count} jobs wait"
    return f"No resources of type {kind}: {jobs} for them in vain. Add some with `spoolq pool add {kind}`."
