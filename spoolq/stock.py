"""What the operator does to resource pools: add, remove, drain, look."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolq.documents import dump
from spoolq.errors import NotAllowed, PoolUnknown, RequestInvalid
from spoolq.leases import resource_name, shown
from spoolq.names import RESOURCE_TYPE, is_resource_type, token
from spoolq.pools import MAX_RESOURCE, beat_of, kinds, look, next_index, read_resource
from spoolq.store import Store


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, for people: None for one that cannot be read; who has it since which heartbeat (POSIX seconds)."""

    index: int
    resource: dict[str, Any] | None
    worker: str | None = None
    job: str | None = None
    beat: float | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """One type with all its resources."""

    kind: str
    draining: bool
    resources: list[Resource]


def pools(store: Store) -> list[Pool]:
    """Every type with its resources, for people."""
    found = []
    for kind in kinds(store):
        shelf = look(store, kind)
        rows = [
            Resource(index, read_resource(store.layout.resource(kind, resource_name(index)))) for index in shelf.free
        ]
        for lease in shelf.leases:
            holder = shown(lease.worker), shown(lease.job), beat_of(store, kind, lease)
            rows.append(Resource(lease.index, read_resource(store.layout.resource(kind, lease.name)), *holder))
        found.append(Pool(kind, shelf.draining, sorted(rows, key=lambda row: row.index)))
    return found


def add(store: Store, kind: str, resource: Mapping[str, Any]) -> int:
    """Add a resource to the type *kind*, which is made if need be; returns its index.

    Raises RequestInvalid for a type or a resource that can be none, OSError when the disk refuses.
    CRASH: before the rename there is only litter in ``.tmp/``, and perhaps an empty type, which is none.
    """
    check(kind, resource)
    temporary = store.layout.temporary(f"{token(8)}.resource")
    store.disk.make_directory(store.layout.pool(kind))
    store.disk.write_new(temporary, dump(dict(resource)))
    try:
        with store.locked():
            index = next_index(store, kind)
            store.disk.rename_new(temporary, store.layout.resource(kind, resource_name(index)))
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    store.disk.sync_directory(store.layout.pool(kind), store.layout.pools)
    return index


def check(kind: str, resource: Mapping[str, Any]) -> None:
    """Raise RequestInvalid unless *resource* can be one of the type *kind*."""
    if not is_resource_type(kind):
        raise RequestInvalid(f"cannot add a resource of type {kind!r}: a type's name is {RESOURCE_TYPE}.", "type")
    if len(dump(dict(resource))) > MAX_RESOURCE:
        raise RequestInvalid(f"cannot add that resource of type {kind!r}: it is larger than {MAX_RESOURCE} bytes.")


def drain(store: Store, kind: str, on: bool = True) -> bool:
    """Stop (or, with *on* False, allow again) new leases of a type; False when it was so already.

    Leases that stand go on. Raises PoolUnknown.
    """
    shelf, marker = look(store, kind), store.layout.draining(kind)
    if not shelf.total:
        raise PoolUnknown(kind)
    if on == shelf.draining:
        return False
    if on:
        with contextlib.suppress(FileExistsError):
            store.disk.write_new(marker, b"")
    else:
        store.disk.unlink(marker)
    store.disk.sync_directory(marker.parent)
    return True


def remove(store: Store, kind: str, index: int | None = None) -> int:
    """Take away one free resource, or the whole type; returns how many were taken.

    Raises PoolUnknown, and NotAllowed for what somebody has: of a whole type the free ones go, and it stays drained.
    CRASH: a kill in between leaves the type drained, with those that were not yet taken.
    """
    shelf = look(store, kind)
    leased = {lease.index: lease for lease in shelf.leases}
    if not shelf.total or (index is not None and index not in [*shelf.free, *leased]):
        raise PoolUnknown(kind if index is None else f"{kind}[{index}]")
    if index is None:
        drain(store, kind)
    wanted = look(store, kind).free if index is None else [index]
    with store.locked():
        taken = sum(store.disk.unlink(store.layout.resource(kind, resource_name(one))) for one in wanted)
    store.disk.sync_directory(store.layout.pool(kind))
    left = [lease for lease in look(store, kind).leases if index in (None, lease.index)]
    if left:
        who = ", ".join(f"{kind}[{lease.index}] by {shown(lease.worker)}" for lease in left[:3])
        raise NotAllowed(f"cannot remove what is leased: {who}. Wait until it is given back, then remove it again.")
    if index is None:
        store.disk.unlink(store.layout.draining(kind))
        with contextlib.suppress(OSError):  # somebody has just added one
            store.layout.pool(kind).rmdir()
    return taken
