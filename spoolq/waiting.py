"""Wait for jobs to end, by listing; how often depends on what a listing costs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from spoolq.errors import JobNotFound, SpoolqError, WaitTimeout
from spoolq.find import find
from spoolq.jobs import Entry, describe, parse_entry
from spoolq.replay import settle_recordless
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State

_LEAST_S, _MOST_S = 0.05, 2.0
#: Listing may cost this share of the time spent waiting.
_SHARE = 0.05


def wait(
    store: Store,
    jobs: Sequence[str],
    *,
    timeout: float | None = None,
    any_one: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict[str, Any]]:
    """The records of *jobs* once all of them (or *any_one*) have ended, in the order given.

    Raises JobNotFound, JobAmbiguous, and WaitTimeout after *timeout* seconds. A job that is retried meanwhile is
    waited for again.
    """
    keys = [find(store, job).stem.key for job in jobs]
    deadline = None if timeout is None else clock() + timeout
    while True:
        began = clock()
        places = _places(store, set(keys))
        ended = [record for key in dict.fromkeys(keys) if (record := _record(store, places.get(key)))]
        if len(ended) == len(set(keys)) or (any_one and ended):
            return ended
        gone = [key for key in keys if key not in places and not _places(store, {key})]
        if gone:
            raise JobNotFound(gone[0], store.root)
        pause = min(_MOST_S, max(_LEAST_S, (clock() - began) / _SHARE))
        if deadline is not None and clock() + pause >= deadline:
            pause = max(0.0, deadline - clock())
            if pause == 0.0:
                left = len(set(keys)) - len(ended)
                raise WaitTimeout(f"cannot wait longer: {left} jobs are still active after {timeout:g} s. Wait again.")
        time.sleep(pause)


def _places(store: Store, keys: set[str]) -> dict[str, Entry]:
    """Where the jobs are now. Terminal states last: a job on its way is met again, not missed."""
    places: dict[str, Entry] = {}
    for state in (State.QUEUED, State.RUNNING, *TERMINAL):
        for name in store.names(state):
            entry = parse_entry(state, name)
            if entry and entry.stem.key in keys:
                places[entry.stem.key] = entry
    return places


def _record(store: Store, entry: Entry | None) -> dict[str, Any] | None:
    """The record of an ended job; None while it is active, or its record is being written."""
    if entry is None or entry.state not in TERMINAL:
        return None
    record = describe(store, entry)
    if record is not None and record["outcome"] is None:
        with contextlib.suppress(OSError, SpoolqError):  # one who may only look waits for who may write
            record = settle_recordless(store, entry)
    return record if record is not None and record["outcome"] is not None else None
