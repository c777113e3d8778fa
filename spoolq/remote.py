"""Remote workers' jobs in ``queued/`` and ``running/``: which they are, why they wait, and how they go back or end.

Only a job's file says that it is a worker's, so it is read once; a queued file never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq import control, history
from spoolq.claims import MAX_CLAIMED, reclaim, requeue
from spoolq.documents import MAX_DEPTH, parse_object
from spoolq.errors import RequestInvalid
from spoolq.files import read_regular
from spoolq.finish import finish
from spoolq.names import Claim, Running, is_resource_type, parse_queued
from spoolq.pools import kinds, look
from spoolq.retries import Policy, again
from spoolq.store import Store
from spoolq.transitions import State

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Need:
    """What a remote worker's job says of itself: the type of resources that it needs, and the id it is known by.

    *stamp* is the file's ctime in nanoseconds, which every move of the job sets.
    """

    kind: str
    external_id: str | None
    attempts_before: int
    stamp: int


def need_of(path: Path) -> Need | None:
    """What the job in *path* needs; None when it is no remote worker's. Raises OSError, RequestInvalid."""
    data, status = read_regular(path, MAX_CLAIMED)
    document = parse_object(data, "the job's file", limit=MAX_CLAIMED, depth=MAX_DEPTH + 1)
    kind, known, before = (document.get(key) for key in ("resource_type", "external_id", "attempts_before"))
    if not isinstance(document.get("request"), dict) or not isinstance(kind, str) or not is_resource_type(kind):
        return None
    external = known if isinstance(known, str) and known else None
    return Need(kind, external, before if type(before) is int and before > 0 else 0, status.st_ctime_ns)


def is_workers(store: Store, name: str) -> bool:
    """Whether the queued file *name* is a remote worker's job; False for one that is gone or cannot be read."""
    stem = parse_queued(name)
    try:
        return stem is not None and need_of(store.layout.queued(stem)) is not None
    except (OSError, RequestInvalid):
        return False


def are_expected(store: Store) -> bool:
    """Whether there may be remote workers' jobs in the queue: where there is a pool. One listing."""
    return bool(kinds(store))


def why_waits(store: Store, kind: str) -> str:
    """Why a job that needs a resource of *kind* waits."""
    shelf = look(store, kind)
    if not shelf.total:
        return f"no resources of type {kind}: add some with `spoolq pool add {kind}`"
    if shelf.draining:
        return f"no new leases of type {kind}: it is being drained"
    return f"waits for a worker (resource type {kind})"


class Foreign:
    """Remembers which names of ``queued/`` are remote workers', for who passes them over."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._names: set[str] = set()

    def are_all(self, names: Iterable[str]) -> bool:
        """Whether all of *names*, a whole listing, are remote workers' jobs. Reads no further than the first other."""
        met: set[str] = set()
        for name in names:
            if name not in self._names and not is_workers(self.store, name):
                self._names |= met
                return False
            met.add(name)
        self._names = met
        return True


def leave(store: Store, running: Running, nonce: str, warn: Warn | None = None) -> None:
    """Give back, unburnt, a worker's job that one of our runners has claimed; raises ClaimLost, OSError."""
    requeue(store, running, "it is a remote worker's", nonce=nonce, started=False, warn=warn)


def give_up(
    store: Store,
    running: Running,
    record: dict[str, Any],
    outcome: str,
    exit_code: int | None = None,
    warn: Warn | None = None,
) -> bool:
    """Take a worker's job back into the queue, its attempt burnt, if it may have another one after *outcome*.

    *record* is that of a running job. False, and nothing done, when it may not. Raises ClaimLost, OSError.
    """
    settings, asked, pause = store.settings, record["retry_on"], record["backoff"]
    policy = Policy(
        settings.retry_on if asked is None else asked,
        record["max_attempts"] or settings.max_attempts,
        settings.backoff if pause is None else pause,
    )
    next_one = again(store, running, running.claim.nonce, policy, outcome, exit_code)
    if next_one is None:
        return False
    number = record["attempt"] - (record["attempts_before"] or 0)
    reclaim(store, running, outcome, nonce=running.claim.nonce, attempt=number, due=next_one.due, warn=warn)
    return True


def end(
    store: Store,
    running: Running,
    record: dict[str, Any],
    state: State,
    outcome: str,
    *,
    by: Claim | None = None,
    warn: Warn | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """End a worker's job, whose *record* is that of a running one; returns the new record.

    *by* is the claim that the record is written under, the worker's own without. Raises ClaimLost when the job was
    taken away or has ended, OSError when the disk refuses.
    """
    named = Running(running.stem, by or running.claim)
    whole = {
        **record,
        "status": state.value,
        "completed_at": store.now(),
        "recipe": record["recipe"] or "worker",
        "max_attempts": record["max_attempts"] or store.settings.max_attempts,
        "claim": str(named.claim),
        "heartbeat_at": None,
        "outcome": outcome,
        **facts,
    }
    finish(store, store.layout.running(running), named, whole, insist=by is not None, warn=warn)
    try:  # what follows the commit: the job has ended whatever becomes of it
        store.disk.unlink(store.layout.beat(running))
        history.record(store, running.stem.key, "finished", nonce=running.claim.nonce, outcome=outcome)
        control.clear_cancels(store, running.stem.key)
    except OSError as error:
        if warn:
            warn(f"cannot write the history of {running.stem.uuid[:8]}: {error.strerror}. The job itself is recorded.")
    return whole
