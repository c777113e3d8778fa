"""Submit: once `publish` has returned, the job survives a power cut. Takes no lock."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spoolq.documents import MAX_BYTES, dump
from spoolq.errors import RequestInvalid, SpoolUnusable
from spoolq.names import Stem, new_stem, new_uuid
from spoolq.store import Store
from spoolq.transitions import State


def publish(store: Store, document: Mapping[str, Any], priority: str = "normal", *, uuid: str | None = None) -> Stem:
    """Put *document* (a bare request or an envelope, already validated) into ``queued/``; returns its STEM.

    *uuid* is the job's id, where the caller knows that no other job has it. Raises SpoolUnusable when the spool cannot
    take it; then nothing was submitted.
    """
    data, temporary = content(document), draft(store)
    try:
        status = store.disk.write_new(temporary, data)
        stem = new_stem(store.next_stamp(status.st_mtime), priority, uuid)
        # CRASH: before this rename there is only litter in .tmp/, which the sweep removes.
        enqueue(store, temporary, stem)
    except OSError as error:
        raise refused(store, temporary, error) from None
    try:
        store.disk.sync_directory(store.layout.state(State.QUEUED))
    except OSError as error:
        fault = withdraw(store, stem, error)
        if fault is not None:
            raise fault from None
    return stem


def content(document: Mapping[str, Any], *, indent: int | None = 2) -> bytes:
    """The bytes of a job's file; raises RequestInvalid when they are too many."""
    data = dump(dict(document), indent=indent)
    if len(data) > MAX_BYTES:
        raise RequestInvalid(f"cannot submit: the request is larger than {MAX_BYTES} bytes. Put data in files.")
    return data


def draft(store: Store) -> Path:
    """Where a job's file is written before it is queued."""
    return store.layout.temporary(f"{new_uuid()}.submit")


def enqueue(store: Store, temporary: Path, stem: Stem) -> None:
    """Give a file that is on disk its place in the queue; raises OSError."""
    try:
        store.disk.rename(temporary, store.layout.queued(stem))
    except OSError:
        # RACE: a lost NFS reply looks like a failure; the STEM is ours alone, so wherever it is, we put it there.
        if not any(stem.key in name for state in State for name in store.names(state)):
            raise


def refused(store: Store, temporary: Path, error: OSError) -> SpoolUnusable:
    """What to raise when the disk refuses a file; takes away what there is of it."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
    return SpoolUnusable(
        f"cannot submit to {store.root}: {error.strerror or error}. Nothing was queued; see that the spool's disk "
        "has room and that you may write there."
    )


def withdraw(store: Store, stem: Stem, error: OSError) -> SpoolUnusable | None:
    """Take a job back that could not be made durable; returns what to raise, or None when it runs already.

    What is not durable is not acknowledged. RACE: a runner may have claimed it meanwhile; then it runs, and saying that
    it failed would be the lie.
    """
    left = "Nothing was queued."
    try:
        if not store.disk.unlink(store.layout.queued(stem)):
            return None
    except OSError:
        left = f"Job {stem.uuid} may run all the same; cancel it if it must not."
    return SpoolUnusable(f"cannot submit to {store.root}: {error.strerror or error} while making it durable. {left}")
