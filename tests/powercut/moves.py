"""The moves that are cut short here: those of the crash suite, and what only a power cut can undo."""

from __future__ import annotations

from spoolq import control, history
from spoolq.attempt import Attempt
from spoolq.jobs import Entry
from spoolq.names import Stem
from spoolq.store import Store
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
    start_it,
    state_of,
)


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


MOVES = {
    **CRASH_MOVES,
    "claim": Move(queued, claim_it, _judge_claim),
    "claim and start": Move(queued, start_it, _judge_claim),
    "claim, the only attempt": Move(_queued_once, claim_it, _judge_once),
    "start, the only attempt": Move(_queued_once, start_it, _judge_once),
    "retry": Move(failed, retry_it, _judge_retried),
    "ask for a cancel": Move(orphaned, _ask_for_cancel, _judge_asked),
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
