"""What a spool's directories show, read with nothing but `os` and the names' own rules."""

import json
import os
from pathlib import Path

from spoolq.jobs import parse_entry
from spoolq.models import JobInfo
from spoolq.names import Stem
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State


def places(store: Store) -> dict[str, list[State]]:
    """Job id -> every state directory that has a file of it."""
    found: dict[str, list[State]] = {}
    for state in State:
        for name in os.listdir(store.layout.state(state)):
            entry = parse_entry(state, name)
            if entry:
                found.setdefault(entry.stem.uuid, []).append(state)
    return found


def assert_state(store: Store, job: str, state: State | None) -> None:
    """The job is in exactly that one state; None: it is nowhere."""
    assert places(store).get(job, []) == ([] if state is None else [state]), f"{job[:8]} is not just {state}"


def queue(store: Store) -> list[str]:
    """The ids of the queued jobs in the order of service: plain string order of the names."""
    names = sorted(os.listdir(store.layout.state(State.QUEUED)))
    entries = [parse_entry(State.QUEUED, name) for name in names]
    return [entry.stem.uuid for entry in entries if entry]


def running_file(store: Store, job: str) -> Path:
    """The file of a claimed job, under whatever claim it stands."""
    directory = store.layout.state(State.RUNNING)
    (name,) = [name for name in os.listdir(directory) if job in name and name.endswith(".json")]
    return directory / name


def record_of(store: Store, job: str) -> dict:
    """The whole record of an ended job, straight from its file; fails when it is not whole."""
    ((state, name),) = [
        (state, name) for state in TERMINAL for name in os.listdir(store.layout.state(state)) if job in name
    ]
    record = json.loads((store.layout.state(state) / name).read_bytes())
    assert set(record) == set(JobInfo.model_fields), "a record has exactly the keys of JobInfo"
    info = JobInfo.model_validate(record)
    assert (info.job_id, info.status) == (job, state)
    assert info.outcome is not None and info.completed_at is not None
    return record


def set_aside_bytes(store: Store, stem_key: str) -> bytes:
    """The original of a job that was rejected."""
    folder = store.layout.run(stem_key).path
    (name,) = [name for name in os.listdir(folder) if name.startswith("submitted.")]
    return (folder / name).read_bytes()


def stem_of(store: Store, job: str) -> Stem:
    """The STEM under which a job stands, whatever state it is in."""
    for state in State:
        for name in os.listdir(store.layout.state(state)):
            entry = parse_entry(state, name)
            if entry and entry.stem.uuid == job:
                return entry.stem
    raise AssertionError(f"{job} is in no state")
