"""What is on a pool's shelf, read with nothing but `os` and the names' own rules."""

import json
import os
from collections.abc import Iterable

from spoolq.leases import parse_lease, parse_resource, shown
from spoolq.stock import add
from spoolq.store import Store

#: Who has each resource, by its number: worker and job, or None for a free one.
Holders = dict[int, tuple[str, str] | None]


def stocked(store: Store, kind: str = "a_1", count: int = 2) -> str:
    """A type with so many resources, each unlike the others; returns its name."""
    for port in range(count):
        add(store, kind, {"host": "h", "port": port})
    return kind


def holders(store: Store, kind: str = "a_1") -> Holders:
    """Who has what; fails when a resource is there twice, or is another than it was."""
    found: Holders = {}
    for name in sorted(os.listdir(store.layout.pool(kind))):
        index, lease = parse_resource(name), parse_lease(name)
        if index is None and lease is None:
            continue
        number = index if lease is None else lease.index
        assert number is not None and number not in found, f"resource {number} is there twice"
        found[number] = None if lease is None else (shown(lease.worker), shown(lease.job))
        document = json.loads((store.layout.pool(kind) / name).read_bytes())
        assert document == {"host": "h", "port": number}, "a resource keeps its content and its number"
    return found


def age(store: Store, seconds: float, kind: str = "a_1", numbers: Iterable[int] | None = None) -> None:
    """Make leases (all, or those of *numbers*) look as if they were last touched so long ago."""
    chosen = None if numbers is None else set(numbers)
    for name in os.listdir(store.layout.pool(kind)):
        lease = parse_lease(name)
        if lease is not None and (chosen is None or lease.index in chosen):
            path = store.layout.pool(kind) / name
            before = path.stat().st_mtime - seconds
            os.utime(path, (before, before))
