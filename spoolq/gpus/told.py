"""What a slot's runner last saw of its GPUs and which jobs wait for them, for those who look: a file beside its lock.

It is a hint for views, never read by who decides: a runner that is killed leaves one that is old, and a view asks
whether the slot is held.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spoolq.errors import SpoolUnusable
from spoolq.files import Disk, read_regular
from spoolq.gate import Gate
from spoolq.gpus import Gpu
from spoolq.gpus.document import document_of
from spoolq.lock import is_held, lock_directory
from spoolq.names import Stem, token
from spoolq.store import Store

_SUFFIX = ".gpus.json"
_LIMIT = 4 << 20


def tell(store: Store, slot: str, gpus: Sequence[Gpu], waiting: Mapping[str, str]) -> None:
    """Write it down, whole or not at all; *waiting* is job id -> why. Raises OSError, SpoolUnusable.

    CRASH: a kill before the rename leaves a hidden file of a few KiB in the lock directory.
    """
    directory = lock_directory(store.settings.lock_dir)
    said = {
        "spool": str(store.root.absolute()),
        "at": store.now(),
        "gpus": [document_of(gpu) for gpu in gpus],
        "waiting": dict(waiting),
    }
    disk = Disk(durable=False)
    fresh = directory / f".{slot}.{token(8)}.gpus"
    disk.write_new(fresh, json.dumps(said).encode() + b"\n")
    try:
        disk.rename(fresh, directory / f"{slot}{_SUFFIX}")
    except OSError:  # another user's, in a directory that is common to all
        disk.unlink(fresh)
        raise


class AsTold(Gate):
    """The gate of who has no GPUs and only looks: why a job waits for them, by any living runner of this host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, str] | None = None

    def refresh(self) -> None:
        """Read again what the runners have told."""
        self._waiting = None

    def why_not(self, stem: Stem, _document: Mapping[str, Any]) -> str | None:
        """The runner's words; None when none of them waits with it."""
        if self._waiting is None:
            self._waiting = {}
            for said in _all(self._store):
                self._waiting |= {str(job): str(why) for job, why in said["waiting"].items()}
        return self._waiting.get(stem.uuid)


def seen(store: Store) -> dict[str, dict[str, Any]]:
    """Slot -> what its runner told last, for the living runners of this spool on this host."""
    return {said["slot"]: said for said in _all(store)}


def _all(store: Store) -> list[dict[str, Any]]:
    try:
        files = sorted(lock_directory(store.settings.lock_dir).glob(f"*{_SUFFIX}"))
    except (SpoolUnusable, OSError):
        return []
    found = []
    for path in files:
        slot = path.name.removesuffix(_SUFFIX)
        said = _read(path)
        if said.get("spool") == str(store.root.absolute()) and is_held(path.with_name(f"{slot}.lock")):
            found.append({**said, "slot": slot})
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_regular(path, _LIMIT)[0])
    except (OSError, ValueError):
        return {}
    whole = isinstance(document, dict) and isinstance(document.get("waiting"), dict)
    return document if whole else {}
