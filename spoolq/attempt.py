"""One attempt at one job: prepare its run folder, order it from the shim, judge its end, finish it.

Written so that an adopter, who has only the claim and the end record, can do the second half.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from spoolq import control, environment, history, memory, parents, preload, process, trust
from spoolq.admit import invalid_record
from spoolq.claims import Claimed, reclaim, requeue, stands
from spoolq.documents import MAX_DEPTH, parse_object
from spoolq.errors import ClaimLost, RequestInvalid
from spoolq.files import names_in
from spoolq.finish import finish, set_aside
from spoolq.jobs import blank
from spoolq.layout import RunDir
from spoolq.names import Running, new_stem, parse_stamp
from spoolq.orders import End, Order
from spoolq.outcome import Verdict, judge, tell_oom
from spoolq.plain import block
from spoolq.recipes import Place
from spoolq.retries import again
from spoolq.store import Store
from spoolq.transitions import State

if TYPE_CHECKING:
    from spoolq.requests import Job

Say = Callable[[str], None]
_DISK_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed, valid job on its way through a run.

    *origin* is the nonce that the attempt began under (adoption gives the claim another), *since* its beginning in
    POSIX seconds of the file server, *claimed* the moment before its claim on this host's monotonic clock. *worker* is
    the name of a remote worker, None for a runner.
    """

    running: Running
    origin: str
    job: Job
    number: int
    since: float
    claimed: float = float("inf")
    worker: str | None = None

    @property
    def short(self) -> str:
        """The id as people read it."""
        return self.running.stem.uuid[:8]


def reject(store: Store, claimed: Claimed, cause: str, say: Say) -> None:
    """End a claimed file that is no valid job; what shares another job's KEY gets a new identity."""
    running = claimed.running
    stem = running.stem.with_priority("normal")
    if claimed.fault is not None and "of that name" in claimed.fault:
        stem = new_stem(parse_stamp(stem.stamp))
    named = Running(stem, running.claim)
    record = invalid_record(store, named, _asker(store, claimed), f"cannot run {running.stem.uuid}: {cause}")
    try:
        set_aside(store, store.layout.running(running), stem, named, record)
        history.record(store, stem.key, "finished", nonce=running.claim.nonce, outcome="invalid")
    except ClaimLost:
        return
    say(f"rejected {running.stem.uuid[:8]}: {cause}")


def _asker(store: Store, claimed: Claimed) -> int:
    """Whose job it is, as far as the file can be read: a retried record is ours, and its submitter's job."""
    try:
        document = parse_object(claimed.data, limit=len(claimed.data), depth=MAX_DEPTH + 1)
    except RequestInvalid:
        return claimed.uid
    return trust.submitter(document, claimed.uid, store.settings)


def owner(shim: int) -> dict[str, Any]:
    """Who owns the claims of this runner and *shim*, as the history tells it: to be proved dead by."""
    me = os.getpid()
    facts = {"pid": me, "pid_start": process.start_time(me), "shim": shim, "shim_start": process.start_time(shim)}
    return {**facts, "boot": process.boot_id()}


def open_attempt(store: Store, claimed: Claimed, job: Job, owned_by: dict[str, Any]) -> Attempt:
    """Write down that this claim is an attempt, and clear the run folder; raises OSError, then give the claim back."""
    running = claimed.running
    past = history.events(store, running.stem.key)
    number = history.attempts(past, running.claim.nonce)
    history.record(
        store,
        running.stem.key,
        "claimed",
        nonce=running.claim.nonce,
        worker=running.claim.worker,
        attempt=number,
        uid=job.submitted_by,
        since=claimed.since,
        **owned_by,
        oom_kills=memory.kills(),
    )
    run = store.layout.run(running.stem.key)
    _put_by(store, run, number - 1)
    store.disk.make_directory(run.partial)
    return Attempt(running, running.claim.nonce, job, number, claimed.since, claimed.asked)


