"""Replay finishes that were killed half-way: what is left in ``.tmp/`` as ``STEM@CLAIM.final``."""

from __future__ import annotations

from typing import Any

from spoolq.finish import publish_invalid, terminal_record
from spoolq.jobs import Entry, finals, parse_entry, read_final
from spoolq.names import Running
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
    return sum(_one(store, running, by_key.get(running.stem.key, [])) for running in waiting)


def _one(store: Store, running: Running, places: list[Entry]) -> bool:
    final = store.layout.final(str(running))
    record = read_final(store, running)
    ended = [entry for entry in places if entry.state in TERMINAL]
    if any(entry.claim == running.claim for entry in places):
        return False
    if ended:
        return _for_ended(store, running, record, ended)
    if record is not None and record.get("outcome") == "invalid" and not places:
        original = store.layout.run(running.stem.key).submitted(running.claim.nonce)
        if original.exists():
            publish_invalid(store, final, running.stem)
            store.disk.sync_directory(store.layout.state(State.FAILED))
            return True
    # RACE: a live canceller may stand between its .final and its rename, so only age says that nobody does.
    _discard_old(store, running)
    return False


def _for_ended(store: Store, running: Running, record: dict[str, Any] | None, ended: list[Entry]) -> bool:
    final = store.layout.final(str(running))
    for entry in ended:
        target = store.layout.terminal(entry.state, entry.stem.key)
        if terminal_record(target) is None and record is not None and record.get("status") == entry.state.value:
            with store.locked(insist=False):
                if terminal_record(target) is None and final.exists():
                    store.disk.rename(final, target)
                    store.disk.sync_directory(target.parent)
                    return True
            return False
    if all(terminal_record(store.layout.terminal(e.state, e.stem.key)) is not None for e in ended):
        store.disk.unlink(final)
    return False


def _discard_old(store: Store, running: Running) -> None:
    final = store.layout.final(str(running))
    if is_old(store, final.name):
        store.disk.unlink(final)


def is_old(store: Store, name: str) -> bool:
    """Whether a file in ``.tmp/`` is LITTER_AGE_S old, by the file server's clock (the mtime of one just made)."""
    import secrets

    probe = store.layout.temporary(f"{secrets.token_hex(8)}.probe")
    try:
        age = store.layout.temporary(name).lstat().st_mtime
        now = store.disk.write_new(probe, b"").st_mtime
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return now - age > LITTER_AGE_S
