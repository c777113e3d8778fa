"""What is known of a job, as the record that `models.JobInfo` describes, without importing pydantic.

The directory is the state; a terminal file is the whole record; for the others the record is put together here.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spoolq import history
from spoolq.documents import parse_object
from spoolq.durations import parse_duration, parse_mebibytes
from spoolq.errors import RequestInvalid
from spoolq.files import names_in, read_regular
from spoolq.finish import MAX_RECORD, terminal_record
from spoolq.names import Claim, Running, Stem, parse_queued, parse_running, parse_stamp, parse_terminal
from spoolq.store import Store
from spoolq.transitions import State
from spoolq.trust import submitter

#: The policy of an envelope, kept in the record so that a record is a valid envelope.
POLICY = (
    *("timeout", "grace", "max_attempts", "retry_on", "resource_type", "external_id", "attempts_before"),
    *("after", "not_before", "idle_timeout", "backoff", "num_gpus", "min_free_memory", "labels", "group"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A job as a listing shows it: state, identity and, while it runs, its claim."""

    state: State
    stem: Stem
    claim: Claim | None = None

    @property
    def running(self) -> Running:
        """The name of the claimed file; only for an entry in ``running/``."""
        assert self.claim is not None
        return Running(self.stem, self.claim)


def parse_entry(state: State, name: str) -> Entry | None:
    """The Entry of a file name in a state directory; None for what is no job's name."""
    if state is State.RUNNING:
        running = parse_running(name)
        return Entry(state, running.stem, running.claim) if running else None
    stem = parse_queued(name) if state is State.QUEUED else parse_terminal(name)
    return Entry(state, stem) if stem else None


def blank(store: Store, state: State, stem: Stem) -> dict[str, Any]:
    """A record with every key that a record has, and nothing known yet."""
    run = store.layout.run(stem.key)
    return {
        "job_id": stem.uuid,
        "status": state.value,
        "created_at": parse_stamp(stem.stamp).isoformat(timespec="microseconds"),
        "started_at": None,
        "completed_at": None,
        "request": None,
        "result": None,
        "error": None,
        "position_in_queue": None,
        "recipe": None,
        "priority": stem.priority,
        **dict.fromkeys(POLICY),
        "submitted_by": None,
        "attempt": 0,
        "worker": None,
        "claim": None,
        "heartbeat_at": None,
        "exit_code": None,
        "signal": None,
        "outcome": None,
        "peak_memory_mib": None,
        "launch": None,
        "warm_hit": None,
        "setup_seconds": None,
        "gpus": None,
        "progress": None,
        "metrics": None,
        "run_dir": store.layout.relative(run.path),
        "log": store.layout.relative(run.log),
    }


def describe(store: Store, entry: Entry) -> dict[str, Any] | None:
    """The record of a job, or None when it has moved on since it was listed."""
    if entry.state is State.QUEUED:
        return _queued(store, entry)
    if entry.state is State.RUNNING:
        return _running(store, entry)
    return _terminal(store, entry)


def _queued(store: Store, entry: Entry) -> dict[str, Any] | None:
    return as_queued(store, store.layout.queued(entry.stem), entry.stem)


def as_queued(store: Store, path: Path, stem: Stem) -> dict[str, Any] | None:
    """The record of a job whose file, at *path*, still holds what was submitted; None when it is gone."""
    record = blank(store, State.QUEUED, stem)
    try:
        data, status = read_regular(path, MAX_RECORD)
    except FileNotFoundError:
        return None
    except OSError as error:
        return {**record, "error": f"cannot read the job's file: {error.strerror}"}
    past = history.events(store, stem.key)
    record["attempt"] = history.attempts(past)
    return _counted({**record, **_request(store, data, status.st_uid)})


