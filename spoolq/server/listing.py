"""A page of jobs: running, queued in the order of service, ended newest first, by names as far as names can tell.

A filter that names cannot answer reads records. What one request reads is bounded: then the page is short, or empty,
and its cursor goes on from where the reading stopped.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from spoolq.jobs import Entry, parse_entry
from spoolq.names import SUFFIX, format_stamp
from spoolq.server.cursor import Cursor, Part
from spoolq.server.face import Face
from spoolq.server.facts import Facts, facts_of
from spoolq.server.records import Records
from spoolq.transitions import TERMINAL, State

#: One request looks into at most so many records, for at most so many seconds.
_RECORDS, _SECONDS = 1000, 0.5


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; None: any. *since* and *until* bound `created_at`, the latter excluded."""

    states: frozenset[State] = frozenset(State)
    recipe: str | None = None
    model: str | None = None
    task: str | None = None
    priority: str | None = None
    outcome: str | None = None
    q: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50

    @property
    def span(self) -> tuple[str, str]:
        """The stamps from which and before which jobs count; plain string order is their order."""
        return _stamp(self.since) if self.since else "", _stamp(self.until) if self.until else "~"


@dataclass(slots=True)
class Page:
    """Records, and where the next page begins; None: this was the last."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    next: Cursor | None = None


class Listings:
    """Pages of the spool behind *face*. For any thread."""

    def __init__(self, face: Face, records: Records, clock: Callable[[], float] = time.monotonic) -> None:
        self.face, self.records, self.clock = face, records, clock

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return {state.value: len(listing.names) for state, listing in self.face.view.all().items()}

    def page(self, query: Query, cursor: Cursor) -> Page:
        """The jobs of *query* behind *cursor*, at most `limit`."""
        page, seen, looked = Page(), set[str](), 0
        now, deadline = self.records.situation(), self.clock() + _SECONDS
        for place, entry in self._entries(query, cursor):
            if len(page.jobs) == query.limit or looked == _RECORDS or (looked and self.clock() > deadline):
                page.next = cursor
                break
            cursor = place
            fits = _fits_by_name(query, entry)
            if fits is None:
                looked += 1
                facts = self.records.facts.of(entry)
                fits = facts is None or _fits(query, entry, facts)
            if not fits or entry.stem.uuid in seen:
                continue
            record = self.records.of(entry, now)
            if record is not None and _still_fits(query, entry, record):
                seen.add(entry.stem.uuid)
                page.jobs.append(record)
        return page

    def _entries(self, query: Query, cursor: Cursor) -> Iterator[tuple[Cursor, Entry]]:
        """The jobs of the states asked for behind *cursor*, in order, each with the cursor that is behind it."""
        names = {state: listing.names for state, listing in self.face.view.all().items() if state in query.states}
        if cursor.part == "r":
            yield from _walk("r", State.RUNNING, _after(names.get(State.RUNNING, []), cursor.mark, "@"))
        if cursor.part in ("r", "q"):
            mark = cursor.mark if cursor.part == "q" else ""
            yield from _walk("q", State.QUEUED, _after(names.get(State.QUEUED, []), mark, "."))
        mark = cursor.mark if cursor.part == "e" else ""
        low, high = query.span
        columns = [_newest_first(state, names.get(state, []), mark, low, high) for state in TERMINAL]
        for name, state in heapq.merge(*columns, reverse=True):
            yield from _walk("e", state, [name])


def _fits(query: Query, entry: Entry, facts: Facts) -> bool:
    """Whether what is known of a job is what is asked for."""
    wanted = (query.q or "").lower()
    return (
        query.recipe in (None, facts.recipe)
        and query.outcome in (None, facts.outcome)
        and query.priority in (None, facts.priority)
        and (query.model is None or query.model in facts.models)
        and (query.task is None or query.task in facts.tasks)
        and (wanted in entry.stem.uuid or any(wanted in word.lower() for word in facts.words))
    )


def _still_fits(query: Query, entry: Entry, record: dict[str, Any]) -> bool:
    """Whether the record is of what was asked for: the job may have moved on since it was listed."""
    if record["status"] == entry.state.value:
        return True
    return record["status"] in query.states and _fits(query, entry, facts_of(record))


def _fits_by_name(query: Query, entry: Entry) -> bool | None:
    """Whether the job is asked for, by its name alone; None when its record must tell."""
    low, high = query.span
    if not low <= entry.stem.stamp < high:
        return False
    if query.priority is not None and entry.state not in TERMINAL and entry.stem.priority != query.priority:
        return False
    inside = query.recipe or query.outcome or query.model or query.task or query.q
    return None if inside or (query.priority and entry.state in TERMINAL) else True


def _walk(part: Part, state: State, names: list[str]) -> Iterator[tuple[Cursor, Entry]]:
    for name in names:
        entry = parse_entry(state, name)
        if entry is not None:
            yield Cursor(part, str(entry.stem)), entry


def _after(names: list[str], mark: str, end: str) -> list[str]:
    """Those of *names* behind the STEM *mark*; *end* is what follows a STEM in them."""
    return names[bisect_right(names, f"{mark}{end}~") if mark else 0 :]


def _newest_first(state: State, names: list[str], mark: str, low: str, high: str) -> Iterator[tuple[str, State]]:
    """*names* from the newest before *mark* and *high* down to *low*."""
    stop = bisect_left(names, min(f"{mark}{SUFFIX}" if mark else "~", high))
    for place in range(stop - 1, bisect_left(names, low) - 1, -1):
        yield names[place], state


def _stamp(when: datetime) -> str:
    """The stamp of *when*, which sorts among those of jobs also where it is long before or after all of them."""
    try:
        moment = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except OverflowError:
        return "~" if when.year > 1 else ""
    return format_stamp(moment) if moment.year >= 1000 else ""
