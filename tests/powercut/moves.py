"""The moves that are cut short here: those of the crash suite, and what only a power cut can undo."""

from __future__ import annotations

import json

from spoolq import control, history
from spoolq.attempt import Attempt
from spoolq.jobs import Entry
from spoolq.names import Stem
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import State
from tests.spooltest.crashes import Fate, Move
from tests.spooltest.jobs import submitted
from tests.spooltest.trees import record_of
from tests.test_crash import MOVES as CRASH_MOVES
from tests.test_crash import (
    claim_it,
    failed,
    is_queued_unchanged,
    judge_retried,
    orphaned,
    queued,
    retry_it,
    start_and_die,
    start_it,
    state_of,
)

_SCORES = {"task": {"acc": 0.5}}


def _judge_claim(store: Store, stem: Stem, fate: Fate) -> str:
    # Then an attempt that could have begun is counted, and the job waits as before
    is_queued_unchanged(store, stem)
    counted = history.attempts(history.events(store, stem.key))
    assert counted == 1 or (counted == 0 and not fate.returned), f"{counted} attempts are counted"
    return stem.uuid


def _queued_once(store: Store) -> Stem:
    return submitted(store, max_attempts=1)


def _judge_once(store: Store, stem: Stem, fate: Fate) -> str:
    # Then its only attempt is not given a second time
    if state_of(store, stem.uuid) is State.QUEUED:
        assert not fate.returned, "it would run again"
        assert history.attempts(history.events(store, stem.key)) == 0
    else:
        record = record_of(store, stem.uuid)
        assert (record["outcome"], record["attempt"]) == ("lost", 1)
    return stem.uuid


def _ask_for_cancel(store: Store, attempt: Attempt) -> None:
    control.request(store, "cancel", attempt.running.stem.key)


def _judge_asked(store: Store, attempt: Attempt, fate: Fate) -> str:
    # Then the cancel that was acknowledged is carried out by whoever recovers the job
    job = attempt.running.stem.uuid
    if state_of(store, job) is State.QUEUED:
        assert not fate.returned, "the request is gone"
    else:
        assert record_of(store, job)["outcome"] == "cancelled"
    return job


def _pause(store: Store, _stem: Stem) -> None:
    assert control.pause(store, 0)


def _judge_paused(store: Store, stem: Stem, fate: Fate) -> str:
    assert control.read(store).paused or not fate.returned, "it is not paused"
    assert control.pause_facts(store) != {}, "half a request"
    is_queued_unchanged(store, stem)
    return stem.uuid


def _judge_retried(store: Store, context: tuple[Entry, bytes], fate: Fate) -> str:
    # Then a job that waits again has its attempts forgiven
    job = judge_retried(store, context, fate)
    if state_of(store, job) is State.QUEUED:
        assert history.last(history.events(store, context[0].stem.key), "retried"), "its attempts are not forgiven"
    return job


def _with_results(store: Store) -> Attempt:
    attempt = start_and_die(store, publish(store, {"command": ["true"], "results": "results.json"}))
    history.record(store, attempt.running.stem.key, "started", nonce=attempt.origin, pid=1, start_time=1)
    return attempt


def _end_without_runner(store: Store, attempt: Attempt) -> None:
    """As a shim that has lost its runner: the end is synced, the results are the evaluation's own affair."""
    run = store.layout.run(attempt.running.stem.key)
    (run.partial / "results.json").write_text(json.dumps({"results": _SCORES}))
    end = {"nonce": attempt.origin, "started_at": store.now(), "exit_code": 0}
    temporary = run.path / "end.tmp"
    store.disk.write_new(temporary, json.dumps(end).encode())
    store.disk.rename(temporary, run.end(attempt.origin))


def _judge_end(store: Store, attempt: Attempt, _fate: Fate) -> str:
    # Then it has its scores, or runs again: it never fails because the power took its results
    job = attempt.running.stem.uuid
    if state_of(store, job) is State.QUEUED:
        assert history.attempts(history.events(store, attempt.running.stem.key)) == 1
    else:
        assert record_of(store, job)["metrics"] == _SCORES
    return job


MOVES = {
    **CRASH_MOVES,
    "claim": Move(queued, claim_it, _judge_claim),
    "claim and start": Move(queued, start_it, _judge_claim),
    "claim, the only attempt": Move(_queued_once, claim_it, _judge_once),
    "start, the only attempt": Move(_queued_once, start_it, _judge_once),
    "retry": Move(failed, retry_it, _judge_retried),
    "ask for a cancel": Move(orphaned, _ask_for_cancel, _judge_asked),
    "end without a runner": Move(_with_results, _end_without_runner, _judge_end),
    "pause": Move(queued, _pause, _judge_paused),
}
#: The moves without which there is no queue: cut on every file system in every way. The others once.
CORE = (
    "submit",
    "admit",
    "claim, the only attempt",
    "start, the only attempt",
    "requeue",
    "reclaim",
    "conclude",
    "finish, failed again",
    "cancel",
    "retry",
    "prioritise",
    "prune",
)
