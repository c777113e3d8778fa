"""Which ended jobs lmms-eval's dialect still finds: its server forgets the oldest ones whenever a job finishes.

Nothing is remembered of what was forgotten: it follows from the records. When the newest finish happened, everything
that had ended by then was counted, and all but the newest *most* went. What was cancelled since is still there, until
the next finish. So any number of servers agree, and a restart changes nothing.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spoolq.files import GONE
from spoolq.finish import terminal_record
from spoolq.jobs import Entry, parse_entry
from spoolq.names import parse_stamp
from spoolq.server.view import Listing, View
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Visible:
    """What is found at one version of the listings. *hidden* are names, by state, the oldest end first."""

    version: Version
    completed: int
    failed: int
    hidden: dict[tuple[State, str], None]

    def forgotten(self) -> list[Entry]:
        """The jobs that are not found any more, the oldest end first."""
        entries = [parse_entry(state, name) for state, name in self.hidden]
        return [entry for entry in entries if entry is not None]

    def has(self, entry: Entry) -> bool:
        """Whether an ended job is found."""
        return (entry.state, f"{entry.stem.key}.json") not in self.hidden


@dataclass(frozen=True, slots=True)
class _End:
    """What is kept of a record: which file it was, when the job ended, and whether it had run."""

    stamp: tuple[int, int, int]
    at: float
    ran: bool


class Kept:
    """The ended jobs that are found, where *most* of them are kept; None: all. For any thread."""

    def __init__(self, store: Store, view: View, most: int | None) -> None:
        self.store, self.view, self.most = store, view, most
        self._ends: dict[State, dict[str, _End]] = {state: {} for state in TERMINAL}
        self._visible: Visible | None = None
        self._lock = threading.Lock()

    def known(self) -> Visible | None:
        """What is found now, if that is known without reading records; else ask `look`, in a thread."""
        listings = {state: self.view.listing(state) for state in TERMINAL}
        if self.most is None:
            return _counted(listings, {})
        visible = self._visible
        return visible if visible is not None and visible.version == _version(listings) else None

    def look(self) -> Visible:
        """What is found now. Reads the records that it has not read yet."""
        with self._lock:
            known = self.known()
            if known is not None:
                return known
            listings = {state: self.view.listing(state) for state in TERMINAL}
            for state, listing in listings.items():
                self._ends[state] = self._read(state, listing)
            self._visible = _counted(listings, dict.fromkeys(self._forgotten()))
            return self._visible

    def _read(self, state: State, listing: Listing) -> dict[str, _End]:
        """The ends in a listing. One whose record is not written yet has not happened."""
        before, found = self._ends[state], {}
        for name in listing.names:
            path = self.store.layout.terminal(state, name.removesuffix(".json"))
            try:
                status = os.lstat(path)
            except OSError as error:
                if error.errno in GONE:
                    continue
                raise
            stamp = (status.st_ino, status.st_ctime_ns, status.st_size)
            end = before.get(name)
            if end is None or end.stamp != stamp:
                record = terminal_record(path)
                if record is None:
                    continue
                end = _End(stamp, _ended(record, name), state is not State.CANCELLED or bool(record.get("started_at")))
            found[name] = end
        return found

    def _forgotten(self) -> list[tuple[State, str]]:
        assert self.most is not None
        ends = [(end.at, name, state) for state, known in self._ends.items() for name, end in known.items()]
        finishes = [end.at for known in self._ends.values() for end in known.values() if end.ran]
        if not finishes:
            return []
        newest = max(finishes)
        counted = sorted(end for end in ends if end[0] <= newest)
        return [(state, name) for _, name, state in counted[: max(0, len(counted) - self.most)]]


def _version(listings: dict[State, Listing]) -> Version:
    return tuple(listing.version for listing in listings.values())


def _counted(listings: dict[State, Listing], hidden: dict[tuple[State, str], None]) -> Visible:
    gone = [state for state, _ in hidden]
    completed, failed = (len(listings[state].names) - gone.count(state) for state in (State.COMPLETED, State.FAILED))
    return Visible(_version(listings), completed, failed, hidden)


def _ended(record: dict[str, Any], name: str) -> float:
    """POSIX seconds of an end; a record that does not say ended when it was submitted."""
    try:
        return datetime.fromisoformat(record["completed_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        entry = parse_entry(State.COMPLETED, name)
        assert entry is not None  # a listing holds nothing else
        return parse_stamp(entry.stem.stamp).timestamp()