def just_submitted(store: Store, stem: Stem, document: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a job that we have just published. Nothing is read back: its place would cost a listing."""
    return _counted({**blank(store, State.QUEUED, stem), **_of_document(store, document, os.getuid())})


def _counted(record: dict[str, Any]) -> dict[str, Any]:
    """*record* with the attempts that an older queue had counted among its own."""
    record["attempt"] += record["attempts_before"] or 0
    return record


def _running(store: Store, entry: Entry) -> dict[str, Any] | None:
    record, running = blank(store, State.RUNNING, entry.stem), entry.running
    try:
        data, status = read_regular(store.layout.running(running), MAX_RECORD)
    except FileNotFoundError:
        return None
    except OSError as error:
        return {**record, "error": f"cannot read the job's file: {error.strerror}"}
    past = history.events(store, entry.stem.key)
    nonce = running.claim.nonce
    first = history.origin(past, nonce)
    # A remote worker begins when it claims, and is known by its own name.
    started = history.last(past, "claimed" if running.claim.is_workers else "started", first)
    record.update(
        worker=str(started.get("worker")) if started and running.claim.is_workers else running.claim.worker,
        claim=str(running.claim),
        attempt=history.attempts(past, nonce),
        started_at=started["at"] if started else None,
        gpus=(history.last(past, "claimed", first) or {}).get("gpus"),
        heartbeat_at=heartbeat_at(store, running),
    )
    return _counted({**record, **_request(store, data, status.st_uid)})


def _terminal(store: Store, entry: Entry) -> dict[str, Any] | None:
    path = store.layout.terminal(entry.state, entry.stem.key)
    record = current_record(store, entry)
    if record is None:
        if path.name not in store.names(entry.state):
            return None
        record = {"error": "its record is not written yet"}
    return {**blank(store, entry.state, entry.stem), **record}


def current_record(store: Store, entry: Entry) -> dict[str, Any] | None:
    """The record of an ended job: the file's, or the `.final` of a finish that was killed after its commit.

    None when there is neither. The file may hold the record of an end before a retry; then a `.final` wins.
    """
    record = terminal_record(store.layout.terminal(entry.state, entry.stem.key))
    waiting = newest_final(store, entry)
    if waiting and (record is None or history.was_retried(history.events(store, entry.stem.key), record)):
        return waiting[1]
    return record


def newest_final(store: Store, entry: Entry) -> tuple[Running, dict[str, Any]] | None:
    """Of all `.final` of an ended job that name its state, that of the claim made last, and what it says.

    RACE: who lost the claim may leave one too, even after the end. The last claim is the one that ended the job.
    """
    past = history.events(store, entry.stem.key)
    mine = [name for name in finals(store) if name.stem.key == entry.stem.key]
    found = [(name, record) for name in mine if (record := read_final(store, name))]
    ended = [final for final in found if final[1].get("status") == entry.state.value]
    return max(ended, key=lambda final: history.seniority(past, final[0].claim.nonce), default=None)


def finals(store: Store) -> list[Running]:
    """The finishes under way or left behind: ``.tmp/STEM@CLAIM.final``."""
    found = []
    for name in names_in(store.layout.tmp):
        if name.endswith(".final"):
            running = parse_running(name.removesuffix(".final") + ".json")
            if running:
                found.append(running)
    return found


def read_final(store: Store, running: Running) -> dict[str, Any] | None:
    """The record in a `.final`, or None when it is gone, torn, or a stranger's (``.tmp/`` is a drop box too)."""
    try:
        data, status = read_regular(store.layout.final(str(running)), MAX_RECORD)
        if status.st_uid not in (0, os.getuid(), store.root.stat().st_uid):
            return None
        record = json.loads(data)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _request(store: Store, data: bytes, uid: int) -> dict[str, Any]:
    """What a job's file says, as far as it can be shown: the runner checks it again."""
    try:
        document: Mapping[str, Any] = parse_object(data, "the job's file", limit=MAX_RECORD)
    except RequestInvalid as error:
        return {"error": str(error), "submitted_by": uid}
    return _of_document(store, document, uid)


def _of_document(store: Store, document: Mapping[str, Any], uid: int) -> dict[str, Any]:
    inner = document.get("request")
    if not isinstance(inner, dict):
        return {"request": document, "submitted_by": uid}
    asker = submitter(document, uid, store.settings, store.root.stat().st_uid)
    known = {"request": inner, "submitted_by": asker}
    for key in ("timeout", "grace"):
        with contextlib.suppress(ValueError):
            known[key] = None if document.get(key) is None else parse_duration(document[key])
    for key in ("recipe", "resource_type", "external_id"):
        if isinstance(document.get(key), str):
            known[key] = document[key]
    for key in ("max_attempts", "attempts_before"):
        if isinstance(document.get(key), int) and not isinstance(document[key], bool):
            known[key] = document[key]
    known |= _as_it_stands(document)
    outcomes = document.get("retry_on")
    if isinstance(outcomes, list) and all(isinstance(outcome, str) for outcome in outcomes):
        known["retry_on"] = outcomes
    return known


def _as_it_stands(document: Mapping[str, Any]) -> dict[str, Any]:
    """The newer policy of an envelope, where it is of the right kind; a file in the drop box may hold anything."""
    known: dict[str, Any] = {}
    for key in ("idle_timeout", "backoff"):
        with contextlib.suppress(ValueError):
            known[key] = None if document.get(key) is None else parse_duration(document[key])
    with contextlib.suppress(ValueError):
        known["min_free_memory"] = (
            None if document.get("min_free_memory") is None else parse_mebibytes(document["min_free_memory"])
        )
    if type(document.get("num_gpus")) is int:
        known["num_gpus"] = document["num_gpus"]
    for key in ("not_before", "group"):
        if isinstance(document.get(key), str):
            known[key] = document[key]
    labels, parents = document.get("labels"), document.get("after")
    if isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values()):
        known["labels"] = labels
    if isinstance(parents, list) and all(isinstance(parent, str) for parent in parents):
        known["after"] = parents
    return known


def heartbeat_at(store: Store, running: Running) -> str | None:
    """When the claim's heartbeat file was last touched; None before the first heartbeat."""
    try:
        beat = store.layout.beat(running).stat()
    except OSError:
        return None
    return datetime.fromtimestamp(beat.st_mtime, UTC).isoformat(timespec="microseconds")


def owner_of(store: Store, entry: Entry) -> int | None:
    """The uid of a job's submitter: a record's `submitted_by`, else its file's owner; None when it has moved on."""
    record = describe(store, entry)
    return None if record is None else record["submitted_by"]
