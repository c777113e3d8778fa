"""Take over the two files of an eval-jobqueue: resources into pools, jobs into the queue, done ones as completed.

It may be done again, and after it was cut short: what is in the spool already is left as it is.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spoolq import lock
from spoolq.documents import MAX_DEPTH, dump, is_deeper
from spoolq.errors import NotAllowed, RequestInvalid
from spoolq.files import GONE, read_regular
from spoolq.finish import MAX_RECORD
from spoolq.jobs import blank, parse_entry
from spoolq.names import new_stem, new_uuid
from spoolq.pools import shelves
from spoolq.requests import accept
from spoolq.stock import add, check, pools
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import State

#: What an older queue calls a job that has ended; every other status means that it waits.
_DONE = "done"


@dataclass(slots=True)
class Loaded:
    """What was added, what was there already, and how many jobs wait for types that have no resources."""

    resources: int = 0
    resources_known: int = 0
    pending: int = 0
    done: int = 0
    jobs_known: int = 0
    missing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Job:
    """One entry of the jobs file: the envelope that it becomes, and whether it is done."""

    external_id: str
    document: dict[str, Any]
    done: bool

    @property
    def same(self) -> tuple[Any, ...]:
        return self.document["resource_type"], self.document["request"]


def load(store: Store, resources: Mapping[str, Any], jobs: Sequence[Any] = ()) -> Loaded:
    """Add what is missing; nothing, if anything in the two cannot be taken.

    Raises RequestInvalid for that, NotAllowed for an id that the spool has for another job, LockTimeout while somebody
    else loads, SpoolUnusable and OSError when the disk refuses.
    CRASH: killed in between, a part is there, whole; the same call adds the rest.
    """
    _check_resources(resources)
    wanted = list(_read_jobs(store, jobs))
    report = Loaded()
    with lock.held(store.layout.load_lock, store.settings.lock_timeout):
        known = _known_jobs(store) if wanted else {}
        _check_ids(wanted, known)
        _add_resources(store, resources, report)
        for job in wanted:
            if job.external_id in known:
                report.jobs_known += 1
            elif job.done:
                _complete(store, job)
                report.done += 1
            else:
                publish(store, job.document)
                report.pending += 1
    there = shelves(store)
    needed = Counter(job.document["resource_type"] for job in wanted if not job.done)
    report.missing = {kind: count for kind, count in sorted(needed.items()) if kind not in there}
    return report


def _check_resources(resources: Any) -> None:
    if not isinstance(resources, Mapping):
        raise RequestInvalid("cannot load resources: they must be an object, type by type a list of resources.")
    for kind, entries in resources.items():
        if not isinstance(entries, list):
            raise RequestInvalid(f"cannot load resources: those of type {kind!r} must be a list.", kind)
        if not entries:
            raise RequestInvalid(
                f"cannot load resources: No resources defined for type {kind}. Add one, or take the type out.", kind
            )
        for place, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise RequestInvalid(f"cannot load resources: {kind}[{place}] must be an object.", f"{kind}.{place}")
            _check_plain(entry, f"resource {kind}[{place}]")
            check(kind, entry)


def _check_plain(value: dict[str, Any], what: str) -> None:
    """Raise RequestInvalid for what JSON cannot say, or nobody would read again."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestInvalid(f"cannot load {what}: {error}.") from None
    if is_deeper(value, MAX_DEPTH - 1):
        raise RequestInvalid(f"cannot load {what}: it is nested deeper than {MAX_DEPTH - 1} levels.")


def _read_jobs(store: Store, jobs: Any) -> Iterator[_Job]:
    if not isinstance(jobs, Sequence) or isinstance(jobs, str | bytes):
        raise RequestInvalid("cannot load jobs: they must be a list.")
    seen: set[str] = set()
    for place, entry in enumerate(jobs):
        if not isinstance(entry, Mapping):
            raise RequestInvalid(f"cannot load job {place}: it must be an object.", str(place))
        job = _read_job(store, place, entry)
        if job.external_id in seen:
            raise RequestInvalid(f"cannot load job {place}: the id {job.external_id!r} stands twice.", str(place))
        seen.add(job.external_id)
        yield job


