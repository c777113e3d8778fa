"""Find jobs: by id, prefix, ``last`` or dropped name; list them; say their position. All from names."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable

from spoolq import history
from spoolq.errors import JobAmbiguous, JobNotFound, NotAllowed
from spoolq.files import names_in
from spoolq.jobs import Entry, parse_entry
from spoolq.names import parse_queued
from spoolq.store import Store
from spoolq.transitions import State

_ID = re.compile(r"[0-9a-f]{1,8}(-[0-9a-f-]*)?")
#: Listing order: a job that moves on while we list is met again in a later directory, never missed.
_ORDER = (State.QUEUED, State.RUNNING, State.COMPLETED, State.FAILED, State.CANCELLED)


def find(store: Store, job: str) -> Entry:
    """The job that *job* names; raises JobNotFound or JobAmbiguous.

    *job* is an id, an unambiguous beginning of one, ``last`` (the newest), a KEY, or the name of a dropped file.
    """
    for _ in range(3):  # RACE: a requeue moves a job behind our back, from a directory not yet read to one read before
        found = _find_once(store, job)
        if found is not None:
            return found
    raise JobNotFound(job, store.root)


def _find_once(store: Store, job: str) -> Entry | None:
    if job == "last":
        newest = max((name for state in _ORDER for name in _names(store, state)), key=_stamp_of, default=None)
        job = _uuid_of(newest) if newest else job
    wanted = job.lower().removesuffix(".json")
    # `1b.json` is the name of a file before it is the beginning of an id.
    matches = _by_dropped_name(store, job) if job.endswith(".json") else []
    if not matches and _ID.fullmatch(wanted):
        matches = list(_by_prefix(store, wanted))
    elif not matches:
        matches = [entry for entry in entries(store, _ORDER) if entry.stem.key == job.removesuffix(".json")]
    matches = matches or _by_dropped_name(store, job)
    ids = {entry.stem.uuid: entry for entry in matches}  # the later state wins: it moved while we listed
    if len(ids) > 1:
        raise JobAmbiguous(job, sorted(ids))
    return next(iter(ids.values()), None)


def _names(store: Store, state: State) -> Iterable[str]:
    return (name for name in store.names(state) if parse_entry(state, name))


_UUID_AT = re.compile(r"^(?:[019]-)?(\d{8}T\d{6}\.\d{6}Z)-([0-9a-f-]{36})")


def _stamp_of(name: str) -> tuple[str, str]:
    match = _UUID_AT.match(name)
    return (match[1], match[2]) if match else ("", "")


def _uuid_of(name: str) -> str:
    return _stamp_of(name)[1]


def _by_prefix(store: Store, prefix: str) -> Iterable[Entry]:
    needle = f"Z-{prefix}"
    for state in _ORDER:
        for name in store.names(state):
            if needle in name:
                entry = parse_entry(state, name)
                if entry and entry.stem.uuid.startswith(prefix):
                    yield entry


def _by_dropped_name(store: Store, name: str) -> list[Entry]:
    """Jobs admitted under that name, from their histories; the newest if there are several of one name."""
    named = []
    for key in names_in(store.layout.runs):
        past = history.events(store, key)[:1]
        if past and past[0].get("event") == "admitted" and past[0].get("dropped") in (name, f"{name}.json"):
            named.append(key)
    by_key = {entry.stem.key: entry for entry in entries(store, _ORDER)}
    known = [key for key in named if key in by_key]
    return [by_key[max(known)]] if known else []


def entries(store: Store, states: Iterable[State]) -> list[Entry]:
    """Every job in *states*, in the order of service within a state."""
    found = []
    for state in states:
        for name in sorted(store.names(state)):
            entry = parse_entry(state, name)
            if entry:
                found.append(entry)
    return found


def newest(store: Store, state: State, limit: int) -> list[Entry]:
    """The *limit* newest jobs of a terminal state, newest first, without parsing the others' names."""
    candidates = heapq.nlargest(limit, store.names(state))
    return [entry for name in candidates if (entry := parse_entry(state, name))]


def position(store: Store, job: str) -> int:
    """How many queued jobs are served before *job*; raises NotAllowed when it is not queued."""
    entry = find(store, job)
    if entry.state is not State.QUEUED:
        raise NotAllowed(f"cannot tell the position of job {entry.stem.uuid}: it is {entry.state}. See `spoolq show`.")
    return count_before(store, f"{entry.stem}.json")


def count_before(store: Store, name: str) -> int:
    """How many queued STEMs sort before *name*."""
    return sum(1 for other in store.names(State.QUEUED) if other < name and parse_queued(other))
