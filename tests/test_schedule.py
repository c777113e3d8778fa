"""Which job a worker gets next: priority, utilisation of its type, attempts, id as text."""

import time
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spoolq import schedule as module
from spoolq.claims import claim, reclaim
from spoolq.create import create
from spoolq.jobs import Entry
from spoolq.names import PRIORITIES
from spoolq.people import cancel
from spoolq.pools import Shelf, acquire, shelves
from spoolq.schedule import Schedule
from spoolq.stock import drain
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import needed, submitted
from tests.spooltest.shelves import stocked


def shelf(kind, total, draining=False):
    return Shelf(kind, list(range(total)), [], draining)


def served(store, there, count):
    """The external ids of so many jobs in the order in which they are served, none of them ever done."""
    plan, busy, order = Schedule(store), Counter(), []
    plan.refresh()
    for _ in range(count):
        stem = plan.first(busy, there)
        if stem is None:
            order.append(None)
            continue
        waiting = plan._known[f"{stem}.json"]
        plan.forget(f"{stem}.json")
        busy[waiting.kind] += 1
        order.append(waiting.job_id)
    return order


def test_the_gold_order(store):
    # Given two resources of one type with jobs 0 to 10, job 3 tried twice before, one of another with jobs 11 to 13,
    # and a job of a type that there is not
    for number in range(11):
        needed(store, "a_1", str(number), **({"attempts_before": 2} if number == 3 else {}))
    for number in range(11, 14):
        needed(store, "b_1", str(number))
    needed(store, "none", "14")
    # When they are served, Then in this order
    there = {"a_1": shelf("a_1", 2), "b_1": shelf("b_1", 1)}
    gold = ["0", "11", "1", "10", "12", "2", "13", "4", "5", "6", "7", "8", "9", "3", None, None]
    assert served(store, there, 16) == gold


def test_priority_goes_before_all(store):
    # Given jobs of every priority, the more urgent ones in the busier type and with more attempts
    for place, level in enumerate(reversed(PRIORITIES)):
        needed(store, "a_1", level, priority=level, attempts_before=place)
    needed(store, "b_1", "idle")
    there = {"a_1": shelf("a_1", 1), "b_1": shelf("b_1", 9)}
    # When they are served, Then urgent first, low last
    assert served(store, there, 5) == ["urgent", "high", "idle", "normal", "low"]


def test_a_job_without_an_id_of_its_own_is_known_by_ours(store):
    stem = needed(store, "a_1")
    assert served(store, {"a_1": shelf("a_1", 1)}, 1) == [stem.uuid]


def test_what_is_no_workers_and_what_has_no_resources_is_not_served(store):
    # Given an ordinary job, a drop, a torn file, and jobs of types that are empty, drained or not there
    submitted(store)
    store.layout.drop("drop.json").write_text('{"request": {}, "resource_type": "a_1"}')
    torn = needed(store, "a_1")
    store.layout.queued(torn).write_text('{"request": {')
    for kind in ("empty", "drained", "none"):
        needed(store, kind)
    there = {"a_1": shelf("a_1", 1), "empty": shelf("empty", 0), "drained": shelf("drained", 2, draining=True)}
    # When one is asked for, Then there is none
    plan = Schedule(store)
    plan.refresh()
    assert plan.first({}, there) is None
    assert plan.counts() == {"empty": 1, "drained": 1, "none": 1}
    # When the torn one is whole, and the drained one open, Then both are served
    store.layout.queued(torn).write_text('{"request": {}, "resource_type": "a_1"}')
    plan.refresh()
    assert plan.first({}, there) == torn
    there["drained"] = shelf("drained", 2)
    assert plan.first({"a_1": 1}, there) is not None
    assert served(store, there, 3)[2] is None


def test_leased_resources_are_resources_all_the_same(store):
    # Given a pool in which all is leased, When a job is looked for, Then it is served: a worker loads, then waits
    stocked(store, count=1)
    acquire(store, "a_1", "w", "j")
    stem = needed(store, "a_1")
    plan = Schedule(store)
    plan.refresh()
    assert plan.first({}, shelves(store)) == stem
    drain(store, "a_1")
    assert plan.first({}, shelves(store)) is None


def test_what_leaves_and_what_comes_is_seen_at_the_next_look(store):
    # Given a schedule that has been made
    there = {"a_1": shelf("a_1", 1)}
    first, second = needed(store, "a_1", "1"), needed(store, "a_1", "2")
    plan = Schedule(store)
    plan.refresh()
    # When the first is cancelled and an earlier one comes, Then that is next
    cancel(store, Entry(State.QUEUED, first))
    early = needed(store, "a_1", "0")
    plan.refresh()
    assert plan.counts() == {"a_1": 2}
    assert plan.first({}, there) == early
    # When it is gone without a look, Then it is not chosen
    store.layout.queued(early).unlink()
    assert plan.first({}, there) == second