def _read_job(store: Store, place: int, entry: Mapping[str, Any]) -> _Job:
    name = f"job {place}"
    payload, kind = entry.get("payload", {}), entry.get("resource_type")
    if not isinstance(payload, dict):
        raise RequestInvalid(f"cannot load {name}: its payload must be an object.", f"{place}.payload")
    if kind is None:
        raise RequestInvalid(f"cannot load {name}: it has no resource_type. Say which it needs.", str(place))
    _check_plain(payload, name)
    external = str(entry.get("id", place))
    document = {"request": payload, "resource_type": kind, "external_id": external}
    try:
        if attempts := int(entry.get("attempts", 0)):
            document["attempts_before"] = attempts
    except (TypeError, ValueError):
        raise RequestInvalid(f"cannot load {name}: its attempts are no number.", f"{place}.attempts") from None
    try:
        accept(document, os.getuid(), store.settings)
    except RequestInvalid as error:
        raise RequestInvalid(f"cannot load {name}: {error}", f"{place}.{error.field or ''}".rstrip(".")) from None
    return _Job(external, document, entry.get("status") == _DONE)


def _known_jobs(store: Store) -> dict[str, tuple[tuple[Any, ...], str]]:
    """The jobs of the spool that have an id of another queue: what they ask for, and our own id."""
    found, seen = {}, set()
    for state in (*State, State.QUEUED):  # RACE: a requeue goes against the order of our listings
        for name in store.names(state):
            entry = parse_entry(state, name)
            if entry is None or (state, name) in seen:
                continue
            seen.add((state, name))
            document = _read(store, state, name)
            if document is not None and isinstance(document.get("external_id"), str):
                asked = document.get("resource_type"), document.get("request")
                found[document["external_id"]] = asked, entry.stem.uuid
    return found


def _read(store: Store, state: State, name: str) -> dict[str, Any] | None:
    """What a job's file holds, be it a request or a record; None for one that has no such id, or is none."""
    try:
        data, _ = read_regular(store.layout.state(state) / name, MAX_RECORD)
        document = json.loads(data) if b'"external_id"' in data else None
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None  # RACE: it has moved on, and is met again in a later state
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _check_ids(wanted: Sequence[_Job], known: Mapping[str, tuple[tuple[Any, ...], str]]) -> None:
    for job in wanted:
        there = known.get(job.external_id)
        if there is not None and there[0] != job.same:
            raise NotAllowed(
                f"cannot load jobs: the spool has another job with the id {job.external_id!r} ({there[1]}). "
                "Give the new ones other ids, or prune the old ones first."
            )


def _add_resources(store: Store, resources: Mapping[str, list[dict[str, Any]]], report: Loaded) -> None:
    there = {pool.kind: Counter(_text(row.resource) for row in pool.resources) for pool in pools(store)}
    for kind, entries in resources.items():
        left = there.get(kind, Counter())
        for entry in entries:
            text = _text(entry)
            if left[text]:
                left[text] -= 1
                report.resources_known += 1
            else:
                add(store, kind, entry)
                report.resources += 1


def _text(resource: dict[str, Any] | None) -> str:
    return json.dumps(resource, sort_keys=True)


def _complete(store: Store, job: _Job) -> None:
    """Put a job that was done elsewhere where ended jobs are, with its record, by one rename."""
    temporary = store.layout.temporary(f"{new_uuid()}.submit")
    stem = new_stem(store.next_stamp(store.server_time()))
    asked = {key: value for key, value in job.document.items() if key != "request"}
    record = {
        **blank(store, State.COMPLETED, stem),
        **asked,
        "completed_at": store.now(),
        "request": job.document["request"],
        "result": {},
        "metrics": {},
        "recipe": "worker",
        "submitted_by": os.getuid(),
        "attempt": asked.get("attempts_before", 0),
        "outcome": "succeeded",
    }
    store.disk.write_new(temporary, dump(record))
    store.disk.rename_new(temporary, store.layout.terminal(State.COMPLETED, stem.key))
    store.disk.sync_directory(store.layout.state(State.COMPLETED))
