"""``control/``: requests to whoever runs. Each is one small file; its owner is who asks."""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.documents import dump
from spoolq.files import names_in, read_regular
from spoolq.store import Store

_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Requests:
    """What ``control/`` says now: whether claiming is paused, and the KEYs of running jobs to cancel."""

    paused: bool
    cancels: dict[str, Path]


def read(store: Store) -> Requests:
    """A fresh look at ``control/``. Other names than ours are left alone."""
    cancels: dict[str, Path] = {}
    paused = False
    for name in names_in(store.layout.control):
        parts = name.removesuffix(".json").split("@")
        if name == store.layout.paused.name:
            paused = True
        elif len(parts) == 3 and parts[0] == "cancel":
            cancels[parts[1]] = store.layout.control / name
    return Requests(paused, cancels)


def request_cancel(store: Store, key: str, by: int) -> None:
    """Ask for the end of a running job. Asking twice is harmless."""
    path = store.layout.cancel_request(key, secrets.token_hex(4))
    _put(store, path, {"by": by, "at": store.now()})


def clear_cancels(store: Store, key: str) -> None:
    """Drop the cancel requests for a job that has ended."""
    for name in names_in(store.layout.control):
        if name.startswith(f"cancel@{key}@"):
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
    aside = store.layout.control / f".resumed.{secrets.token_hex(4)}"
    try:
        store.disk.rename(store.layout.paused, aside)
    except FileNotFoundError:
        return False
    store.disk.unlink(aside)  # CRASH: a kill before this leaves a hidden file, which the sweep takes
    return True


def pause_facts(store: Store) -> dict[str, Any] | None:
    """Who paused the queue, when and why; None when it is not paused."""
    try:
        data, _ = read_regular(store.layout.paused, _LIMIT)
    except OSError:
        return None
    with contextlib.suppress(ValueError):
        facts = json.loads(data)
        if isinstance(facts, dict):
            return facts
    return {}


def _put(store: Store, path: Path, document: dict[str, Any]) -> None:
    temporary = store.layout.temporary(f"{secrets.token_hex(8)}.control")
    store.disk.write_new(temporary, dump(document, indent=None))
    store.disk.rename(temporary, path)
    store.disk.sync_directory(store.layout.control)
