"""``control/``: requests to whoever runs. Each is one small file; its owner is who asks.

``VERB@KEY@NONCE.json`` asks for ``cancel``, ``retry`` or ``prioritise``; ``paused.json`` stops all claiming.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.documents import dump
from spoolq.files import names_in, read_regular
from spoolq.names import parse_key, token
from spoolq.store import Store

_LIMIT = 4096
#: What may be asked for.
VERBS = ("cancel", "retry", "prioritise")


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody's request about the job *key*: *path* is its file, *uid* the file's owner, who asks."""

    verb: str
    key: str
    path: Path
    uid: int


@dataclass(frozen=True, slots=True)
class Requests:
    """What ``control/`` says now."""

    paused: bool
    asked: tuple[Request, ...] = ()

    def cancels(self, key: str, owner: int | None) -> bool:
        """Whether the end of the job is asked for by somebody who may: *owner* (its submitter), the operator, root."""
        allowed = {os.getuid(), 0, owner}
        return any(asked.verb == "cancel" and asked.key == key and asked.uid in allowed for asked in self.asked)


def read(store: Store) -> Requests:
    """A fresh look at ``control/``. Other names than ours are left alone."""
    asked = []
    paused = False
    for name in names_in(store.layout.control):
        parts = name.removesuffix(".json").split("@")
        if name == store.layout.paused.name:
            paused = True
        elif len(parts) == 3 and parts[0] in VERBS and parse_key(parts[1]):
            path = store.layout.control / name
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                # A second link would have the owner of the first: nobody asks by somebody else's file.
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                    asked.append(Request(parts[0], parts[1], path, status.st_uid))
    return Requests(paused, tuple(asked))


def request(store: Store, verb: str, key: str, **facts: Any) -> None:
    """Ask for *verb* on the job *key*. Asking twice is harmless."""
    path = store.layout.request(verb, key, token(4))
    _put(store, path, {"by": os.getuid(), "at": store.now(), **facts})


def facts_of(asked: Request) -> dict[str, Any]:
    """What a request says beside its name; {} when it cannot be read."""
    try:
        data, _ = read_regular(asked.path, _LIMIT)
        document = json.loads(data)
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def clear_cancels(store: Store, key: str) -> None:
    """Drop the cancel requests for a job that has ended."""
    for name in names_in(store.layout.control):
        if name.startswith(f"cancel@{key}@"):
            with contextlib.suppress(IsADirectoryError):  # nobody's request: see `read`
                store.disk.unlink(store.layout.control / name)


def pause(store: Store, by: int, reason: str | None = None) -> bool:
    """Stop runners from claiming; False when they were stopped already."""
    if store.layout.paused.name in names_in(store.layout.control):
        return False
    _put(store, store.layout.paused, {"by": by, "at": store.now(), "reason": reason})
    return True


def resume(store: Store) -> bool:
    """Let runners claim again; False when they were not paused.

    By a rename inside the directory, which the watch hears, where an unlink would wait for its timer.
    """
    aside = store.layout.control / f".resumed.{token(4)}"
    try:
        store.disk.rename(store.layout.paused, aside)
    except FileNotFoundError:
        return False
    with contextlib.suppress(IsADirectoryError):  # somebody's `mkdir paused.json` stops claims too
        store.disk.unlink(aside)  # CRASH: a kill before this leaves a hidden file, which the sweep takes
    return True


def pause_facts(store: Store) -> dict[str, Any] | None:
    """Who paused the queue, when and why; None when it is not paused."""
    try:
        data, _ = read_regular(store.layout.paused, _LIMIT)
    except OSError:
        return None
    with contextlib.suppress(ValueError, RecursionError):
        facts = json.loads(data)
        if isinstance(facts, dict):
            return facts
    return {}


def _put(store: Store, path: Path, document: dict[str, Any]) -> None:
    temporary = store.layout.temporary(f"{token(8)}.control")
    store.disk.write_new(temporary, dump(document, indent=None))
    store.disk.rename(temporary, path)
    store.disk.sync_directory(store.layout.control)
