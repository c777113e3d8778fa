"""Find jobs: by id, prefix, ``last`` or dropped name; list them; say their position. All from names."""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterable

from spoolq import history
from spoolq.errors import JobAmbiguous, JobNotFound, NotAllowed
from spoolq.files import names_in
from spoolq.jobs import Entry, parse_entry
from spoolq.names import key_names, parse_running, stem_names
from spoolq.store import Store
from spoolq.transitions import State

_ID = re.compile(r"[0-9a-f]{1,8}(-[0-9a-f-]*)?")
#: Listing order: a job that moves on while we list is met again in a later directory, never missed.
_ORDER = (State.QUEUED, State.RUNNING, State.COMPLETED, State.FAILED, State.CANCELLED)


class _Look:
    """Each state directory as it was when first asked for: one look for a job lists none of them twice."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.listed: dict[State, list[str]] = {}

    def names(self, state: State) -> list[str]:
        if state not in self.listed:
            self.listed[state] = self.store.names(state)
        return self.listed[state]


def find(store: Store, job: str) -> Entry:
    """The job that *job* names; raises JobNotFound or JobAmbiguous.

    *job* is an id, an unambiguous beginning of one, ``last`` (the newest), a KEY, or the name of a dropped file.
    """
    return _find(store, job)[0]


def _find(store: Store, job: str) -> tuple[Entry, _Look]:
    for _ in range(3):  # RACE: a requeue moves a job behind our back, from a directory not yet read to one read before
        look = _Look(store)
        found = _find_once(look, job)
        if found is not None:
            return found, look
    raise JobNotFound(job, store.root)


def _find_once(look: _Look, job: str) -> Entry | None:
    if job == "last":
        newest = max((_key_of(name) for state in _ORDER for name in _jobs(look, state)), default="")
        job = newest[-36:] or job
    wanted = job.lower().removesuffix(".json")
    # `1b.json` is the name of a file before it is the beginning of an id.
    matches = _by_dropped_name(look, job) if job.endswith(".json") else []
    if not matches and _ID.fullmatch(wanted):
        matches = list(_by_prefix(look, wanted))
    elif not matches:
        matches = list(_by_key(look, {job.removesuffix(".json")}))
    matches = matches or _by_dropped_name(look, job)
    ids = {entry.stem.uuid: entry for entry in matches}  # the later state wins: it moved while we listed
    if len(ids) > 1:
        raise JobAmbiguous(job, sorted(ids))
    return next(iter(ids.values()), None)


def _jobs(look: _Look, state: State) -> list[str]:
    """The names in a state that are jobs."""
    names = look.names(state)
    if state is State.RUNNING:
        return [name for name in names if parse_running(name)]
    return stem_names(names) if state is State.QUEUED else key_names(names)


def _key_of(name: str) -> str:
    stem = name.partition("@")[0].removesuffix(".json")
    return stem[2:] if stem[1:2] == "-" else stem


def _by_prefix(look: _Look, prefix: str) -> Iterable[Entry]:
    needle = f"Z-{prefix}"
    for state in _ORDER:
        for name in look.names(state):
            if needle in name:
                entry = parse_entry(state, name)
                if entry and entry.stem.uuid.startswith(prefix):
                    yield entry


def _by_key(look: _Look, keys: Collection[str]) -> Iterable[Entry]:
    for state in _ORDER:
        for name in look.names(state):
            if _key_of(name) in keys:
                entry = parse_entry(state, name)
                if entry:
                    yield entry


def _by_dropped_name(look: _Look, name: str) -> list[Entry]:
    """Jobs admitted under that name, from their histories; the newest if there are several of one name."""
    named = set()
    for key in names_in(look.store.layout.runs):
        past = history.events(look.store, key)[:1]
        if past and past[0].get("event") == "admitted" and past[0].get("dropped") in (name, f"{name}.json"):
            named.add(key)
    by_key = {entry.stem.key: entry for entry in _by_key(look, named)}
    return [by_key[max(by_key)]] if by_key else []


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
    return place(store, job)[1]


def place(store: Store, job: str) -> tuple[Entry, int]:
    """The job that *job* names, with its position, by one listing; raises NotAllowed when it is not queued."""
    entry, look = _find(store, job)
    if entry.state is not State.QUEUED:
        raise NotAllowed(f"cannot tell the position of job {entry.stem.uuid}: it is {entry.state}. See `spoolq show`.")
    return entry, _before(look.names(State.QUEUED), f"{entry.stem}.json")


def count_before(store: Store, name: str) -> int:
    """How many queued STEMs sort before *name*."""
    return _before(store.names(State.QUEUED), name)


def _before(names: Iterable[str], name: str) -> int:
    return len(stem_names(other for other in names if other < name))
