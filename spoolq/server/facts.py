"""What the filters of a listing ask of a job's record, remembered for as long as its file is the same file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.jobs import Entry, describe
from spoolq.scores.cards import model_of
from spoolq.store import Store
from spoolq.transitions import State

#: How many jobs' facts are kept, and how many characters of each: some 30 MiB at the very most.
_MOST, _LONGEST = 20_000, 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one job: *models* are the names by which one may ask for its model, *tasks* its benchmarks."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    recipe: str | None
    outcome: str | None
    priority: str
    resource_type: str | None

    @property
    def words(self) -> Sequence[str]:
        """All of it that a person would look for."""
        return (*self.models, *self.tasks, self.recipe or "")


class KnownFacts:
    """The facts of jobs of *store*, keyed by name, inode and ctime of their files. For any thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: OrderedDict[tuple[str, int, int], Facts] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, entry: Entry) -> Facts | None:
        """The facts of a job that was listed; None when it has moved on."""
        path = path_of(self.store, entry)
        try:
            status = path.lstat()
        except OSError:
            return None
        key = (path.name, status.st_ino, status.st_ctime_ns)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        record = describe(self.store, entry)
        if record is None:
            return None
        facts = facts_of(record)
        if record.get("outcome") is not None or entry.state in (State.QUEUED, State.RUNNING):
            self._keep(key, facts)
        return facts

    def _keep(self, key: tuple[str, int, int], facts: Facts) -> None:
        if sum(map(len, facts.words)) > _LONGEST:
            return
        with self._lock:
            self._known[key] = facts
            while len(self._known) > _MOST:
                self._known.popitem(last=False)


def facts_of(record: dict[str, Any]) -> Facts:
    """The facts in a record."""
    request = record.get("request") or {}
    tasks = request.get("tasks")
    named = [model_of(record), request.get("model")]
    return Facts(
        models=tuple(dict.fromkeys(str(name) for name in named if name)),
        tasks=tuple(str(task) for task in tasks) if isinstance(tasks, list) else (),
        recipe=record.get("recipe"),
        outcome=record.get("outcome"),
        priority=record["priority"],
        resource_type=record.get("resource_type"),
    )


def path_of(store: Store, entry: Entry) -> Path:
    """The file of a job that was listed."""
    if entry.state is State.RUNNING:
        return store.layout.running(entry.running)
    if entry.state is State.QUEUED:
        return store.layout.queued(entry.stem)
    return store.layout.terminal(entry.state, entry.stem.key)