def _put_by(store: Store, run: RunDir, number: int) -> None:
    """Keep what an earlier attempt printed and wrote, out of the next one's way, under a number that is free."""
    there = set(names_in(run.path))  # RACE: another host has just left it; on NFS only a listing knows
    for source, place in ((run.log, run.old_log), (run.partial, run.old_partial), (run.output, run.old_output)):
        if source.name in there:
            free = number
            while place(free).name in there:
                free += 1
            store.disk.rename(source, place(free))


def order(store: Store, attempt: Attempt, devices: str | None) -> Order:
    """What the shim is told to run."""
    running, job, layout = attempt.running, attempt.job, store.absolute
    run = layout.run(running.stem.key)
    place = Place(run.path, run.partial, attempt.number, sys.executable)
    plan = job.recipe.plan(job.request, place)
    env, unset = environment.build(store, store.settings, os.environ, plan, running, attempt.number, devices)
    return Order(
        nonce=running.claim.nonce,
        argv=plan.argv,
        cwd=str(plan.cwd),
        env=env,
        unset=unset,
        log=str(run.log),
        end=str(run.end(running.claim.nonce)),
        running=str(layout.running(running)),
        beat=str(layout.beat(running)),
        timeout=job.timeout,
        grace=job.grace,
        stop_signal=int(job.recipe.stop_signal),
        heartbeat=store.settings.heartbeat,
        heartbeat_timeout=store.settings.heartbeat_timeout,
        claimed=attempt.claimed,
        idle_timeout=job.envelope.idle_timeout,
        warm=preload.warmth(store.settings.warm, job.recipe.name, plan, env, unset, running),
    )


def end_from(document: dict[str, Any]) -> End:
    """The End in a message or an end record."""
    return End(**{key.name: document[key.name] for key in fields(End) if key.name in document})


def conclude(
    store: Store, attempt: Attempt, end: End, say: Say, stopping: Callable[[], bool] = lambda: False
) -> Verdict | None:
    """Judge the end and move the job on: finished, or back in the queue. None when it went back or was lost to us.

    A disk that refuses is tried again until *stopping*: the claim stands, and the end is on disk, so whoever comes
    next goes on from here.
    """
    while True:
        try:
            return conclude_once(store, attempt, end, say)
        except ClaimLost as error:
            say(f"{attempt.short} fenced: {error}")
            return None
        except OSError as error:
            say(f"cannot record the end of {attempt.short}: {error.strerror or error}. Trying again.")
            if stopping():
                return None
            time.sleep(_DISK_RETRY_S)


def conclude_once(store: Store, attempt: Attempt, end: End, say: Say, *, rebooted: bool = False) -> Verdict | None:
    """`conclude`, one try; raises ClaimLost, and OSError when the disk refuses.

    *rebooted*: the host has started anew since. CRASH: a power cut keeps an end that a shim has synced, and not the
    results that the evaluation has not: then they are lost, and the evaluation is not to blame.
    """
    running, key = attempt.running, attempt.running.stem.key
    cancelled = control.read(store).cancels(key, attempt.job.submitted_by)
    if not stands(store, running):  # before anything is touched: the run folder may be somebody else's by now
        raise ClaimLost("its claim was taken away")
    if end.stopped == "fenced":
        return lose(store, attempt, "its heartbeat could not be written in time", end.started_at, say)
    if end.stopped in ("requeue", "signal") and not cancelled:
        requeue(store, running, f"stopped by {end.stopped}", nonce=attempt.origin, started=True, warn=say)
        say(f"requeued {attempt.short}")
        return None
    verdict = judge(store.layout, store.disk, attempt.job, store.layout.run(key), end, attempt.since, cancelled)
    if rebooted and verdict.outcome == "no_results":
        return lose(store, attempt, "its results did not outlive a restart of the host", end.started_at, say)
    verdict = tell_oom(verdict, end, store.layout.run(key).log, _kills_before(store, attempt))
    if _taken_back(store, attempt, verdict.outcome, end.exit_code, say):
        return None
    write_verdict(store, attempt, verdict, end.started_at, say)
    return verdict


