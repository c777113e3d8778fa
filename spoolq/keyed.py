"""One job for one key: a job's id is made of its key, and is looked up in file names alone, under the lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from spoolq.jobs import Entry, parse_entry
from spoolq.names import token
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import ACTIVE, State

#: How many digits at the beginning of an id are not of its key: people tell jobs apart by them.
_OWN = 8


def uuid_of(key: str) -> str:
    """The id of the one job that *key* stands for: 122 bits of its SHA-256, in the form of a UUID4 (RFC 9562, 5.4)."""
    bits = bytearray(hashlib.sha256(key.encode()).digest()[:16])
    bits[6] = bits[6] & 0x0F | 0x40
    bits[8] = bits[8] & 0x3F | 0x80
    text = bits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def digest(recipe: str | None, request: Mapping[str, Any]) -> str:
    """A key for what is submitted: equal for an equal request of the same recipe, however it is written."""
    text = json.dumps([recipe, request], sort_keys=True, ensure_ascii=True)
    return f"request\0{hashlib.sha256(text.encode()).hexdigest()}"


def named(key: str) -> str:
    """The key that a person has named, which is never that of a request."""
    return f"key\0{key}"


def find_id(store: Store, text: str, states: Iterable[State] = State) -> Entry | None:
    """The job of *states* whose id ends in *text*; None without one. Raises SpoolUnusable."""
    states = tuple(states)
    for _ in range(2):  # RACE: a requeue goes against the order of our listings
        for state in states:
            for name in store.names(state):
                if text in name and (entry := parse_entry(state, name)) and entry.stem.uuid.endswith(text):
                    return entry
    return None


def submit_once(store: Store, document: Mapping[str, Any], priority: str, key: str) -> tuple[Entry, bool]:
    """Queue *document* unless a job of *key* is queued or runs; returns that job or the new one, and whether it is new.

    90 bits of its id are the key's, the first 32 are random, so the jobs that a key has had are told apart. Raises
    SpoolUnusable, LockTimeout, RequestInvalid.
    """
    tail = uuid_of(key)[_OWN:]
    with store.locked():
        # CRASH: killed before the rename inside `publish`, there is no job of that key, and the next try makes it.
        known = find_id(store, tail, ACTIVE)
        if known is not None:
            return known, False
        stem = publish(store, document, priority, uuid=token(_OWN // 2) + tail)
    return Entry(State.QUEUED, stem), True
