"""Recover the claims of a dead owner.

On this host only the holder of the slot's lock may: runner and shim both hold it, so whoever gets it knows that both
are dead. Then either the end record is there and the job is adopted, or what is left of the evaluation is killed and
the attempt counts as lost.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any

from spoolq import control, environment, history, process
from spoolq.attempt import Attempt, Say, accept, conclude, end_from, may_run_again, reject, write_verdict
from spoolq.claims import adopt, back, read_claimed, reclaim
from spoolq.errors import ClaimLost, RequestInvalid
from spoolq.files import read_regular
from spoolq.finish import finish
from spoolq.jobs import read_final
from spoolq.names import Running, parse_running
from spoolq.orders import End
from spoolq.outcome import Verdict
from spoolq.store import Store
from spoolq.transitions import State

_END_LIMIT = 1 << 20
#: A claim without a line in its history is a dead owner's when it is older than this, in seconds.
_CLAIM_WRITTEN_S = 5.0


def claims_of(store: Store, slot: str | None = None) -> list[Running]:
    """The standing claims of this host (of one slot, if given), in the order of service."""
    found = [running for name in sorted(store.names(State.RUNNING)) if (running := parse_running(name))]
    return [r for r in found if r.claim.host == store.host and (slot is None or r.claim.slot == slot)]


def recover(store: Store, slot: str, say: Say) -> int:
    """Bring every claim of *slot* to where it belongs; the caller holds the slot's lock.

    Returns how many must be tried again, because the disk refused or their owner is not proved dead yet.
    """
    return sum(not take_over(store, running, slot, say) for running in claims_of(store, slot))


def take_over(store: Store, running: Running, slot: str, say: Say) -> bool:
    """Recover one claim under a nonce of *slot*; False when it must be tried again later.

    For a claim of another host the caller has seen its heartbeat stand still for `heartbeat_timeout`.
    """
    past = history.events(store, running.stem.key)
    case = _Case(store, running, history.origin(past, running.claim.nonce), past, say)
    try:
        return case.take_over(slot)
    except ClaimLost:
        return True
    except OSError as error:  # one bad entry never ends a recovery
        say(f"cannot recover {running.stem.uuid[:8]}: {error.strerror or error}. Trying again later.")
        return False


@dataclass(frozen=True, slots=True)
class _Case:
    """One dead claim: *first* is the nonce that its attempt began under, *past* the job's history."""

    store: Store
    running: Running
    first: str
    past: list[dict[str, Any]]
    say: Say

    def take_over(self, slot: str) -> bool:
        here = self.running.claim.host == self.store.host
        if here and not self._proved_dead():
            return False
        end = self._read_end()
        if end is None and here:
            self._kill_leftovers()
        final = read_final(self.store, self.running)
        mine = adopt(self.store, self.running, slot, warn=self.say)
        # RACE: a dead owner's .final is used before it is removed; from here nobody else may finish this job.
        if final is not None and final.get("outcome") != "invalid":
            finish(self.store, self.store.layout.running(mine), mine, {**final, "claim": str(mine.claim)})
            control.clear_cancels(self.store, mine.stem.key)
            self.say(f"adopted {mine.stem.uuid[:8]}: {final.get('status')}")
        else:
            self._settle(mine, end)
        self.store.disk.unlink(self.store.layout.final(str(self.running)))
        return True

    def _proved_dead(self) -> bool:
        """Whether neither runner nor shim lives; asked too, since their lock may lie in another directory."""
        facts = history.last(self.past, "claimed", self.first)
        if facts is None:  # RACE: a live owner writes that line within moments of its claim
            age = self.store.clock() - self.store.layout.running(self.running).lstat().st_ctime
            return not 0 <= age <= _CLAIM_WRITTEN_S
        if str(facts["worker"]).rpartition(".")[0] != self.store.host:
            return True  # taken over from another host: that owner was judged by its heartbeat
        owners = [(int(facts["pid"]), facts["pid_start"]), (int(facts["shim"]), facts["shim_start"])]
        boot = str(facts["boot"])
        return not any(pid != os.getpid() and process.is_alive(pid, start, boot) for pid, start in owners)

    def _read_end(self) -> End | None:
        try:
            data, _ = read_regular(self.store.layout.run(self.running.stem.key).end(self.first), _END_LIMIT)
            return end_from(json.loads(data))
        except (OSError, ValueError, TypeError):
            return None  # none, or torn by a power cut: then the attempt is lost

    def _kill_leftovers(self) -> None:
        claimed = history.last(self.past, "claimed", self.first)
        started = history.last(self.past, "started", self.first)
        session = start = None
        if claimed and started and claimed.get("boot") == process.boot_id():  # else that pid is somebody else's now
            session, start = started.get("pid"), started.get("start_time")
        mark = environment.mark(replace(self.running, claim=replace(self.running.claim, nonce=self.first)))
        killed = process.kill_all(lambda: process.marked(mark, session, start))
        if killed:
            self.say(f"killed {killed} processes that {self.running.stem.uuid[:8]} had left")

    def _settle(self, mine: Running, end: End | None) -> None:
        claimed = read_claimed(self.store, mine)
        try:
            if claimed.fault is not None:
                raise RequestInvalid(claimed.fault)
            job = accept(self.store, claimed)
        except RequestInvalid as error:
            reject(self.store, claimed, str(error), self.say)
            return
        started = history.last(self.past, "started", self.first)
        since = float(started["since"]) if started else 0.0
        attempt = Attempt(mine, self.first, job, history.attempts(self.past, self.first), since)
        if end is None:
            self._lost(attempt, str(started["at"]) if started else None)
            return
        self.say(f"adopted {attempt.short}: its evaluation has ended")
        conclude(self.store, attempt, end, self.say, stopping=lambda: True)

    def _lost(self, attempt: Attempt, started_at: str | None) -> None:
        store, running = self.store, attempt.running
        if control.read(store).cancels(running.stem.key, attempt.job.submitted_by):
            verdict = Verdict(State.CANCELLED, "cancelled", "cancelled while it ran")
            write_verdict(store, attempt, verdict, started_at, self.say)
        elif history.last(self.past, "requeued", self.first) is not None:
            back(store, running, self.say)  # CRASH: the owner died between the line and its rename
        elif may_run_again(store, attempt, "lost"):
            reclaim(store, running, "lost", nonce=self.first, attempt=attempt.number, warn=self.say)
            self.say(f"reclaimed {attempt.short}: attempt {attempt.number} of {attempt.job.max_attempts} was lost")
        else:
            host = self.running.claim.host
            text = f"Evaluation was lost: its runner died on {host}, and attempt {attempt.number} was the last"
            write_verdict(store, attempt, Verdict(State.FAILED, "lost", text), started_at, self.say)
            self.say(f"lost {attempt.short}: no attempts left")
