"""`spoolq pool acquire`, `heartbeat` and `release`: from a worker's server, or on the spool's disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spoolq.cli.options import duration, open_store
from spoolq.cli.pool_served import Served, Unreachable, lost
from spoolq.cli.pool_stock import endpoint
from spoolq.errors import NoneFree

if TYPE_CHECKING:
    from spoolq.store import Store

#: How long a server may hold an answer back; how long one that is down is left alone; in seconds.
_HOLD_S, _AGAIN_S = 20.0, 1.0
#: On a disk, how often somebody looks when nothing is heard: where the watch hears of it, and where it may not.
_LOOK_S, _POLL_S = 5.0, 0.5
#: After so many seconds people are told what is waited for.
_SPOKEN_S = 1.0

Got = tuple[int, dict[str, Any]]


class Leases(Protocol):
    """Where the leases of one worker for one job are had."""

    def acquire(self, kind: str, wait: float) -> Got:
        """The first free one, waited for about *wait* seconds; raises PoolUnknown, NoneFree, Unreachable."""

    def heartbeat(self, kind: str) -> None:
        """Say that what is held of *kind* is still needed; raises LeaseLost when nothing is."""

    def release(self, kind: str, index: int | None) -> None:
        """Give back what is held of *kind*, or only *index*; raises LeaseLost when nothing is."""


def run(
    action: str, kind: str, *, wait: str | None, worker: str | None, job: str | None, index: int | None,
    spool: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Do it, and print what was leased."""
    from spoolq import render

    leases = _leases(worker, job, spool)
    document: dict[str, Any] = {"type": kind}
    if action == "acquire":
        number, resource = _acquire(leases, kind, duration(wait, "--wait"))
        document |= {"index": number, "resource": resource}
        line = render.safe(endpoint(resource))
    elif action == "heartbeat":
        leases.heartbeat(kind)
        line = f"{kind} is kept"
    else:
        leases.release(kind, index)
        line = f"{kind} is given back"
    if as_json:
        render.emit_json(document)
    else:
        render.line(line)


def _leases(worker: str | None, job: str | None, spool: Path | None) -> Leases:
    said = os.environ.get
    url, name, mine = said("SPOOLQ_URL"), worker or said("SPOOLQ_WORKER"), job or said("SPOOLQ_JOB")
    if url and name and mine and spool is None:
        return Served(url, name, mine, said("SPOOLQ_TOKEN_FILE"))
    return _OnDisk(open_store(spool), name or _whoever(), mine or "")


def _whoever() -> str:
    import pwd

    from spoolq.names import claim_host

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{claim_host()}"


def _acquire(leases: Leases, kind: str, limit: float | None) -> Got:
    """Ask until there is one, or *limit* seconds are over; a server that is down for a while is asked again."""
    from spoolq import render

    began, spoken = time.monotonic(), False
    until = float("inf") if limit is None else began + limit
    while True:
        try:
            hold = _HOLD_S if spoken else _SPOKEN_S
            return leases.acquire(kind, min(hold, max(0.0, until - time.monotonic())))
        except (NoneFree, Unreachable) as error:
            left = until - time.monotonic()
            if left <= 0:
                raise
            if not spoken and time.monotonic() - began >= _SPOKEN_S:
                spoken = True
                none = f"all resources of type {kind} are leased; waiting for one"
                render.talk(render.safe(none if isinstance(error, NoneFree) else error))
            if isinstance(error, Unreachable):
                time.sleep(min(_AGAIN_S, left))


class _OnDisk:
    """Leases of a spool, on its disk."""

    def __init__(self, store: Store, worker: str, job: str) -> None:
        self.store, self.worker, self.job = store, worker, job

    def acquire(self, kind: str, wait: float) -> Got:
        """Woken by the watch on a local mount, by a timer elsewhere."""
        from spoolq.pools import acquire

        def try_it() -> Got:
            leased = acquire(self.store, kind, self.worker, self.job)
            return leased.index, leased.resource

        try:
            return try_it()
        except NoneFree:
            if wait <= 0:
                raise
        return self._wait(kind, wait, try_it)

    def _wait(self, kind: str, wait: float, try_it: Callable[[], Got]) -> Got:
        import threading

        from spoolq.watch import Watch

        woken, until = threading.Event(), time.monotonic() + wait
        watch = Watch([self.store.layout.pool(kind)], lambda _path: woken.set())
        pause = _POLL_S if watch.start() is not None or self.store.network else _LOOK_S
        try:
            while True:
                woken.clear()  # RACE: before the look, so that what comes free during it wakes us
                try:
                    return try_it()
                except NoneFree:
                    left = until - time.monotonic()
                    if left <= 0:
                        raise
                    woken.wait(min(pause, left))
        finally:
            watch.stop()

    def heartbeat(self, kind: str) -> None:
        """All that is held of the type for the job."""
        from spoolq.pools import heartbeat

        for index in self._held(kind, None):
            heartbeat(self.store, kind, self.worker, self.job, index)

    def release(self, kind: str, index: int | None) -> None:
        """All that is held of the type for the job, or only *index*."""
        from spoolq.pools import release

        for number in self._held(kind, index):
            release(self.store, kind, self.worker, self.job, number)

    def _held(self, kind: str, index: int | None) -> list[int]:
        from spoolq.pools import look

        mine = [lease.index for lease in look(self.store, kind).leases if lease.is_of(self.worker, self.job)]
        found = [number for number in mine if index in (None, number)]
        if not found:
            raise lost(kind)
        return found
