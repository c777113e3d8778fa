"""Several submissions at once: each is as safe as one of `submit`, and they wait for the disk side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spoolq import submit
from spoolq.errors import SpoolUnusable
from spoolq.names import Stem, new_stem
from spoolq.store import Store
from spoolq.transitions import State


@dataclass(slots=True)
class Draft:
    """A job's file on its way into the queue; in the end it has its *stem*, or a *fault*."""

    data: bytes
    priority: str = "normal"
    stem: Stem | None = None
    fault: SpoolUnusable | None = None
    temporary: Path = Path()
    fd: int = -1
    server_time: float = 0.0


#: Calls a function with each draft, in any number of threads, and returns when all have returned.
Each = Callable[[Callable[[Draft], None], Sequence[Draft]], None]


def publish(store: Store, drafts: Sequence[Draft], each: Each) -> None:
    """Queue *drafts* in their order. A fault of one is its own: nothing is raised, and the others go on.

    CRASH: before the first rename there is litter in .tmp/; between the first and the return some jobs are queued that
    nobody was told of yet, as when a single submit is killed.
    """
    for draft in drafts:
        _try(store, draft, _begin)
    each(lambda draft: _try(store, draft, _settle), drafts)
    for draft in drafts:
        _try(store, draft, _enqueue)
    queued = [draft for draft in drafts if draft.stem is not None]
    if not queued:
        return
    try:
        store.disk.sync_directory(store.layout.state(State.QUEUED))
    except OSError as error:
        for draft in queued:
            assert draft.stem is not None
            draft.fault = submit.withdraw(store, draft.stem, error)
            draft.stem = draft.stem if draft.fault is None else None


def _try(store: Store, draft: Draft, step: Callable[[Store, Draft], None]) -> None:
    if draft.fault is None:
        try:
            step(store, draft)
        except OSError as error:
            draft.fault = submit.refused(store, draft.temporary, error)
        except SpoolUnusable as error:  # the queue itself is gone
            draft.fault = error


def _begin(store: Store, draft: Draft) -> None:
    draft.temporary = submit.draft(store)
    draft.fd = store.disk.begin(draft.temporary, draft.data)


def _settle(store: Store, draft: Draft) -> None:
    draft.server_time = store.disk.settle(draft.temporary, draft.fd).st_mtime


def _enqueue(store: Store, draft: Draft) -> None:
    stem = new_stem(store.next_stamp(draft.server_time), draft.priority)
    submit.enqueue(store, draft.temporary, stem)
    draft.stem = stem
