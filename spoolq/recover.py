"""Recover the claims of a dead owner.

On this host only the holder of the slot's lock may: runner and shim both hold it, so whoever gets it knows that both
are dead. Then either the end record is there and the job is adopted, or what is left of the evaluation is killed and
the attempt counts as lost.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spoolq import control, environment, history, process
from spoolq.attempt import Attempt, Say, accept, conclude_once, end_from, lose, reject, write_verdict
from spoolq.claims import adopt, back, read_claimed, requeue
from spoolq.errors import ClaimLost, RequestInvalid
from spoolq.files import read_regular
from spoolq.finish import finish, terminal_record
from spoolq.gates import Gates, of
from spoolq.jobs import finals, read_final
from spoolq.names import Running, parse_running
from spoolq.orders import End
from spoolq.orphans import end_orphan
from spoolq.outcome import Verdict
from spoolq.remote import leave
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State

if TYPE_CHECKING:
    from spoolq.requests import Job

_END_LIMIT = 1 << 20
#: A claim without a line in its history is a dead owner's when it is older than this, in seconds.
_CLAIM_WRITTEN_S = 5.0


def claims_of(store: Store, slot: str | None = None) -> list[Running]:
    """The standing claims of this host (of one slot, if given), in the order of service."""
    found = [running for name in sorted(store.names(State.RUNNING)) if (running := parse_running(name))]
    # A remote worker's name may be that of a host: its claims are judged by what is heard of it, never by processes.
    ours = [r for r in found if r.claim.host == store.host and not r.claim.is_workers]
    return [r for r in ours if slot in (None, r.claim.slot)]


def stop_orphans(store: Store, slot: str) -> None:
    """Stop an evaluation whose runner is dead and whose shim lives, if somebody asked for its cancel; raises OSError.

    For who waits for the slot, which that shim holds.
    """
    asked = control.read(store)
    for running in claims_of(store, slot) if asked.asked else []:
        past = history.events(store, running.stem.key)
        facts = history.last(past, "claimed", running.claim.nonce)
        if facts is None or not asked.cancels(running.stem.key, facts["uid"]):
            continue
        pid, boot = int(facts["shim"]), str(facts["boot"])
        if process.is_alive(pid, facts["shim_start"], boot):
            os.kill(pid, signal.SIGTERM)


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
    except Exception as error:
        say(f"cannot recover {running.stem.uuid[:8]}: {type(error).__name__}: {error}. Trying again later.")
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
        if self._recorded():
            self.store.disk.unlink(self.store.layout.running(self.running))
            return True
        end = self._read_end()
        if end is None and here:
            self._kill_leftovers()
        mine = adopt(self.store, self.running, slot, warn=self.say)
        # RACE: a dead owner's .final is used before it is removed; from here nobody else may finish this job.
        left = self._finals_of_the_dead()
        final = next((record for record in map(self._final, left) if record), None)
        if final is not None:
            finish(self.store, self.store.layout.running(mine), mine, {**final, "claim": str(mine.claim)})
            control.clear_cancels(self.store, mine.stem.key)
            self.say(f"adopted {mine.stem.uuid[:8]}: {final.get('status')}")
        else:
            self._settle(mine, end)
        for name in left:
            self.store.disk.unlink(self.store.layout.final(str(name)))
        return True

    def _finals_of_the_dead(self) -> list[Running]:
        """The `.final` of each claim that this attempt has had, the newest claim's first."""
        chain = history.chain(self.past, self.running.claim.nonce)
        mine = [name for name in finals(self.store) if name.stem.key == self.running.stem.key]
        return sorted((n for n in mine if n.claim.nonce in chain), key=lambda name: chain.index(name.claim.nonce))

    def _final(self, name: Running) -> dict[str, Any] | None:
        record = read_final(self.store, name)
        return record if record is not None and record.get("outcome") != "invalid" else None

    def _recorded(self) -> bool:
        """Whether one of the dead has recorded the end: a power cut kept that, and not that the claim went."""
        chain = history.chain(self.past, self.running.claim.nonce)
        for state in TERMINAL:
            record = terminal_record(self.store.layout.terminal(state, self.running.stem.key))
            if record is not None and str(record.get("claim")).rpartition(".")[2] in chain:
                return True
        return False

    def _proved_dead(self) -> bool:
        """Whether neither runner nor shim lives; asked too, since their lock may lie in another directory."""
        facts = history.last(self.past, "claimed", self.first)
        if facts is None:  # RACE: a live owner writes that line within moments of its claim
            claimed = self.store.layout.running(self.running).lstat().st_ctime
            return self.store.server_time() - claimed > _CLAIM_WRITTEN_S
        if str(facts.get("worker")).rpartition(".")[0] != self.store.host:
            return True  # taken over from another host: that owner was judged by its heartbeat
        owners = [(int(facts.get(name, 0)), facts.get(f"{name}_start")) for name in ("pid", "shim")]
        boot = str(facts.get("boot"))
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
        started, facts = (history.last(self.past, name, self.first) for name in ("started", "claimed"))
        claimed = read_claimed(self.store, mine, opened=facts is not None)
        try:
            if claimed.fault is not None:
                raise RequestInvalid(claimed.fault)
            job = accept(self.store, claimed)
        except RequestInvalid as error:
            reject(self.store, claimed, str(error), self.say)
            return
        if job.is_workers:  # CRASH: a runner had claimed it unseen, and died before it could give it back
            leave(self.store, mine, self.first, self.say)
            return
        if end is None and facts is None and self._was_held(mine, job):
            return
        since = float(facts.get("since", 0.0)) if facts else 0.0  # the file's ctime is the adoption's by now
        attempt = Attempt(mine, self.first, job, history.attempts(self.past, self.first), since)
        if end is None:
            self._lost(attempt, str(started["at"]) if started else None)
            return
        self.say(f"adopted {attempt.short}: its evaluation has ended")
        conclude_once(self.store, attempt, end, self.say, rebooted=self._rebooted(facts))

    def _was_held(self, mine: Running, job: Job) -> bool:
        """Whether the job cannot have been started: a gate holds it, or it can never run.

        CRASH: a runner had claimed it, and died before it could give it back or end it. Of these gates none closes
        again behind a job.
        """
        hold = Gates(self.store, of(self.store)).judge(mine.stem, job.policy)
        if hold is not None:
            requeue(self.store, mine, hold.why, nonce=self.first, started=False, warn=self.say)
            return True
        return end_orphan(self.store, mine, job, self.say)

    def _rebooted(self, facts: dict[str, Any] | None) -> bool:
        """Whether the attempt began on this host, before its last start."""
        here = facts is not None and str(facts.get("worker")).rpartition(".")[0] == self.store.host
        return facts is not None and here and facts.get("boot") != process.boot_id()

    def _lost(self, attempt: Attempt, started_at: str | None) -> None:
        store, running = self.store, attempt.running
        if control.read(store).cancels(running.stem.key, attempt.job.submitted_by):
            verdict = Verdict(State.CANCELLED, "cancelled", "cancelled while it ran")
            write_verdict(store, attempt, verdict, started_at, self.say)
        elif history.last(self.past, "requeued", self.first) is not None:
            back(store, running, self.say)  # CRASH: the owner died between the line and its rename
        else:
            lose(store, attempt, f"its runner died on {self.running.claim.host}", started_at, self.say)
