"""The moves that people make: cancel, retry and a new priority."""

from __future__ import annotations

import os
import stat
from typing import Any

from spoolq import control, history, remote
from spoolq.errors import ClaimLost, EndUnderWay, NotAllowed, SpoolUnusable
from spoolq.files import GONE
from spoolq.finish import finish, terminal_record
from spoolq.jobs import Entry, describe, finals, owner_of
from spoolq.names import CANCEL_SLOT, PRIORITIES, Running, Stem, new_claim
from spoolq.replay import replay, settle_recordless
from spoolq.store import Store
from spoolq.transitions import State, check


def may(store: Store, entry: Entry, uid: int) -> bool:
    """Whether *uid* may cancel, retry or reorder the job: its submitter, the operator (who owns the spool), root."""
    return uid in (0, operator(store), owner_of(store, entry))


def operator(store: Store) -> int:
    """The uid that owns the spool."""
    return store.root.stat().st_uid


def _insist_on_right(store: Store, verb: str, entry: Entry) -> None:
    if not may(store, entry, os.getuid()):
        raise NotAllowed(
            f"cannot {verb} job {entry.stem.uuid}: it is of user {owner_of(store, entry)}. Ask them, or the operator."
        )


def _must_ask(store: Store) -> bool:
    """Whether we lack the rights to move files ourselves, as members of a shared spool do."""
    return not os.access(store.layout.state(State.CANCELLED), os.W_OK)


def _ask(store: Store, verb: str, entry: Entry, **facts: str) -> str:
    with _refusals(store, verb, entry):
        control.request(store, verb, entry.stem.key, **facts)
    return "requested"


def cancel(store: Store, entry: Entry) -> str:
    """Cancel a job: ``cancelled`` when it was queued and is done, ``requested`` when the runner must do it.

    A remote worker's running job is ended here and now: its worker has no process of ours, and learns of it when it is
    next heard.

    Raises NotAllowed for an ended job or another user's, ClaimLost when it moved on meanwhile (look again),
    SpoolUnusable when the disk refuses.
    """
    check("cancel", entry.stem.uuid, entry.state)
    _insist_on_right(store, "cancel", entry)
    workers = entry.claim is not None and entry.claim.is_workers
    if (entry.state is State.RUNNING and not workers) or _must_ask(store):
        return _ask(store, "cancel", entry)
    record = describe(store, entry)
    if record is None:
        raise ClaimLost(f"job {entry.stem.uuid} has just moved on")
    running = Running(entry.stem, new_claim(store.host, CANCEL_SLOT))
    if workers:
        with _refusals(store, "cancel", entry):
            said = "cancelled while a worker had it"
            remote.end(store, entry.running, record, State.CANCELLED, "cancelled", by=running.claim, error=said)
        return "cancelled"
    with _refusals(store, "cancel", entry):
        if not stat.S_ISREG(store.layout.queued(entry.stem).lstat().st_mode):
            raise NotAllowed(f"cannot cancel job {entry.stem.uuid}: it is no regular file. A runner will reject it.")
        finish(store, store.layout.queued(entry.stem), running, _cancelled(store, record, running), insist=True)
    return "cancelled"


def _cancelled(store: Store, record: dict[str, Any], running: Running) -> dict[str, Any]:
    return {
        **record,
        "status": State.CANCELLED.value,
        "completed_at": store.now(),
        "position_in_queue": None,
        "claim": str(running.claim),
        "outcome": "cancelled",
        "error": "cancelled before it ran",
    }


def retry(store: Store, entry: Entry) -> str:
    """Put a failed or cancelled job back into the queue: one rename, since a record is a valid envelope.

    Its stamp is old, so it is served before what was submitted later. Returns ``queued``, or ``requested`` when the
    operator's watcher must do it. Raises NotAllowed, ClaimLost, SpoolUnusable.
    """
    check("retry", entry.stem.uuid, entry.state)
    _insist_on_right(store, "retry", entry)
    if _must_ask(store):
        return _ask(store, "retry", entry)
    source = store.layout.terminal(entry.state, entry.stem.key)
    replay(store)  # RACE: without its record the file has a writer still under way, who must come first
    with _refusals(store, "retry", entry):
        record = terminal_record(source) or settle_recordless(store, entry)
        under_way = any(name.stem.key == entry.stem.key for name in finals(store))
    if record is None or under_way:
        raise EndUnderWay(f"cannot retry job {entry.stem.uuid}: its end is being written. Try again in a moment.")
    if record.get("outcome") == "invalid":
        raise NotAllowed(
            f"cannot retry job {entry.stem.uuid}: it is no valid request ({record.get('error')}) Submit a mended one."
        )
    stem = entry.stem.with_priority(record.get("priority") or "normal")
    target = store.layout.queued(stem)
    with _refusals(store, "retry", entry):
        # CRASH: the history first. A line about a retry that did not happen forgives attempts, and nothing else: the
        # record that it names as passed stays the job's while no other waits.
        history.record(store, stem.key, "retried", sync=True, by=os.getuid(), of=record.get("claim"))
        control.clear_cancels(store, stem.key)  # of its last run, or the retry would be cancelled at once
        with store.locked():
            store.disk.rename_new(source, target)
        store.disk.sync_directory(target.parent, source.parent)
    return "queued"


def prioritise(store: Store, entry: Entry, level: str) -> Stem:
    """Give a queued job another priority: one rename inside ``queued/``. Returns the STEM that it has now.

    Where the operator's watcher must do it, that is the old one. Raises NotAllowed, ClaimLost.
    """
    check("prioritise", entry.stem.uuid, entry.state)
    _insist_on_right(store, "prioritise", entry)
    if level not in PRIORITIES:
        raise NotAllowed(f"cannot give priority {level!r}: there is no such level. Known are {', '.join(PRIORITIES)}.")
    stem = entry.stem.with_priority(level)
    if stem == entry.stem:
        return stem
    if _must_ask(store):
        _ask(store, "prioritise", entry, level=level)
        return entry.stem
    with _refusals(store, "prioritise", entry):
        # The line first: it says that the name's level is nobody's forgery, and keeps when the file came.
        came = store.layout.queued(entry.stem).lstat().st_ctime
        history.record(store, stem.key, "prioritised", level=level, by=os.getuid(), came=came)
        with store.locked():
            store.disk.rename_new(store.layout.queued(entry.stem), store.layout.queued(stem))
        store.disk.sync_directory(store.layout.state(State.QUEUED))
    return stem


class _refusals:
    """Turns what the file system refuses into errors that say what to do."""

    def __init__(self, store: Store, verb: str, entry: Entry) -> None:
        self.store, self.verb, self.entry = store, verb, entry

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        job = self.entry.stem.uuid
        if error.errno in GONE:
            raise ClaimLost(f"job {job} has just moved on") from None
        if isinstance(error, FileExistsError):
            raise NotAllowed(
                f"cannot {self.verb} job {job}: there is another of that name. See `spoolq show`."
            ) from None
        if isinstance(error, PermissionError):
            raise NotAllowed(
                f"cannot {self.verb} job {job}: you may not write in {self.store.root}. Ask its owner."
            ) from None
        raise SpoolUnusable(
            f"cannot {self.verb} job {job}: {error.strerror or error}. It is as it was; mend the disk, then try again."
        ) from None
