"""What the event stream says: of a job that has changed its state, and of the queue as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from spoolq import control
from spoolq.jobs import Entry, current_record, describe, parse_entry
from spoolq.scores.cards import model_of
from spoolq.server.changes import Change
from spoolq.server.face import Face
from spoolq.server.records import Records, Situation
from spoolq.server.sse import event
from spoolq.status import with_progress
from spoolq.transitions import State

#: What of a record goes into an event as it is.
_FACTS = (
    "job_id", "status", "position_in_queue", "reason", "recipe", "priority", "outcome", "exit_code", "attempt",
    "worker", "created_at", "started_at", "completed_at",
)  # fmt: skip
#: The most characters of an error or a model's name.
_LONGEST = 1000


class News:
    """Written from the spool behind *face*. For any thread."""

    def __init__(self, face: Face, records: Records) -> None:
        self.face, self.records = face, records

    def is_written(self, entry: Entry) -> bool:
        """Whether the record of an ended job is there."""
        return current_record(self.face.store, entry) is not None

    def of(self, changes: Iterable[Change], last: int) -> list[tuple[int, bytes]]:
        """An event for each change, with its id; ids never fall behind *last*. A job that is gone has none."""
        now, events = self.records.situation(), []
        for change in changes:
            told = self._of(change, now)
            if told is not None:
                last = max(last, change.at)
                events.append((last, event("change", told, str(last))))
        return events

    def _of(self, change: Change, now: Situation) -> dict[str, Any] | None:
        record = self.records.of(change.entry, now)
        if record is None:
            return None
        at = datetime.fromtimestamp(change.at / 1e9, UTC).isoformat(timespec="microseconds")
        error = record["error"][:_LONGEST] if record["error"] else None
        facts = {name: record[name] for name in _FACTS}
        return {**facts, "at": at, "error": error, "model": model_of(record)[:_LONGEST]}

    def queue(self) -> dict[str, Any]:
        """Whether the queue is paused, how many jobs are in each state, and how far those are that run."""
        store, view = self.face.store, self.face.view
        listings = view.all()
        counts = {state.value: len(listing.names) for state, listing in listings.items()}
        running = []
        for name in list(listings[State.RUNNING].names):
            entry = parse_entry(State.RUNNING, name)
            record = describe(store, entry) if entry else None
            if record is not None:
                progress = with_progress(store, record)["progress"]
                running.append({"job_id": record["job_id"], "progress": progress})
        return {"paused": control.read(store).paused, "counts": counts, "running": running}
