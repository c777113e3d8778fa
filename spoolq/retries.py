"""Whether a job runs again after an attempt, and when: `retry_on`, `max_attempts`, `backoff`.

The moment before which it does not is kept in the line of its history that takes it back, in the file server's time: so
every host obeys it, whatever was killed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spoolq import history
from spoolq.names import Running
from spoolq.store import Store
from spoolq.transitions import USAGE_EXIT

#: The longest pause before another attempt, in seconds, unless the first one is longer.
MOST_BACKOFF_S = 3600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What a job says, the spool's settings filled in; *backoff* in seconds."""

    retry_on: Sequence[str]
    max_attempts: int
    backoff: float


@dataclass(frozen=True, slots=True)
class Again:
    """A job may run again; *due* is the moment before which it does not (ISO 8601), None: at once."""

    due: str | None = None


def again(
    store: Store, running: Running, nonce: str, policy: Policy, outcome: str, exit_code: int | None = None
) -> Again | None:
    """Whether the job, whose attempt began under *nonce*, has another one after *outcome*; None when it has not.

    Raises OSError: the file server is asked for the time.
    """
    if not is_covered(policy.retry_on, outcome, exit_code):
        return None
    past = history.since_retry(history.events(store, running.stem.key))
    number = history.attempts(past, nonce)
    if number >= policy.max_attempts:
        return None
    pause = pause_before(policy.backoff, number)
    if not pause:
        return Again()
    now = store.server_time() if store.network else store.clock()
    return Again(datetime.fromtimestamp(now + pause, UTC).isoformat(timespec="microseconds"))


def is_covered(retry_on: Sequence[str], outcome: str, exit_code: int | None = None) -> bool:
    """Whether *retry_on* lists *outcome*, or its exit code.

    `exit` is any code but 2, by which programs say that they were called wrongly: that does not pass. Who knows of a
    program that it may, lists `exit:2`.
    """
    if outcome == "exit" and f"exit:{exit_code}" in retry_on:
        return True
    return outcome in retry_on and not (outcome == "exit" and exit_code == USAGE_EXIT)


def pause_before(backoff: float, attempts: int) -> float:
    """Seconds between the end of an attempt and the next one, after *attempts* since a person last asked for it."""
    doublings = min(max(attempts, 1) - 1, 64)
    return float(min(backoff * 2**doublings, max(backoff, MOST_BACKOFF_S)))


def due_at(past: list[dict[str, Any]]) -> datetime | None:
    """The moment before which a job that was taken back is not run again, by its history; None without one.

    A person's retry asks for it at once.
    """
    line: Mapping[str, Any] = history.last(history.since_retry(past), "reclaimed") or {}
    return moment(line.get("due"))


def moment(text: object) -> datetime | None:
    """The moment in an ISO 8601 text with an offset; None for anything else."""
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return when if when is not None and when.tzinfo is not None else None