def test_a_job_that_was_tried_meanwhile_is_behind_the_others(store):
    # Given a schedule, and its first job claimed and given up behind its back
    there = {"a_1": shelf("a_1", 1)}
    first, second = needed(store, "a_1", "1"), needed(store, "a_1", "2")
    plan = Schedule(store)
    plan.refresh()
    taken = claim(store, first, "worker", host="w")
    reclaim(store, taken.running, "lost", nonce=taken.running.claim.nonce, attempt=1)
    plan.refresh()
    # When the next is asked for, Then it is the other, as the attempts say
    assert plan.first({}, there) == second


def test_a_file_is_read_once(store, monkeypatch):
    # Given a schedule that has been made, When it is made again, Then nothing is read again
    for number in range(5):
        needed(store, "a_1", str(number))
    submitted(store)
    plan = Schedule(store)
    plan.refresh()
    monkeypatch.setattr(module, "need_of", None)
    plan.refresh()
    assert plan.first({}, {"a_1": shelf("a_1", 1)}) is not None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 2), st.sampled_from([*PRIORITIES])), max_size=12
    ),
    totals=st.fixed_dictionaries({}, optional={kind: st.integers(1, 3) for kind in "abc"}),
)
def test_the_order_is_that_of_a_plain_sort(tmp_path_factory, rows, totals):
    # Given any jobs and resources
    root = tmp_path_factory.mktemp("plain") / "spool"
    create(root)
    store = Store(root)
    jobs = {}
    for number, (kind, before, level) in enumerate(rows):
        needed(store, kind, str(number), priority=level, attempts_before=before)
        jobs[str(number)] = (kind, before, list(PRIORITIES).index(level))
    # When they are served, Then as if all that wait were sorted each time
    busy, expected = Counter(), []
    while True:
        ranks = [
            (level, busy[kind] / totals[kind], before, job)
            for job, (kind, before, level) in jobs.items()
            if kind in totals
        ]
        if not ranks:
            break
        job = min(ranks)[-1]
        busy[jobs.pop(job)[0]] += 1
        expected.append(job)
    there = {kind: shelf(kind, total) for kind, total in totals.items()}
    assert served(store, there, len(expected) + 1) == [*expected, None]


def test_ten_thousand_jobs_are_chosen_from_in_a_moment(store):
    # Given ten thousand jobs of fifty types
    text = '{"request": {"task": "t"}, "resource_type": "a_%d", "external_id": "%d"}'
    stem = needed(store)
    store.layout.queued(stem).unlink()
    for number in range(10_000):
        name = f"20260101T000000.{number:06d}Z-{stem.uuid[:-6]}{number:06x}.json"
        store.layout.drop(name).write_text(text % (number % 50, number))
    there = {f"a_{kind}": shelf(f"a_{kind}", 4) for kind in range(50)}
    plan = Schedule(store)
    began = time.monotonic()
    plan.refresh()
    first = time.monotonic() - began
    # When they are chosen from again and again, Then each time takes milliseconds
    began = time.monotonic()
    for _ in range(10):
        plan.refresh()
        assert plan.first({}, there) is not None
    each = (time.monotonic() - began) / 10
    assert first < 20 and each < 0.25, (first, each)


def test_a_job_that_a_gate_holds_lets_those_behind_it_go(store):
    # Given three jobs of one type, the first of which waits for a moment, the second for the third
    late = needed(store, "a_1", "1", not_before="2999-01-01T00:00:00Z")
    third = needed(store, "a_1", "3")
    needed(store, "a_1", "2", after=[third.uuid])
    plan, there = Schedule(store), {"a_1": shelf("a_1", 4)}
    # When they are asked for, Then the third is served, and the others are not ready
    plan.refresh()
    assert plan.first({}, there) == third
    assert (plan.counts(), plan.ready()) == ({"a_1": 3}, {"a_1": 1})
    # When it is gone from the spool, Then its child may be had: it must end
    cancel(store, Entry(State.QUEUED, third))
    plan.refresh()
    assert plan.ready() == {"a_1": 1}
    assert plan.first({}, there).uuid not in (late.uuid, third.uuid)


def test_a_pause_after_a_failed_attempt_is_kept(store):
    # Given a job that a worker has lost, and that is to pause
    stem = needed(store, "a_1", "1", backoff=600)
    claimed = claim(store, stem, "worker")
    due = "2999-01-01T00:00:00+00:00"
    reclaim(store, claimed.running, "lost", nonce=claimed.running.claim.nonce, attempt=1, due=due)
    plan = Schedule(store)
    plan.refresh()
    # When it is asked for, Then it is not served
    assert plan.first({}, {"a_1": shelf("a_1", 1)}) is None
