"""Waiting for jobs to end: all or any, through requeues and retries, not a moment too early."""

import time

import pytest

from spoolq.claims import back
from spoolq.errors import JobAmbiguous, JobNotFound, WaitTimeout
from spoolq.find import find
from spoolq.names import Stem
from spoolq.people import cancel
from spoolq.transitions import State
from spoolq.waiting import wait
from tests.spooltest.jobs import claimed, ended, opened, retried, submitted
from tests.spooltest.waiting import pass_tick, wait_for


class Story:
    """A clock at which things happen: the nth look at it is the nth of *acts*."""

    def __init__(self, *acts) -> None:
        self.acts = list(acts)

    def __call__(self) -> float:
        if self.acts:
            self.acts.pop(0)()
        return time.monotonic()


def nothing() -> None:
    """Nothing happens."""


def test_jobs_that_have_ended_are_given_at_once_in_the_order_asked_for(store):
    # Given jobs that ended in every way
    entries = [ended(store, submitted(store), outcome) for outcome in ("exit", "succeeded", "cancelled")]
    # When they are waited for in another order, Then the records come in that
    asked = [entries[2].stem.uuid, entries[0].stem.uuid[:8], entries[1].stem.key]
    records = wait(store, asked, timeout=0)
    assert [record["outcome"] for record in records] == ["cancelled", "exit", "succeeded"]


def test_it_waits_until_the_last_has_ended(store):
    # Given one job that has ended and one that ends after a few looks
    first, second = ended(store, submitted(store)), submitted(store)
    story = Story(nothing, nothing, nothing, lambda: ended(store, second))
    # When both are waited for, Then both records come
    records = wait(store, [first.stem.uuid, second.uuid], timeout=10, clock=story)
    assert [record["job_id"] for record in records] == [first.stem.uuid, second.uuid]
    assert story.acts == []


def test_any_one_is_enough_when_asked_for(store):
    # Given two queued jobs of which the second ends
    first, second = submitted(store), submitted(store)
    story = Story(nothing, nothing, lambda: ended(store, second, "exit"))
    records = wait(store, [first.uuid, second.uuid], timeout=10, any_one=True, clock=story)
    assert [record["job_id"] for record in records] == [second.uuid]


def test_a_job_that_does_not_end_is_a_timeout(store):
    # Given a queued job and a running one, and one that has ended
    jobs = [submitted(store).uuid, claimed(store, submitted(store)).running.stem.uuid]
    jobs.append(ended(store, submitted(store)).stem.uuid)
    began = time.monotonic()
    # When they are waited for in vain, Then it takes as long as was asked for, and says how many are left
    with pytest.raises(WaitTimeout, match=r"2 jobs are still active after 0\.2 s") as caught:
        wait(store, jobs, timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 2
    assert caught.value.exit_code == 75


def test_a_timeout_of_nothing_is_one_look(store):
    # Given a queued job, When it is waited for no time, Then that is a timeout at once
    job = submitted(store).uuid
    with pytest.raises(WaitTimeout):
        wait(store, [job], timeout=0)


def test_a_job_without_its_record_has_not_ended(store):
    # Given a job that was moved to its end and whose record is being written
    stem = submitted(store)
    store.layout.queued(stem).rename(store.layout.terminal(State.FAILED, stem.key))
    # When it is waited for, Then it is still waited for
    with pytest.raises(WaitTimeout):
        wait(store, [stem.uuid], timeout=0.1)


def test_it_goes_on_through_a_requeue(store):
    # Given a running job that goes back to the queue, is claimed again, and ends
    taken = claimed(store, submitted(store))
    stem = taken.running.stem
    story = Story(nothing, nothing, lambda: back(store, taken.running), nothing, lambda: ended(store, stem))
    records = wait(store, [stem.uuid], timeout=10, clock=story)
    assert records[0]["outcome"] == "succeeded"


def test_a_retried_job_is_waited_for_again(store):
    # Given two jobs of which the first has failed
    first, second = ended(store, submitted(store), "exit"), submitted(store)

    def end_both() -> None:
        ended(store, find(store, first.stem.uuid).stem)
        ended(store, second)

    # When it is retried while both are waited for, Then its second end counts
    story = Story(nothing, nothing, lambda: retried(store, first), nothing, end_both)
    records = wait(store, [first.stem.uuid, second.uuid], timeout=10, clock=story)
    assert [record["outcome"] for record in records] == ["succeeded", "succeeded"]


def test_the_same_job_named_twice_is_one(store):
    # Given an ended job, When it is waited for by two names, Then it comes once
    entry = ended(store, submitted(store))
    assert len(wait(store, [entry.stem.uuid, entry.stem.uuid[:8]], timeout=0)) == 1


def test_no_jobs_are_no_wait(store):
    # Given no jobs, When they are waited for, Then that is over
    assert wait(store, [], timeout=0) == []


def test_a_job_that_is_not_there_is_an_error_at_once(store):
    # Given no job, and two that begin alike, When they are waited for, Then the error comes first
    with pytest.raises(JobNotFound):
        wait(store, ["1b4e28ba"])
    for uuid in ("1b4e28ba-2fa1-4d2b-883f-0016d3cca427", "1b4e28ba-2fa1-4d2b-883f-ffffffffffff"):
        store.layout.queued(Stem("", "20261120T120730.123456Z", uuid)).write_text("{}")
    with pytest.raises(JobAmbiguous):
        wait(store, ["1b4e"])


def test_a_job_that_is_pruned_meanwhile_is_an_error(store):
    # Given a job that vanishes, When somebody is at it, Then he is told that there is none
    stem = submitted(store)
    story = Story(nothing, nothing, lambda: store.layout.queued(stem).unlink())
    with pytest.raises(JobNotFound, match=stem.key):
        wait(store, [stem.uuid], timeout=10, clock=story)


def test_a_cancelled_job_has_ended(store):
    # Given a job that is cancelled meanwhile, When it is waited for, Then that is its end
    stem = submitted(store)
    story = Story(nothing, nothing, lambda: cancel(store, find(store, stem.uuid)))
    assert wait(store, [stem.uuid], timeout=10, clock=story)[0]["outcome"] == "cancelled"


class TestWaitFor:
    """The tests' own way of waiting."""

    def test_it_returns_when_the_condition_holds(self):
        # Given a condition that holds at the third look, When it is waited for, Then there are three looks
        looks = []
        wait_for(lambda: looks.append(1) or len(looks) == 3)
        assert len(looks) == 3

    def test_it_gives_up_with_a_message(self):
        # Given a condition that never holds, When it is waited for, Then the message says what was waited for
        with pytest.raises(AssertionError, match=r"waited 0\.02 s in vain for the moon"):
            wait_for(lambda: False, timeout=0.02, what="the moon")

    def test_after_a_tick_files_are_stamped_later(self, tmp_path):
        # Given a moment, When a tick has passed, Then a new file is younger than that
        before = time.time()
        pass_tick()
        (tmp_path / "a").touch()
        assert (tmp_path / "a").stat().st_ctime > before


def test_opening_an_attempt_is_no_end(store):
    # Given a running job, When it is waited for, Then it has not ended
    attempt = opened(store, claimed(store, submitted(store)))
    with pytest.raises(WaitTimeout):
        wait(store, [attempt.running.stem.uuid], timeout=0)
