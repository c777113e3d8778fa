"""What keys do to the queue: cancel, raise, lower, pause, resume. Each says in a few words what has become of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from spoolq import control
from spoolq.api import Spool
from spoolq.names import PRIORITIES
from spoolq.store import Store
from spoolq.transitions import ACTIVE, State

#: From the first to be served to the last.
LEVELS = tuple(PRIORITIES)


def may_cancel(record: Mapping[str, Any]) -> bool:
    """Whether there is anything to cancel."""
    return record["status"] in ACTIVE


def cancel(store: Store, record: Mapping[str, Any]) -> str:
    """Cancel a job; raises SpoolqError. For one that runs it is only requested."""
    said = Spool.of(store).cancel(record["job_id"])
    done = "is cancelled" if said == "cancelled" else "is asked to stop"
    return f"{record['job_id'][:8]} {done}"


def shift(store: Store, record: Mapping[str, Any], by: int) -> str:
    """Give a queued job the next priority above (*by* -1) or below (1); raises SpoolqError."""
    job = record["job_id"][:8]
    if record["status"] != State.QUEUED:
        return f"{job} is {record['status']}: only a queued job has a priority"
    place = LEVELS.index(record["priority"]) + by
    if not 0 <= place < len(LEVELS):
        return f"{job} is {record['priority']} already: there is no level beyond"
    position = Spool.of(store).prioritise(record["job_id"], LEVELS[place])
    return f"{job} is {LEVELS[place]} now, at position {position}"


def pause_or_resume(store: Store, paused: bool) -> str:
    """Stop runners from claiming, or let them claim again; raises OSError."""
    if paused:
        return "runners claim again" if control.resume(store) else "it was not paused any more"
    changed = control.pause(store, os.getuid())
    return "paused: what runs goes on, nothing more is claimed" if changed else "it was paused already"
