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
    data = dump(dict(document))
    if len(data) > MAX_BYTES:
        raise RequestInvalid(f"cannot submit: the request is larger than {MAX_BYTES} bytes. Put data in files.")
    temporary = store.layout.temporary(f"{new_uuid()}.submit")
    try:
        status = store.disk.write_new(temporary, data)
        stem = new_stem(store.next_stamp(status.st_mtime), priority, uuid)
        # CRASH: before this rename there is only litter in .tmp/, which the sweep removes.
        _enqueue(store, temporary, stem)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise SpoolUnusable(
            f"cannot submit to {store.root}: {error.strerror or error}. Nothing was queued; see that the spool's disk "
            "has room and that you may write there."
        ) from None
    _make_durable(store, stem)
    return stem


def _enqueue(store: Store, temporary: Path, stem: Stem) -> None:
    try:
        store.disk.rename(temporary, store.layout.queued(stem))
    except OSError:
        # RACE: a lost NFS reply looks like a failure; the STEM is ours alone, so wherever it is, we put it there.
        if not any(stem.key in name for state in State for name in store.names(state)):
            raise


def _make_durable(store: Store, stem: Stem) -> None:
    try:
        store.disk.sync_directory(store.layout.state(State.QUEUED))
    except OSError as error:
        # What is not durable is not acknowledged: withdraw it. RACE: a runner may have claimed it meanwhile; then it
        # runs, and saying that it failed would be the lie.
        left = "Nothing was queued."
        try:
            if not store.disk.unlink(store.layout.queued(stem)):
                return
        except OSError:
            left = f"Job {stem.uuid} may run all the same; cancel it if it must not."
        raise SpoolUnusable(
            f"cannot submit to {store.root}: {error.strerror or error} while making it durable. {left}"
        ) from None
