"""What is expected, held against queues whose fate is known."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from spoolq.forecast import forecast, left_of
from spoolq.names import key_names
from spoolq.took import Like, Past
from spoolq.transitions import State
from tests.spooltest.past import completed, request

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(name, since=None, progress=None, resource_type=None, timeout=None, **of):
    started = None if since is None else (NOW - timedelta(seconds=since)).isoformat()
    facts = {"job_id": name, "recipe": "lm-eval", "request": request(**of), "timeout": timeout}
    return {**facts, "started_at": started, "progress": progress, "resource_type": resource_type}


def past_of(store, *seconds, **of):
    for took in seconds:
        completed(store, took, **of)
    past = Past(store)
    past.refresh(key_names(store.names(State.COMPLETED)))
    return past


def look(past, running=(), idle=0, waiting=(), rest=0, limit=None):
    return forecast(past, NOW.timestamp(), running, idle, waiting, rest, limit)


def test_a_queue_behind_one_slot_is_worked_off_in_its_order(store):
    # Given jobs that always take a minute, one of which has run for twenty seconds
    past = past_of(store, 60, 60, 60)
    # When two wait
    seen = look(past, [job("r", since=20)], 0, [job("a"), job("b")])
    # Then each begins when the one before it ends
    assert seen.ends["r"] == pytest.approx((40, 40))
    assert seen.starts["a"] == pytest.approx((40, 40)) and seen.ends["a"] == pytest.approx((100, 100))
    assert seen.starts["b"] == pytest.approx((100, 100)) and seen.done == pytest.approx((160, 160))
    assert seen.facts("b")["expected_end"] == {"p50": "2026-01-01T00:02:40+00:00", "p90": "2026-01-01T00:02:40+00:00"}
    assert seen.facts("b")["expected_from"] == {"like": "recipe, model, tasks and limit", "jobs": 3}


def test_two_slots_work_side_by_side(store):
    past = past_of(store, 60)
    seen = look(past, [job("r", since=50)], 1, [job("a"), job("b"), job("c")])
    assert [seen.starts[name][0] for name in "abc"] == pytest.approx([0, 10, 60])


def test_each_waits_by_its_own_kind(store):
    # Given a quick model and a slow one
    past_of(store, 10, model="quick")
    past = past_of(store, 1000, model="slow")
    seen = look(past, [], 1, [job("a", model="slow"), job("b", model="quick"), job("c", model="quick")])
    assert [seen.ends[name][0] for name in "abc"] == pytest.approx([1000, 1010, 1020])


def test_without_a_past_there_is_no_figure(store):
    # Given nothing that completed, When something runs and waits, Then nothing is expected of it
    seen = look(past_of(store), [job("r", since=20)], 1, [job("a")], 5)
    assert seen.starts == seen.ends == {} and seen.done is None
    assert seen.facts("a", 0) == {"expected_start": None, "expected_end": None, "expected_from": None}


def test_without_a_slot_nothing_begins(store):
    seen = look(past_of(store, 60), [], 0, [job("a")])
    assert seen.starts == {} and seen.done is None


def test_remote_workers_take_no_slot_of_ours(store):
    seen = look(past_of(store, 60), [job("r", since=20, resource_type="arm")], 0, [job("a")])
    assert seen.ends["r"] == pytest.approx((40, 40)) and seen.starts == {}


def test_the_time_out_is_the_longest_that_is_expected(store):
    past = past_of(store, 500)
    seen = look(past, [], 1, [job("a", timeout=100.0), job("b")], limit=200.0)
    assert seen.ends["a"][0] == pytest.approx(100) and seen.ends["b"][0] == pytest.approx(300)


class TestWhatARunningJobMayStillTake:
    LIKE = Like("recipe", [60.0, 80.0, 100.0])

    def left(self, record, like=LIKE):
        return left_of(record, like, NOW.timestamp(), None)

    def test_by_those_that_took_longer(self):
        assert self.left(job("r", since=70)).seconds == [10.0, 30.0]

    def test_by_its_bar_and_the_past_the_fuller_the_more_by_the_bar(self):
        # Given a bar that is a quarter full and says 200 s, and a past that says 90
        progress = {"stage": "x", "percent": 25, "done": "1", "total": "4", "remaining": 200.0}
        found = self.left(job("r", since=10, progress=progress), Like("recipe", [100.0]))
        assert found.seconds == [0.75 * 90 + 0.25 * 200] and found.certain

    def test_by_its_bar_in_proportion_when_that_names_no_rest(self):
        # Given no past, and a bar that is a fifth full after ten seconds
        found = self.left(job("r", since=10, progress={"percent": 20, "done": None, "total": None}), None)
        # Then forty are left, and nobody knows how surely
        assert found.seconds == pytest.approx([40.0]) and not found.certain

    def test_at_any_moment_when_it_has_run_longer_than_all(self):
        found = self.left(job("r", since=200))
        assert found.seconds == [0.0] and not found.certain

    def test_unknown_without_past_and_bar(self):
        assert self.left(job("r", since=200), None) is None
        assert self.left(job("r", since=200, progress={"percent": 1, "done": None, "total": None}), None) is None


def test_who_waits_for_an_overdue_job_is_told_no_certainty(store):
    seen = look(past_of(store, 60), [job("r", since=90)], 0, [job("a")])
    assert seen.ends["r"] == (0, None) and seen.starts["a"] == (0, None)
    assert seen.facts("a")["expected_start"] == {"p50": "2026-01-01T00:00:00+00:00", "p90": None}


def test_the_figures_are_those_of_queues_that_were_worked_off(store):
    # Given durations of a wide spread, and 12 jobs before 3 slots
    dice = random.Random(5)
    took = [dice.lognormvariate(4, 0.5) for _ in range(40)]
    seen = look(past_of(store, *took), [], 3, [job(str(number)) for number in range(12)])
    # When such queues are worked off in earnest, many times, with durations of the same kind
    ends = []
    for _ in range(2000):
        slots = [0.0] * 3
        for _ in range(12):
            first = slots.index(min(slots))
            slots[first] += dice.choice(took)
        ends.append(max(slots))
    # Then half of them are done by p50, and nine tenths by p90, within the error of 200 rounds
    by = [sum(end <= seen.done[which] for end in ends) / len(ends) for which in (0, 1)]
    assert by == pytest.approx([0.5, 0.9], abs=0.12)


def test_what_is_behind_those_played_through_goes_on_from_them(store):
    # Given 60 jobs of one kind, once all played through, once only the first 20
    dice = random.Random(6)
    past = past_of(store, *(dice.uniform(50, 150) for _ in range(30)))
    jobs = [job(str(number)) for number in range(60)]
    whole, part = look(past, [], 2, jobs), look(past, [], 2, jobs[:20], 40)
    # Then the closed form tells of the last what playing it through does, to a few per cent
    deep = part.facts("59", 39)
    assert part.done == pytest.approx(whole.done, rel=0.05)
    assert part.deep.span(39) == pytest.approx(whole.starts["59"], rel=0.05)
    assert deep["expected_start"]["p50"] < deep["expected_start"]["p90"] < deep["expected_end"]["p90"]


def test_the_same_picture_gives_the_same_figures(store):
    past = past_of(store, 10, 20, 40)
    assert look(past, [], 1, [job("a"), job("b")]).done == look(past, [], 1, [job("a"), job("b")]).done


def test_a_moment_beyond_the_calendar_is_cut(store):
    seen = look(past_of(store, 86400 * 365), [], 1, [job("a")], 10_000)
    assert seen.span(seen.done)["p50"].startswith("2035")
