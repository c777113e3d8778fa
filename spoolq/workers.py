"""Remote workers: they claim jobs, are heard of, and say how a job ended. All that they have is on disk.

A worker's claim is the rename that a runner makes, with the slot `worker`; its exact name is in the history's line.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from spoolq import control, history, remote
from spoolq.attempt import accept, reject
from spoolq.claims import Claimed, back, claim, requeue, stands
from spoolq.errors import ClaimLost, Immovable, RequestInvalid
from spoolq.files import GONE
from spoolq.jobs import Entry, describe
from spoolq.names import WORKER_SLOT, Running, Stem, parse_running, worker_host
from spoolq.orphans import end_orphan
from spoolq.plain import block
from spoolq.pools import shelves
from spoolq.schedule import Schedule
from spoolq.store import Store
from spoolq.transitions import State

Say = Callable[[str], None]
#: The longest error of a worker that is kept, in characters.
MAX_ERROR = 16 << 10


@dataclass(frozen=True, slots=True)
class Held:
    """A job that a remote worker has; *worker* is None when nobody was told that he has it."""

    running: Running
    kind: str
    external_id: str | None
    worker: str | None

    @property
    def job_id(self) -> str:
        """The id by which workers know the job."""
        return self.external_id or self.running.stem.uuid

    def is_named(self, job: str) -> bool:
        """Whether *job* is one of its ids."""
        return job in (self.external_id, self.running.stem.uuid)


@dataclass(frozen=True, slots=True)
class Assigned:
    """A job that was just given to a worker: its id, its request, the type of resources that it needs."""

    job_id: str
    payload: dict[str, Any]
    kind: str
    attempt: int


class Workers:
    """What the remote workers of one spool have and get. For any thread; any number of processes may have one.

    Of a claim is remembered what never changes while its name stands.
    """

    def __init__(self, store: Store, say: Say) -> None:
        self.store, self.say = store, say
        self.schedule = Schedule(store)
        #: Whether any worker has asked for a job yet.
        self.asked = False
        self._taking = threading.Lock()
        self._known: dict[str, Held] = {}
        #: Jobs that cannot be moved, of which the operator was told.
        self._stuck: set[Stem] = set()

    def standing(self) -> list[Held]:
        """All that remote workers have now, in the order of service, by a fresh listing."""
        known, found = self._known, []
        for name in sorted(self.store.names(State.RUNNING)):
            held = known.get(name)
            if held is None and (running := parse_running(name)) is not None and running.claim.is_workers:
                held = self._read(running)
            if held is not None:
                found.append((name, held))
        self._known = {name: held for name, held in found if held.worker is not None}
        return [held for _, held in found]

    def _read(self, running: Running) -> Held | None:
        try:
            need = remote.need_of(self.store.layout.running(running))
        except OSError as error:
            if error.errno not in GONE:
                raise
            return None
        except RequestInvalid:
            need = None
        past = history.events(self.store, running.stem.key)
        facts = history.last(past, "claimed", running.claim.nonce)
        worker = str(facts["worker"]) if facts else None
        return Held(running, need.kind if need else "", need.external_id if need else None, worker)

    def take(self, worker: str) -> Assigned | None:
        """Give *worker* the job that is served next; None when there is none, or the queue is paused.

        Raises SpoolUnusable, and OSError when the disk refuses: then nothing was given.
        """
        self.asked = True
        there = shelves(self.store)
        if not there or control.read(self.store).paused:
            return None
        with self._taking:  # one thread of us at a time, or they would all run for the same job
            self.schedule.refresh()
            busy = Counter(held.kind for held in self.standing())
            while (stem := self.schedule.first(busy, there)) is not None:
                self.schedule.forget(f"{stem}.json")
                assigned = self._claim(stem, worker)
                if assigned is not None:
                    return assigned
        return None

    def on_offer(self) -> int:
        """How many jobs a worker could have now; 0 while the queue is paused."""
        there = shelves(self.store)
        if not there or control.read(self.store).paused:
            return 0
        with self._taking:
            self.schedule.refresh()
            waiting = self.schedule.ready()
        return sum(waiting.get(kind, 0) for kind, shelf in there.items() if not shelf.draining)

    def waiting(self) -> dict[str, int]:
        """How many jobs wait for a worker, by type of resources, by a fresh listing."""
        with self._taking:
            self.schedule.refresh()
            return self.schedule.counts()

    def _claim(self, stem: Stem, worker: str) -> Assigned | None:
        try:
            claimed = claim(self.store, stem, WORKER_SLOT, self.say, host=worker_host(worker))
            return None if claimed is None else self._open(claimed, worker)
        except Immovable as error:
            if stem not in self._stuck:
                self._stuck.add(stem)
                self.say(str(error))
        except ClaimLost:  # taken away in the moment that it was made
            pass
        return None

    def _open(self, claimed: Claimed, worker: str) -> Assigned | None:
        """Make a claim an attempt of *worker*'s; None when it is no job for one."""
        store, running = self.store, claimed.running
        try:
            if claimed.fault is not None:
                raise RequestInvalid(claimed.fault)
            job = accept(store, claimed)
        except RequestInvalid as error:
            reject(store, claimed, str(error), self.say)
            return None
        kind, nonce = job.envelope.resource_type, running.claim.nonce
        if kind is None:  # another file has come under that name since it was read
            back(store, running, self.say)
            return None
        # RACE: what a gate looks at may have changed since it was asked. What can never run ends here.
        self.schedule.gates.refresh()
        hold = self.schedule.gates.judge(running.stem, job.policy)
        if hold is not None:
            requeue(store, running, hold.why, nonce=nonce, started=False, warn=self.say)
            return None
        if end_orphan(store, running, job, self.say):
            return None
        number = history.attempts(history.events(store, running.stem.key), nonce)
        facts = {"worker": worker, "attempt": number, "uid": job.submitted_by, "since": claimed.since}
        try:
            # On disk before anybody is told: without this line the claim is nobody's, and is given back.
            history.record(store, running.stem.key, "claimed", sync=True, nonce=nonce, **facts)
        except OSError:
            back(store, running, self.say)
            raise
        if not stands(store, running):  # RACE: we were so slow that a sweep took the claim for nobody's
            return None
        external, before = job.envelope.external_id, job.envelope.attempts_before or 0
        return Assigned(external or running.stem.uuid, job.request, kind, number + before)

    def heartbeat(self, job: str, worker: str) -> bool:
        """Hear of *worker* and its *job*; False when that is not its own, any more or at all."""
        mine = self._of(worker, job)
        for held in mine:
            self._beat(held.running)
        return bool(mine)

    def heartbeat_all(self, worker: str) -> int:
        """Hear of a worker and all its jobs; returns how many they are."""
        mine = self._of(worker)
        for held in mine:
            self._beat(held.running)
        return len(mine)

    def _of(self, worker: str, job: str | None = None) -> list[Held]:
        mine = [held for held in self.standing() if held.worker == worker]
        return mine if job is None else [held for held in mine if held.is_named(job)]

    def _beat(self, running: Running) -> None:
        beat = self.store.layout.beat(running)
        try:
            self.store.disk.touch(beat)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # RACE: of two heartbeats at once either is good
                self.store.disk.write_new(beat, b"")

    def done(
        self, job: str, worker: str, result: dict[str, Any] | None, metrics: dict[str, dict[str, Any]] | None
    ) -> None:
        """End a job as *worker* says; of several under one id, that which is first in the order of service.

        Raises ClaimLost when it is not its own, OSError when the disk refuses.
        """
        running, record = self._mine(job, worker)
        facts: dict[str, Any] = {"result": result or {}, "metrics": metrics or {}}
        remote.end(self.store, running, record, State.COMPLETED, "succeeded", warn=self.say, **facts)

    def fail(
        self, job: str, worker: str, error: str, exit_code: int | None, outcome: Literal["exit", "lost"] = "exit"
    ) -> State:
        """The same for a job that *worker* knows to have failed; returns where it is now: back in the queue, perhaps.

        *outcome* is `lost` when the worker is stopped before the job has ended. Whether it runs again is said by
        `retry_on` and `max_attempts`.
        """
        running, record = self._mine(job, worker)
        if remote.give_up(self.store, running, record, outcome, exit_code, warn=self.say):
            return State.QUEUED
        facts: dict[str, Any] = {"error": block(error[:MAX_ERROR]), "exit_code": exit_code}
        remote.end(self.store, running, record, State.FAILED, outcome, warn=self.say, **facts)
        return State.FAILED

    def _mine(self, job: str, worker: str) -> tuple[Running, dict[str, Any]]:
        for held in self._of(worker, job):
            record = describe(self.store, Entry(State.RUNNING, held.running.stem, held.running.claim))
            if record is not None:
                return held.running, record
        raise ClaimLost(f"job {job!r} is not that worker's")
