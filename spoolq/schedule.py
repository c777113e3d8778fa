"""Which of the queued jobs of remote workers is served next.

In this order: spoolq's priority; how busy its type of resources is (jobs in progress by resources); how many attempts
it has had; its id, as text. Jobs of a type that has no resources, or is being drained, wait.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolq import history
from spoolq.errors import RequestInvalid
from spoolq.files import GONE
from spoolq.gates import Gates, of
from spoolq.names import PRIORITIES, Stem, parse_queued, stem_names
from spoolq.pools import Shelf
from spoolq.remote import Need, need_of
from spoolq.store import Store
from spoolq.transitions import State

_RANKS = {prefix: rank for rank, prefix in enumerate(PRIORITIES.values())}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A queued job of a remote worker; *stamp* is when its file was last moved, in nanoseconds.

    *policy* is what its file says to the gates.
    """

    stem: Stem
    kind: str
    attempts: int
    job_id: str
    stamp: int
    policy: Mapping[str, Any]

    @property
    def group(self) -> tuple[int, str]:
        return _RANKS[self.stem.prefix], self.kind

    @property
    def row(self) -> tuple[int, str, str]:
        return self.attempts, self.job_id, f"{self.stem}.json"


class Schedule:
    """The queue of remote workers' jobs, in order. For one thread at a time.

    Each file is read once, while its name stays; what is remembered is a hint, and only a claim tells.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        #: Every name of the last listing that could be read; None for who is no remote worker's.
        self._known: dict[str, _Waiting | None] = {}
        #: (rank, type) -> rows, sorted.
        self._groups: dict[tuple[int, str], list[tuple[int, str, str]]] = {}
        #: What a job waits for beside a worker: its parents, its time.
        self.gates = Gates(store, of(store))

    def refresh(self) -> None:
        """Take in a fresh listing of ``queued/``; raises SpoolUnusable."""
        self.gates.refresh()
        there = set(self.store.names(State.QUEUED))
        for name in self._known.keys() - there:
            self.forget(name)
        for name in stem_names(there - self._known.keys()):
            self._learn(name)

    def counts(self) -> dict[str, int]:
        """How many jobs wait, by type, as of the last refresh; those that a gate holds are counted, too."""
        found: dict[str, int] = {}
        for (_, kind), rows in self._groups.items():
            found[kind] = found.get(kind, 0) + len(rows)
        return found

    def ready(self) -> dict[str, int]:
        """The same without those that a gate holds."""
        found: dict[str, int] = {}
        for (_, kind), rows in self._groups.items():
            found[kind] = found.get(kind, 0) + sum(not self._is_held(row[-1]) for row in rows)
        return found

    def first(self, busy: Mapping[str, int], shelves: Mapping[str, Shelf]) -> Stem | None:
        """The job to be served next; *busy* is how many of each type are in progress. None without one."""
        while True:
            heads = []
            for (rank, kind), rows in self._groups.items():
                shelf = shelves.get(kind)
                if shelf is not None and shelf.total and not shelf.draining:
                    row = next((row for row in rows if not self._is_held(row[-1])), None)
                    if row is not None:
                        heads.append((rank, busy.get(kind, 0) / shelf.total, *row))
            if not heads:
                return None
            name = min(heads)[-1]
            if self._is_current(name):
                waiting = self._known[name]
                assert waiting is not None
                return waiting.stem

    def _is_held(self, name: str) -> bool:
        """Whether a gate holds the job: then those behind it in its group may be served."""
        waiting = self._known[name]
        return waiting is not None and self.gates.judge(waiting.stem, waiting.policy) is not None

    def forget(self, name: str) -> None:
        """It has left the queue, or is to be read anew."""
        waiting = self._known.pop(name, None)
        if waiting is None:
            return
        rows = self._groups[waiting.group]
        del rows[bisect_left(rows, waiting.row)]
        if not rows:
            del self._groups[waiting.group]

    def _learn(self, name: str) -> None:
        stem = parse_queued(name)
        assert stem is not None
        try:
            need = need_of(self.store.layout.queued(stem))
        except (OSError, RequestInvalid):
            return  # gone, or it may still be being written: looked at again in the next refresh
        waiting = None if need is None else self._waiting(stem, need)
        self._known[name] = waiting
        if waiting is not None:
            insort(self._groups.setdefault(waiting.group, []), waiting.row)

    def _waiting(self, stem: Stem, need: Need) -> _Waiting:
        attempts = history.attempts(history.events(self.store, stem.key)) + need.attempts_before
        return _Waiting(stem, need.kind, attempts, need.external_id or stem.uuid, need.stamp, self.gates.policy(stem))

    def _is_current(self, name: str) -> bool:
        """Whether the head of a group is as we remember it; if not, it is read anew, or forgotten.

        A claim and its return between two of our listings leave the name, and one more attempt. Attempts only grow, so
        the first that is current is the first of all.
        """
        waiting = self._known[name]
        assert waiting is not None
        try:
            if self.store.layout.queued(waiting.stem).lstat().st_ctime_ns == waiting.stamp:
                return True
        except OSError as error:
            if error.errno not in GONE:
                raise
        self.forget(name)
        self._learn(name)
        return False
