"""Finish: a job's record to ``.tmp/``, the job's file to its terminal directory, the record over it.

The rename of the job's file is the commit, and the fence: who has lost the claim gets ENOENT and drops the record.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spoolq import history
from spoolq.documents import dump
from spoolq.errors import ClaimLost, LockTimeout, SpoolqError
from spoolq.files import GONE, names_in, read_regular
from spoolq.names import CANCEL_SLOT, Running, Stem, token
from spoolq.store import Store
from spoolq.transitions import State

#: A record holds the request (1 MiB at most) and what the recipe read; beyond this it is not ours.
MAX_RECORD = 16 << 20

Warn = Callable[[str], None]


def finish(
    store: Store,
    source: Path,
    running: Running,
    record: dict[str, Any],
    *,
    insist: bool = False,
    warn: Warn | None = None,
) -> None:
    """End a job: *source* (its file in ``running/`` or, for a cancel, ``queued/``) becomes *record*.

    ``record["status"]`` names the terminal state. Raises ClaimLost when the file was no longer there, and OSError
    when the disk refuses; then the claim stands as before and the same call may be made again.
    """
    state = State(record["status"])
    final, target = store.layout.final(str(running)), store.layout.terminal(state, running.stem.key)
    _write_final(store, final, record)
    try:
        with store.locked(insist=insist, warn=warn):
            # CRASH: before this rename the job stands where it was; the .final is used if its owner is dead.
            _commit(store, source, target, running, record)
            # CRASH: here the job has ended without its record; the sweep replays the .final.
            _publish(store, final, target, running, record)
    except LockTimeout:
        store.disk.unlink(final)
        raise
    # CRASH: a power cut before this is done finds the claim as before, and the .final, which the recovery uses.
    store.disk.sync_soon(target.parent, source.parent)
    store.disk.unlink(store.layout.beat(running))


def _write_final(store: Store, final: Path, record: dict[str, Any]) -> None:
    data = dump(record)
    try:
        store.disk.write_new(final, data)
    except FileExistsError:
        _make_way(store, final)
        store.disk.write_new(final, data)
    store.disk.sync_directory(final.parent)


def _make_way(store: Store, final: Path) -> None:
    try:
        store.disk.unlink(final)  # of an earlier try of ours that the disk refused
    except OSError:
        # A directory, or another user's file: somebody who may write in .tmp/ guessed the name.
        store.disk.rename(final, store.layout.temporary(f"{token(8)}.obstacle"))


def _commit(store: Store, source: Path, target: Path, running: Running, record: dict[str, Any]) -> None:
    try:
        try:
            store.disk.rename_new(source, target)
        except FileExistsError:
            # RACE: without RENAME_NOREPLACE the target is looked at first. To who has lost the claim, what stands there
            # is the end that somebody else has made of it.
            if source.name not in names_in(source.parent):
                raise
            _clear_way(store, target, running)
            store.disk.rename_new(source, target)
    except OSError:
        # RACE: a lost NFS reply looks like a failure; the listings tell whether the rename was done.
        if source.name in names_in(source.parent):
            raise
        if target.name not in names_in(target.parent) or _is_anothers(store, target, running, record):
            store.disk.unlink(store.layout.final(str(running)))
            raise ClaimLost(f"the claim of {target.stem} was taken away") from None
        if not _is_ours(store, target, running, record):
            # RACE: whoever made the commit has not published a record yet. Ours stays: if the commit was ours after
            # all, the replay publishes it, else it finds another's record there and drops it.
            raise ClaimLost(f"the claim of {target.stem} may have been taken away") from None


def _is_anothers(store: Store, target: Path, running: Running, record: dict[str, Any]) -> bool:
    """Whether the record in *target* is of an end that somebody else made. One from before a retry is nobody's end."""
    published = terminal_record(target)
    if published is None or published.get("claim") == record["claim"]:
        return False
    return not history.was_retried(history.events(store, running.stem.key), published)


