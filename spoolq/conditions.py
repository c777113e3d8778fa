"""The gates that open by themselves with time: `not_before`, and the pause before another attempt.

Times are the file server's, so that every host that claims from the spool says the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from spoolq import history
from spoolq.durations import format_duration
from spoolq.gate import Gate
from spoolq.names import Stem
from spoolq.retries import due_at, moment
from spoolq.store import Store


class _Timed(Gate):
    """A gate that opens at a moment."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._now: float | None = None

    def refresh(self) -> None:
        """The time has gone on."""
        self._now = None

    @abstractmethod
    def opens_at(self, stem: Stem, document: Mapping[str, Any]) -> datetime | None:
        """When it opens; None: it is open."""

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
        """What the envelope says; of what is no moment the claim will tell."""
        return moment(document.get("not_before"))

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
