"""Resource pools: what remote workers share, and who has what, on disk alone.

``pools/TYPE/INDEX.json`` is a free resource, an opaque JSON object. A lease is a rename of that very file, so two can
never have it, whoever is killed when: to ``INDEX@WORKER.JOB.NONCE.json``, whose mtime is the lease's heartbeat.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.documents import parse_object
from spoolq.errors import LeaseLost, NoneFree, PoolUnknown, RequestInvalid
from spoolq.files import GONE, names_in, read_regular
from spoolq.leases import Lease, new_lease, parse_lease, parse_resource, resource_name
from spoolq.names import is_resource_type
from spoolq.store import Store

Warn = Callable[[str], None]
#: The largest resource that is read, in bytes.
MAX_RESOURCE = 1 << 16


@dataclass(frozen=True, slots=True)
class Shelf:
    """One type as a listing shows it: the indices that are free, ascending, and the leases."""

    kind: str
    free: list[int]
    leases: list[Lease]
    draining: bool

    @property
    def total(self) -> int:
        """How many resources there are, leased ones too."""
        return len(self.free) + len(self.leases)


@dataclass(frozen=True, slots=True)
class Leased:
    """A resource that somebody has now; *fresh* is False when he had it before he asked."""

    index: int
    resource: dict[str, Any]
    fresh: bool


def kinds(store: Store) -> list[str]:
    """The types that there are, sorted."""
    try:
        return sorted(name for name in names_in(store.layout.pools) if is_resource_type(name))
    except OSError as error:
        if error.errno in GONE:
            return []
        raise


def look(store: Store, kind: str) -> Shelf:
    """A fresh look at one type; without resources when there is no such type."""
    try:
        names = names_in(store.layout.pool(kind)) if is_resource_type(kind) else []
    except (FileNotFoundError, NotADirectoryError):
        names = []
    free = sorted(index for name in names if (index := parse_resource(name)) is not None)
    leases = sorted((lease for name in names if (lease := parse_lease(name))), key=lambda lease: lease.index)
    return Shelf(kind, free, leases, store.layout.draining(kind).name in names)


def shelves(store: Store) -> dict[str, Shelf]:
    """A fresh look at every type that has resources."""
    looks = (look(store, kind) for kind in kinds(store))
    return {shelf.kind: shelf for shelf in looks if shelf.total}


def acquire(store: Store, kind: str, worker: str, job: str, warn: Warn | None = None) -> Leased:
    """Lease the first free resource of *kind* to *worker* for *job*; what the two have already they keep, touched.

    Raises PoolUnknown, NoneFree, and OSError when the disk refuses.
    CRASH: after the rename the lease stands though nobody was told; asked again it is the answer, else it runs out.
    """
    shelf = look(store, kind)
    if not shelf.total:
        raise PoolUnknown(kind)
    held = _keep(store, shelf, worker, job)
    if held is not None:
        return held
    if shelf.draining or not shelf.free:
        raise NoneFree(kind)
    with store.locked(insist=False, warn=warn):
        shelf = look(store, kind)  # RACE: the same worker may be asking twice at once
        held = _keep(store, shelf, worker, job) or _take(store, shelf, worker, job)
    if held is None:
        raise NoneFree(kind)
    try:
        store.disk.sync_directory(store.layout.pool(kind))
    except OSError:
        if held.fresh:  # what may not be durable is not given out
            with contextlib.suppress(LeaseLost):
                release(store, kind, worker, job, held.index)
        raise
    return held


def _keep(store: Store, shelf: Shelf, worker: str, job: str) -> Leased | None:
    for lease in shelf.leases:
        path = store.layout.resource(shelf.kind, lease.name)
        if lease.is_of(worker, job) and _touch(store, path) and (found := read_resource(path)) is not None:
            return Leased(lease.index, found, fresh=False)
    return None


def _take(store: Store, shelf: Shelf, worker: str, job: str) -> Leased | None:
    for index in [] if shelf.draining else shelf.free:
        lease = new_lease(index, worker, job)
        source = store.layout.resource(shelf.kind, lease.free_name)
        target = store.layout.resource(shelf.kind, lease.name)
        found = read_resource(source)  # before it is leased: what cannot be read is no resource
        if found is None:
            continue
        try:
            store.disk.touch(source)  # first: a lease is never older than the moment it was made
            store.disk.rename(source, target)
        except OSError as error:
            # RACE: an NFS client may report ENOENT for a rename that the server did; only a fresh listing tells.
            if target.name not in names_in(target.parent):
                if error.errno in GONE:
                    continue
                raise
        return Leased(index, found, fresh=True)
    return None


def _touch(store: Store, path: Path) -> bool:
    try:
        store.disk.touch(path)
    except OSError as error:
        if error.errno in GONE:
            return False
        raise
    return True


def read_resource(path: Path) -> dict[str, Any] | None:
    """The resource in a file; None when it is gone, or holds none."""
    try:
        data, _ = read_regular(path, MAX_RESOURCE)
        return parse_object(data, "the resource", limit=MAX_RESOURCE)
    except (OSError, RequestInvalid):
        return None


def heartbeat(store: Store, kind: str, worker: str, job: str, index: int) -> None:
    """Say that *worker* still needs the resource; raises LeaseLost when it is not leased to him for *job*."""
    lease = _find(store, kind, worker, job, index)
    if not _touch(store, store.layout.resource(kind, lease.name)):
        raise _lost(kind, index)


def heartbeat_all(store: Store, worker: str) -> dict[str, int]:
    """The same for all that *worker* has: how many resources of which type."""
    beaten: dict[str, int] = {}
    for kind in kinds(store):
        for lease in look(store, kind).leases:
            if lease.is_of(worker) and _touch(store, store.layout.resource(kind, lease.name)):
                beaten[kind] = beaten.get(kind, 0) + 1
    return beaten


def release(store: Store, kind: str, worker: str, job: str, index: int, warn: Warn | None = None) -> None:
    """Give a resource back; raises LeaseLost when it is not leased to *worker* for *job*."""
    if not give_back(store, kind, _find(store, kind, worker, job, index), warn):
        raise _lost(kind, index)


def _find(store: Store, kind: str, worker: str, job: str, index: int) -> Lease:
    for lease in look(store, kind).leases:
        if lease.index == index and lease.is_of(worker, job):
            return lease
    raise _lost(kind, index)


def _lost(kind: str, index: int) -> LeaseLost:
    return LeaseLost(f"cannot find that lease of {kind}[{index}]: it was given back, or has run out. Acquire anew.")


def give_back(store: Store, kind: str, lease: Lease, warn: Warn | None = None) -> bool:
    """End a lease by one rename; False when it had ended already."""
    source, target = (store.layout.resource(kind, name) for name in (lease.name, lease.free_name))
    with store.locked(insist=False, warn=warn):
        try:
            try:
                store.disk.rename_new(source, target)
            except FileExistsError:  # somebody has put another resource there by hand: this one gets a place of its own
                target = store.layout.resource(kind, resource_name(next_index(store, kind)))
                store.disk.rename_new(source, target)
        except OSError as error:
            names = names_in(target.parent)
            if error.errno not in GONE or source.name in names:
                raise
            # RACE: a lost NFS reply looks like a failure; and whoever expires and whoever releases may meet.
            return target.name in names
    store.disk.sync_soon(target.parent)
    return True


def next_index(store: Store, kind: str) -> int:
    """The index that the next resource of a type gets: after all that there are."""
    shelf = look(store, kind)
    return max([*shelf.free, *(lease.index for lease in shelf.leases)], default=-1) + 1


def expire(store: Store, timeout: float, now: float, warn: Warn | None = None) -> Iterator[tuple[str, Lease]]:
    """End each lease whose last heartbeat is over *timeout* seconds before *now*, by the file server's clock.

    Yields the type and lease of each.
    """
    for kind in kinds(store):
        for lease in look(store, kind).leases:
            beat = beat_of(store, kind, lease)
            if beat is not None and now - beat > timeout and give_back(store, kind, lease, warn):
                yield kind, lease


def beat_of(store: Store, kind: str, lease: Lease) -> float | None:
    """When a lease was last touched, in POSIX seconds of the file server; None when it has ended."""
    try:
        return store.layout.resource(kind, lease.name).lstat().st_mtime
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
