"""The moves that are cut short here: those of the crash suite, and what only a power cut can undo."""

from __future__ import annotations

from spoolq import history
from spoolq.names import Stem
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.crashes import Fate, Move
from tests.spooltest.jobs import submitted
from tests.spooltest.trees import record_of
from tests.test_crash import MOVES as CRASH_MOVES
from tests.test_crash import claim_it, is_queued_unchanged, queued, start_it, state_of


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


MOVES = {
    **CRASH_MOVES,
    "claim": Move(queued, claim_it, _judge_claim),
    "claim and start": Move(queued, start_it, _judge_claim),
    "claim, the only attempt": Move(_queued_once, claim_it, _judge_once),
    "start, the only attempt": Move(_queued_once, start_it, _judge_once),
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
