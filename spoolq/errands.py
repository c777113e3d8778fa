"""Carry out what people asked for in ``control/`` and may not do themselves, as in a shared spool.

The running job's cancel is its runner's; everything else is done here, by the watcher, after a look at who asks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from spoolq import control, people, trust
from spoolq.control import Request
from spoolq.errors import EndUnderWay, NotAllowed, RequestInvalid, SpoolqError
from spoolq.jobs import Entry, owner_of, parse_entry
from spoolq.names import PRIORITIES
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State


def turn(store: Store, say: Callable[[str], None]) -> None:
    """Look at every request once. One that is done, refused or pointless is removed; a running job's cancel stays."""
    wanted = control.read(store).asked
    places = _places(store, {asked.key for asked in wanted})
    for asked in wanted:
        try:
            done = asked.key not in places or _one(store, asked, places[asked.key], say)
        except (SpoolqError, OSError) as error:
            say(f"cannot {asked.verb} {asked.key[-36:][:8]} for user {asked.uid}: {error}")
            # Anything but a refusal may be over by the next turn.
            done = isinstance(error, NotAllowed | RequestInvalid) and not isinstance(error, EndUnderWay)
        if done:
            with contextlib.suppress(OSError):  # met again in the next turn; the others' requests come first
                store.disk.unlink(asked.path)


def _places(store: Store, keys: set[str]) -> dict[str, Entry]:
    """Where the jobs are that are asked about, by one listing of each directory however many requests there are."""
    found: dict[str, Entry] = {}
    for _ in range(3):  # RACE: a requeue moves a job behind our back, from a directory not yet read to one read before
        missing = keys - found.keys()
        for state in State if missing else ():
            for name in store.names(state):
                key = name.partition("@")[0].removesuffix(".json")[-60:]
                if key in missing and (entry := parse_entry(state, name)):
                    found[key] = entry
    return found


def _one(store: Store, asked: Request, entry: Entry, say: Callable[[str], None]) -> bool:
    """Carry out one request; False to leave it where it is."""
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
    if entry.state is State.RUNNING and not entry.running.claim.is_workers:
        return False
    if entry.state not in TERMINAL:
        people.cancel(store, entry)
    return True