def lose(store: Store, attempt: Attempt, cause: str, started_at: str | None, say: Say) -> Verdict | None:
    """The attempt is lost: back into the queue if it may run again (None), else ended as ``lost``."""
    if _taken_back(store, attempt, "lost", None, say, f": {cause}"):
        return None
    text = f"Evaluation was lost: {cause}; attempt {attempt.number} was the last"
    verdict = Verdict(State.FAILED, "lost", text)
    write_verdict(store, attempt, verdict, started_at, say)
    return verdict


def _taken_back(store: Store, attempt: Attempt, outcome: str, exit_code: int | None, say: Say, cause: str = "") -> bool:
    """Put the job back into the queue, if it may run again after *outcome*; False, and nothing done, if not."""
    next_one = again(store, attempt.running, attempt.origin, attempt.job.retries, outcome, exit_code)
    if next_one is None:
        return False
    running, number = attempt.running, attempt.number
    reclaim(store, running, outcome, nonce=attempt.origin, attempt=number, due=next_one.due, warn=say)
    later = f" until {next_one.due}" if next_one.due else ""
    which = f"attempt {number} of {attempt.job.max_attempts}"
    say(f"reclaimed {attempt.short}: {which} ended as {outcome}{cause}; back in the queue{later}")
    return True


def _kills_before(store: Store, attempt: Attempt) -> int | None:
    """The count of `memory.kills` when the attempt began, if it began here and since this host's last start."""
    line = history.last(history.events(store, attempt.running.stem.key), "claimed", attempt.origin) or {}
    here = str(line.get("worker")).rpartition(".")[0] == store.host and line.get("boot") == process.boot_id()
    count = line.get("oom_kills")
    return count if here and type(count) is int else None


def write_verdict(store: Store, attempt: Attempt, verdict: Verdict, started_at: str | None, say: Say) -> None:
    """Finish the job with its whole record, then its history, then the litter."""
    running, key = attempt.running, attempt.running.stem.key
    record = {
        **blank(store, verdict.state, running.stem),
        **attempt.job.policy,
        **verdict.facts,
        "started_at": started_at,
        "completed_at": store.now(),
        "request": attempt.job.request,
        "result": verdict.result,
        "error": None if verdict.error is None else block(verdict.error),
        "submitted_by": attempt.job.submitted_by,
        "attempt": attempt.number + (attempt.job.envelope.attempts_before or 0),
        "worker": attempt.worker or running.claim.worker,
        "claim": str(running.claim),
        "outcome": verdict.outcome,
        "metrics": verdict.metrics,
        "gpus": (history.last(history.events(store, key), "claimed", attempt.origin) or {}).get("gpus"),
    }
    finish(store, store.layout.running(running), running, record, warn=say)
    _after(store, running, attempt.origin, verdict.outcome, say)
    control.clear_cancels(store, key)


def _after(store: Store, running: Running, origin: str, outcome: str, say: Say) -> None:
    """What follows a commit; the job has ended whatever becomes of it."""
    try:
        history.record(store, running.stem.key, "finished", nonce=running.claim.nonce, outcome=outcome)
        store.disk.unlink(store.layout.run(running.stem.key).end(origin))
    except OSError as error:
        say(f"cannot write the history of {running.stem.uuid[:8]}: {error.strerror}. The job itself is recorded.")


def accept(store: Store, claimed: Claimed) -> Job:
    """The job in a claimed file; raises RequestInvalid for what cannot be run."""
    level = claimed.running.stem.priority
    try:
        trust.check_priority(store.settings, claimed.uid, level)
    except RequestInvalid:
        if not history.was_raised(history.events(store, claimed.running.stem.key), level):
            raise
    from spoolq import requests  # with it comes pydantic, which a watcher of a quiet spool never needs

    job = requests.read(claimed.data, claimed.uid, store.settings)
    if job.envelope.after:
        parents.refuse_circle(store, claimed.running.stem, job.envelope.after)
    return job
