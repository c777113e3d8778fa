"""Which jobs are meant by a label or a group."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from spoolq.errors import GroupNotFound, JobNotFound
from spoolq.files import read_regular
from spoolq.find import entries, find
from spoolq.finish import MAX_RECORD
from spoolq.jobs import Entry, describe
from spoolq.store import Store
from spoolq.transitions import State

_LOOKS = 3


def is_meant(record: Mapping[str, Any], labels: Mapping[str, str], group: str | None) -> bool:
    """Whether a job's *record* has all of *labels*, and is of *group* (None: of any, or none)."""
    own = record.get("labels") or {}
    return all(own.get(key) == value for key, value in labels.items()) and group in (None, record.get("group"))


def members(store: Store, group: str, states: Iterable[State] = State) -> list[Entry]:
    """The jobs of *group* that are in *states*, in the order of service; raises GroupNotFound without one."""
    states = tuple(states)
    written = {json.dumps(group).encode(), json.dumps(group, ensure_ascii=False).encode()}
    found = {}
    for entry in entries(store, states):
        current: Entry | None = entry
        for _ in range(_LOOKS):
            assert current is not None
            data = _data(store, current)
            if data is not None:
                if _is_of(store, current, data, group, written):
                    found[current.stem.uuid] = current
                break
            # RACE: it has moved on since it was listed; it must not be left out for that.
            with contextlib.suppress(JobNotFound):
                current = find(store, entry.stem.uuid)
            if current.state not in states:
                break
    if not found:
        raise GroupNotFound(group, store.root)
    return list(found.values())


def _data(store: Store, entry: Entry) -> bytes | None:
    """What is in the job's file; None when it is not there any more, or not ours to read."""
    layout = store.layout
    if entry.state is State.QUEUED:
        path = layout.queued(entry.stem)
    elif entry.state is State.RUNNING:
        path = layout.running(entry.running)
    else:
        path = layout.terminal(entry.state, entry.stem.key)
    try:
        return read_regular(path, MAX_RECORD)[0]
    except OSError:
        return None


def _is_of(store: Store, entry: Entry, data: bytes, group: str, written: set[bytes]) -> bool:
    """Whether a job is of *group*; a file that holds the text nowhere is not parsed."""
    if b"\\u" not in data and not any(text in data for text in written):
        return False
    record = describe(store, entry)
    return record is not None and record["group"] == group
