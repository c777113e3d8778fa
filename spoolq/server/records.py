"""Records of jobs as the API gives them: complete, masked, with the reason why a queued one waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spoolq import control, gates
from spoolq.errors import JobNotFound
from spoolq.gates import Gates
from spoolq.jobs import Entry, describe
from spoolq.server.answers import shown
from spoolq.server.face import Face
from spoolq.server.facts import KnownFacts
from spoolq.server.named import entry_of
from spoolq.status import reason, with_progress
from spoolq.transitions import State

#: Whether a runner is there is asked of the kernel, for which it takes milliseconds: one answer does for a second.
_RUNNERS_S = 1.0
#: How often a job may move on between being found and being read.
_MOVES = 5


@dataclass(frozen=True, slots=True)
class Situation:
    """What every queued job's reason depends on: the pause, if there is one, how many jobs run, and what holds some."""

    paused: Mapping[str, Any] | None
    running: int
    gates: Gates = field(compare=False)


class Records:
    """Reads records of the spool behind *face*. For any thread."""

    def __init__(self, face: Face, clock: Callable[[], float] = time.monotonic) -> None:
        self.face, self.clock = face, clock
        self.facts = KnownFacts(face.store)
        self._next: tuple[float, Situation, str] | None = None

    def situation(self) -> Situation:
        """A fresh look."""
        store = self.face.store
        paused = (control.pause_facts(store) or {}) if control.read(store).paused else None
        running = len(self.face.view.listing(State.RUNNING).names)
        return Situation(paused, running, Gates(store, gates.of(store)))

    def one(self, job: str) -> dict[str, Any]:
        """The record of the job that *job* names; raises JobNotFound, JobAmbiguous."""
        entry = entry_of(self.face.view, job)
        record = self.of(entry)
        if record is None:
            raise JobNotFound(job, self.face.store.root)
        return record

    def of(self, entry: Entry, now: Situation | None = None) -> dict[str, Any] | None:
        """The record of a job that was listed, wherever it is by now; None when it is gone."""
        view = self.face.view
        for _ in range(_MOVES):  # RACE: it moves on between the listing and the read
            record = describe(self.face.store, entry)
            if record is not None:
                return self.complete(entry, record, now)
            try:
                view.listing(entry.state, fresh=True)
                entry = view.find(entry.stem.uuid)
            except JobNotFound:
                return None
        return None

    def complete(self, entry: Entry, record: dict[str, Any], now: Situation | None = None) -> dict[str, Any]:
        """*record* with what a file cannot tell: progress, position, and why it waits (else `reason` is None)."""
        record = with_progress(self.face.store, record)
        why = None
        if entry.state is State.QUEUED:
            record["position_in_queue"] = position = self.face.view.position(entry.stem)
            now = now or self.situation()
            held = now.gates.judge(entry.stem, record) if now.paused is None else None
            why = (
                record["error"] or (held.why if held else None) or self._reason(position, now, record["resource_type"])
            )
        return {**shown(self.face.store, record), "reason": why}

    def _reason(self, position: int, now: Situation, resource_type: str | None) -> str:
        store = self.face.store
        if position or resource_type is not None or now.paused is not None or now.running:
            return reason(store, position, now.paused, now.running, resource_type)
        known = self._next
        if known is None or known[1] != now or self.clock() - known[0] > _RUNNERS_S:
            self._next = known = (self.clock(), now, reason(store, position, now.paused, now.running))
        return known[2]
