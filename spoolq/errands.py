"""Carry out what people asked for in ``control/`` and may not do themselves, as in a shared spool.

The running job's cancel is its runner's; everything else is done here, by the watcher, after a look at who asks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from spoolq import control, people, trust
from spoolq.control import Request
from spoolq.errors import EndUnderWay, JobNotFound, NotAllowed, RequestInvalid, SpoolqError
from spoolq.find import find
from spoolq.jobs import Entry, owner_of
from spoolq.names import PRIORITIES
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State


def turn(store: Store, say: Callable[[str], None]) -> None:
    """Look at every request once. One that is done, refused or pointless is removed; a running job's cancel stays."""
    for asked in control.read(store).asked:
        try:
            done = _one(store, asked, say)
        except (SpoolqError, OSError) as error:
            say(f"cannot {asked.verb} {asked.key[-36:][:8]} for user {asked.uid}: {error}")
            # Anything but a refusal may be over by the next turn.
            done = isinstance(error, NotAllowed | JobNotFound | RequestInvalid) and not isinstance(error, EndUnderWay)
        if done:
            with contextlib.suppress(OSError):  # met again in the next turn; the others' requests come first
                store.disk.unlink(asked.path)


def _one(store: Store, asked: Request, say: Callable[[str], None]) -> bool:
    """Carry out one request; False to leave it where it is."""
    try:
        entry = find(store, asked.key)
    except JobNotFound:
        return True
    if not people.may(store, entry, asked.uid):
        say(f"refused: user {asked.uid} may not {asked.verb} {entry.stem.uuid[:8]} of user {owner_of(store, entry)}")
        return True
    if asked.verb == "cancel":
        return _cancel(store, entry)
    if asked.verb == "retry":
        people.retry(store, entry)
    else:
        level = str(control.facts_of(asked).get("level"))
        if level in PRIORITIES:
            trust.check_priority(store.settings, asked.uid, level)
        people.prioritise(store, entry, level)
    return True


def _cancel(store: Store, entry: Entry) -> bool:
    if entry.state is State.RUNNING:
        return False
    if entry.state not in TERMINAL:
        people.cancel(store, entry)
    return True
