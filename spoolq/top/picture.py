"""What the live view shows: the queue as `status` has it, and the jobs that ended last."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from spoolq.jobs import describe, parse_entry
from spoolq.names import key_names
from spoolq.status import status
from spoolq.store import Store
from spoolq.took import Past
from spoolq.transitions import TERMINAL, State

#: How many waiting jobs and how many ends can be looked through.
WAITING, ENDED = 100, 30


@dataclass(slots=True)
class Picture:
    """One look at the queue: the document of `status`, and the records of the newest ends, the newest first."""

    seen: dict[str, Any]
    ended: list[dict[str, Any]] = field(default_factory=list)

    @property
    def running(self) -> list[dict[str, Any]]:
        """The records of what runs."""
        records: list[dict[str, Any]] = self.seen["running"]
        return records

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """The records of the first that wait."""
        records: list[dict[str, Any]] = self.seen["waiting"]
        return records

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """All that can be selected, from top to bottom."""
        return [*self.running, *self.waiting, *self.ended]


class Looker:
    """Looks at a spool again and again, and remembers what cannot change: how ended jobs ended."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.past = Past(store)
        self._names: dict[State, set[str]] = {}
        self._ends: dict[tuple[State, str], dict[str, Any] | None] = {}

    def look(self) -> Picture:
        """The queue as it is now; raises SpoolUnusable when it is gone."""
        seen = status(self.store, show=WAITING, ids=False, past=self.past)
        return Picture(seen, self._ended())

    def _ended(self) -> list[dict[str, Any]]:
        """The newest ends: of the newest jobs, and of all that have ended since the first look, however old."""
        wanted = []
        for state in TERMINAL:
            names = key_names(self.store.names(state))
            known = self._names.setdefault(state, set(names))
            come = [name for name in names if name not in known]
            wanted += [(state, name) for name in {*heapq.nlargest(ENDED, names), *come}]
            if len(come) > 10 * ENDED:  # a view that is open for weeks
                known.update(come)
        self._ends = {key: self._ends.get(key) or self._record(*key) for key in wanted}
        records = [record for record in self._ends.values() if record is not None]
        return heapq.nlargest(ENDED, records, key=lambda record: record["completed_at"] or "")

    def _record(self, state: State, name: str) -> dict[str, Any] | None:
        entry = parse_entry(state, name)
        record = describe(self.store, entry) if entry else None
        return record if record is not None and record["outcome"] else None  # else its record is still to follow
