"""Whether another slot could run a job that this one cannot: then it waits for that one, and is not refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from spoolq.errors import SpoolUnusable
from spoolq.gpus.visible import named
from spoolq.lock import holder_command, lock_directory, one_look
from spoolq.store import Store

#: The environment of a runner has the slots of its watcher here: an object, slot -> devices or null.
SLOTS = "SPOOLQ_SLOTS"


def could_run(store: Store, slot: str, least: int, inherited: Callable[[], int]) -> str | None:
    """Who could, in words; None when nobody can. *inherited* counts the GPUs of a slot that has none of its own list.

    Another host may have them, and none of us knows: on a spool that hosts share, a job is never refused for that.
    """
    if store.network:
        return "a host"
    for other, devices in _slots(store).items():
        if other != slot and (inherited() if devices is None else len(named(devices))) >= least:
            return "a slot"
    return None


def _slots(store: Store) -> dict[str, str | None]:
    """The slots of the settings, of our watcher, and of this spool's other runners on this host."""
    found: dict[str, str | None] = dict(store.settings.slots)
    try:
        found |= json.loads(os.environ.get(SLOTS, "{}"))
    except ValueError:  # somebody's own variable
        pass
    root = str(store.root.absolute())
    try:
        locks = list(lock_directory(store.settings.lock_dir).glob("*.lock"))
    except (SpoolUnusable, OSError):
        return found
    with one_look():
        for command in map(holder_command, locks):
            if command[1:3] == ["-m", "spoolq.runner"] and command[3:4] == [root] and len(command) > 5:
                found[command[4]] = None if command[5] == "-" else command[5]
    return found
