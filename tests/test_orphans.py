"""A job that can never run, and one that is held, cut short at every step of their ends: no attempt is ever burnt."""

import pytest

from spoolq.attempt import accept
from spoolq.claims import Claimed, claim
from spoolq.errors import ClaimLost
from spoolq.history import attempts, events
from spoolq.names import Stem
from spoolq.orphans import end_orphan
from spoolq.store import Store
from spoolq.transitions import State
from spoolq.upcoming import Upcoming
from tests.spooltest.crashes import WAYS, Fate, Move, points_of, steps_of, try_point
from tests.spooltest.jobs import say, submitted
from tests.spooltest.trees import places, queue, record_of

NOWHERE = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


def orphan(store: Store) -> Stem:
    """A job of one attempt whose parent is nowhere."""
    return submitted(store, after=[NOWHERE], max_attempts=1)


def claimed_by_a_runner(store: Store, stem: Stem) -> Claimed:
    """A claim; ESTALE means that somebody else has it."""
    taken = claim(store, stem, "gpu0")
    if taken is None:
        raise ClaimLost("somebody else has it")
    return taken


def end_it(store: Store, stem: Stem) -> None:
    taken = claimed_by_a_runner(store, stem)
    assert end_orphan(store, taken.running, accept(store, taken), say)


def judge_ended(store: Store, stem: Stem, fate: Fate) -> str:
    # Then it waits as before, or has ended for its parent's sake; either way it has had no attempt
    assert attempts(events(store, stem.key)) == 0
    (state,) = places(store)[stem.uuid]
    if state is State.QUEUED:
        assert not fate.returned
    else:
        record = record_of(store, stem.uuid)
        assert (record["status"], record["outcome"], record["attempt"]) == ("failed", "dependency_failed", 0)
    return stem.uuid


def child(store: Store) -> Stem:
    """A job of one attempt that comes after one that is queued."""
    return submitted(store, after=[queue(store)[0]], max_attempts=1)


def give_it_back(store: Store, stem: Stem) -> None:
    """A runner that has claimed it unseen."""
    taken = claimed_by_a_runner(store, stem)
    assert Upcoming(store, "gpu0", say).left(taken.running, accept(store, taken)) is not None


def judge_given_back(store: Store, stem: Stem, _fate: Fate) -> str:
    assert places(store)[stem.uuid] == [State.QUEUED]
    assert attempts(events(store, stem.key)) == 0
    return stem.uuid


MOVES = {
    "ended for its parent's sake": Move(orphan, end_it, judge_ended),
    "given back": Move(child, give_it_back, judge_given_back),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MOVES)
def test_cut_short_at_any_step_no_attempt_is_burnt_and_the_job_is_in_one_state(tmp_path, name, way):
    # Given each file system call of the move, When it is cut short there and a watcher comes back
    move = MOVES[name]
    points = points_of(way, steps_of(tmp_path / "whole", move))
    assert points
    # Then nothing is lost, and nothing is left
    for step in range(1, points + 1):
        try_point(tmp_path / str(step), move, way, step)
