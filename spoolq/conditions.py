"""The gates that open by themselves with time: `not_before`, and the pause before another attempt.

Times are the file server's, so that every host that claims from the spool says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from spoolq import history
from spoolq.durations import format_duration
from spoolq.gate import Gate
from spoolq.names import Stem
from spoolq.store import Store

#: The longest pause before another attempt, in seconds, unless the first one is longer.
MOST_BACKOFF_S = 3600.0


def pause_before(backoff: float, attempts: int) -> float:
    """Seconds between the end of an attempt and the next one, after *attempts* since a person last asked for it."""
    doublings = min(max(attempts, 1) - 1, 64)
    return float(min(backoff * 2**doublings, max(backoff, MOST_BACKOFF_S)))


def due_at(past: list[dict[str, Any]]) -> datetime | None:
    """The moment before which a job that was taken back is not run again, by its history; None without one."""
    line = history.last(history.since_retry(past), "reclaimed")
    return _moment(line.get("due")) if line else None


def _moment(text: object) -> datetime | None:
    """The moment in an ISO 8601 text with an offset; None for anything else, of which the claim will tell."""
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return when if when is not None and when.tzinfo is not None else None


class _Timed(Gate):
    """A gate that opens at a moment."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._now: float | None = None

    def refresh(self) -> None:
        """The time has gone on."""
        self._now = None

    def opens_at(self, stem: Stem, document: Mapping[str, Any]) -> datetime | None:
        """When it opens; None: it is open."""
        raise NotImplementedError

    def patience(self, stem: Stem, document: Mapping[str, Any]) -> float:
        """Seconds until it opens."""
        when = self.opens_at(stem, document)
        return 0.0 if when is None else max(0.0, when.timestamp() - self.now())

    def now(self) -> float:
        """This moment, in POSIX seconds of the file server, which is asked once a round."""
        if self._now is None:
            try:
                self._now = self.store.server_time() if self.store.network else self.store.clock()
            except OSError:  # a full disk: a moment's error of two clocks is better than none
                self._now = self.store.clock()
        return self._now


class NotBefore(_Timed):
    """`not_before`: a moment that the submitter has named."""

    keys = ("not_before",)

    def opens_at(self, stem: Stem, document: Mapping[str, Any]) -> datetime | None:  # noqa: ARG002
        """What the envelope says."""
        return _moment(document.get("not_before"))

    def why_not(self, stem: Stem, document: Mapping[str, Any]) -> str | None:
        """`not before MOMENT`."""
        when = self.opens_at(stem, document)
        if when is None or when.timestamp() <= self.now():
            return None
        return f"not before {when.isoformat(timespec='seconds')}"


class BackOff(_Timed):
    """The pause before another attempt, which whoever took the job back has written into its history."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        # Where the operator sets a pause for all, any job may have one; else only those that ask for it.
        self.keys = () if store.settings.backoff else ("backoff",)

    def opens_at(self, stem: Stem, document: Mapping[str, Any]) -> datetime | None:  # noqa: ARG002
        """What the history says."""
        return due_at(history.events(self.store, stem.key))

    def why_not(self, stem: Stem, document: Mapping[str, Any]) -> str | None:
        """`retry in 4m05s`."""
        left = self.patience(stem, document)
        return f"retry in {format_duration(left)}" if left > 0 else None