def _is_ours(store: Store, target: Path, running: Running, record: dict[str, Any]) -> bool:
    """Whether only we can have made the commit: a claim is taken away by an adoption, which is written down first.

    A canceller holds no claim, so it can never be sure.
    """
    if (terminal_record(target) or {}).get("claim") == record["claim"]:
        return True
    past, nonce = history.events(store, running.stem.key), running.claim.nonce
    taken = any(event.get("event") == "adopted" and event.get("of") == nonce for event in past)
    return running.claim.slot != CANCEL_SLOT and not taken


def _clear_way(store: Store, target: Path, running: Running) -> None:
    """Move aside what somebody put where this job's record belongs: the claim is ours, so that is none of its ends."""
    run = store.layout.run(running.stem.key)
    store.disk.make_directory(run.path)
    store.disk.rename(target, run.displaced(running.claim.nonce))


def _publish(store: Store, final: Path, target: Path, running: Running, record: dict[str, Any]) -> None:
    try:
        store.disk.rename(final, target)
    except FileNotFoundError:
        # RACE: a sweep replayed it for us, and the job may have gone on since, by a retry; or it was taken for litter
        # after an hour: then the file is there without its record, which is written again.
        published = terminal_record(target)
        past = history.events(store, running.stem.key)
        if target.name in names_in(target.parent) and (published is None or history.was_retried(past, published)):
            _write_final(store, final, record)
            store.disk.rename(final, target)


def replace_record(store: Store, running: Running, target: Path, record: dict[str, Any]) -> bool:
    """Put *record* over a terminal file that lacks one; ``.tmp/`` first, as always. False when it lacks none now."""
    final = store.layout.final(str(running))
    _write_final(store, final, record)
    try:
        with store.locked():
            # RACE: somebody has settled it first, and the job may have gone on since, by a retry or a prune.
            lacks = target.name in names_in(target.parent) and terminal_record(target) is None
            if lacks:
                store.disk.rename(final, target)
    except SpoolqError:
        store.disk.unlink(final)
        raise
    if lacks:
        store.disk.sync_directory(target.parent)
    else:
        store.disk.unlink(final)
    return lacks


def set_aside(store: Store, source: Path, stem: Stem, running: Running, record: dict[str, Any]) -> None:
    """End what is no valid job: its original file whole to ``runs/KEY/submitted.NONCE``, its record to ``failed/``.

    *stem* is the identity that the record gets; *running* names the claim (for a drop: the admission's).
    Raises ClaimLost when *source* was gone.
    """
    run, final = store.layout.run(stem.key), store.layout.final(f"{stem}@{running.claim}")
    store.disk.make_directory(run.path)
    _write_final(store, final, record)
    try:
        store.disk.rename_new(source, run.submitted(running.claim.nonce))
    except OSError as error:
        if run.submitted(running.claim.nonce).name not in names_in(run.path):
            store.disk.unlink(final)
            if error.errno in GONE:
                raise ClaimLost(f"{source.name} was gone") from None
            raise
    # CRASH: the job is in no state now; the sweep publishes a .final whose `submitted` file is in its run folder.
    publish_invalid(store, final, stem)
    store.disk.sync_directory(run.path, store.layout.runs, store.layout.state(State.FAILED), source.parent)


def publish_invalid(store: Store, final: Path, stem: Stem) -> None:
    """Move the record of a job that was set aside to ``failed/``; harmless when that was done."""
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        store.disk.rename_new(final, store.layout.terminal(State.FAILED, stem.key))


def terminal_record(path: Path) -> dict[str, Any] | None:
    """The record in a terminal file: ``job_id`` the name's, ``status`` the directory's; None for anything else.

    RACE: between commit and record the file is what was submitted, and its owner may have written anything: a record
    is ours.
    """
    try:
        data, status = read_regular(path, MAX_RECORD)
        if status.st_uid not in (0, os.getuid()) and status.st_uid != path.parent.stat().st_uid:
            return None
        document = _parse(data)
    except (OSError, ValueError, RecursionError):
        return None
    whole = (
        document.get("status") == path.parent.name
        and path.stem[-36:] == document.get("job_id")
        and document.get("outcome") is not None
    )
    return document if whole else None


def _parse(data: bytes) -> dict[str, Any]:
    """A record holds a request one level deeper than it was submitted, so `parse_object` would refuse the deepest."""
    document = json.loads(data)
    return document if isinstance(document, dict) else {}
