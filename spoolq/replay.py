"""Replay finishes that were killed half-way: what is left in ``.tmp/`` as ``STEM@CLAIM.final``."""

from __future__ import annotations

import os
from typing import Any

from spoolq import history
from spoolq.files import names_in
from spoolq.finish import publish_invalid, replace_record, terminal_record
from spoolq.jobs import Entry, as_queued, finals, newest_final, parse_entry, read_final
from spoolq.names import SWEEP_SLOT, Running, new_claim
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State

#: Litter in ``.tmp/`` is removed when it is this old by the file server's clock, in seconds.
LITTER_AGE_S = 3600.0


def replay(store: Store) -> int:
    """Publish each `.final` whose job file is terminal and lacks its record; discard what can have no writer any more.

    A `.final` whose claim still stands belongs to its owner, or to whoever recovers the dead owner. Returns how many
    were published.
    """
    waiting = finals(store)
    if not waiting:
        return 0
    by_key: dict[str, list[Entry]] = {}
    for state in State:
        for name in store.names(state):
            entry = parse_entry(state, name)
            if entry:
                by_key.setdefault(entry.stem.key, []).append(entry)
    return sum(_guarded(store, running, by_key.get(running.stem.key, [])) for running in waiting)


def _guarded(store: Store, running: Running, places: list[Entry]) -> bool:
    """One bad entry never ends a pass; it is met again in the next."""
    try:
        return _one(store, running, places)
    except OSError:
        return False


def _one(store: Store, running: Running, places: list[Entry]) -> bool:
    final = store.layout.final(str(running))
    record = read_final(store, running)
    ended = [entry for entry in places if entry.state in TERMINAL]
    if any(entry.claim == running.claim for entry in places):
        return False
    if ended:
        return _for_ended(store, running, ended)
    if record is not None and record.get("outcome") == "invalid" and not places:
        original = store.layout.run(running.stem.key).submitted(running.claim.nonce)
        if os.path.lexists(original):
            publish_invalid(store, final, running.stem)
            store.disk.sync_directory(store.layout.state(State.FAILED))
            return True
    # RACE: a live canceller may stand between its .final and its rename, so only age says that nobody does.
    _discard_old(store, running)
    return False


def _for_ended(store: Store, running: Running, ended: list[Entry]) -> bool:
    """Publish the newest `.final` of a job that lacks its record; then *running*'s, if it is another, is litter."""
    published = any(_publish_newest(store, entry) for entry in ended if _lacks_record(store, entry))
    if not any(_lacks_record(store, entry) for entry in ended):
        store.disk.unlink(store.layout.final(str(running)))
    return published


def _publish_newest(store: Store, entry: Entry) -> bool:
    target = store.layout.terminal(entry.state, entry.stem.key)
    with store.locked(insist=False):
        newest = newest_final(store, entry)
        # RACE: published meanwhile, or retried: what is put in the place of a file that is gone would be a second job.
        if newest is None or target.name not in names_in(target.parent) or not _lacks_record(store, entry):
            return False
        store.disk.rename(store.layout.final(str(newest[0])), target)
        store.disk.sync_directory(target.parent)
    return True


def _lacks_record(store: Store, entry: Entry) -> bool:
    """Whether the file of an ended job has no record, or only that of an end before a retry."""
    record = terminal_record(store.layout.terminal(entry.state, entry.stem.key))
    return record is None or history.was_retried(history.events(store, entry.stem.key), record)


def _discard_old(store: Store, running: Running) -> None:
    final = store.layout.final(str(running))
    if is_old(store, final.name):
        store.disk.unlink(final)


def settle_recordless(store: Store, entry: Entry) -> dict[str, Any] | None:
    """Write the record of an ended file that nobody will write one for any more, as after `mv queued/X cancelled/`.

    None while its ctime is younger than LITTER_AGE_S, or a `.final` of it is under way, or it has a record by now.
    Raises OSError, LockTimeout, SpoolUnusable.
    """
    path = store.layout.terminal(entry.state, entry.stem.key)
    if _is_under_way(store, entry) or store.server_time() - path.lstat().st_ctime <= LITTER_AGE_S:
        return None
    by_hand = entry.state is State.CANCELLED
    record = {
        **(as_queued(store, path, entry.stem) or {}),
        "status": entry.state.value,
        "completed_at": store.now(),
        "outcome": "cancelled" if by_hand else "lost",
        "error": f"its file was moved to {entry.state.value}/ without a record, by hand or before a power cut",
    }
    running = Running(entry.stem, new_claim(store.host, SWEEP_SLOT))
    return record if replace_record(store, running, path, record) else None


def _is_under_way(store: Store, entry: Entry) -> bool:
    """Whether a `.final` may yet become the record of *entry*: the replay will publish it, or its writer may live.

    One that is torn or tells of another state does neither once it is old.
    """
    mine = [running for running in finals(store) if running.stem.key == entry.stem.key]
    told = [(read_final(store, running) or {}).get("status") for running in mine]
    return entry.state.value in told or not all(is_old(store, store.layout.final(str(each)).name) for each in mine)


def is_old(store: Store, name: str, now: float | None = None) -> bool:
    """Whether a file in ``.tmp/`` has had its name for LITTER_AGE_S, by the file server's clock (*now*, if known).

    By its ctime, which a rename sets: a folder that prune has just put here has an old mtime.
    """
    try:
        return (store.server_time() if now is None else now) - store.layout.temporary(
            name
        ).lstat().st_ctime > LITTER_AGE_S
    except OSError:
        return False
