"""The line of statistics, as the original queue prints it."""

import pytest

from spoolq import figures as module
from spoolq.figures import Ended, Figures
from spoolq.jobs import Entry
from spoolq.pools import acquire
from spoolq.prune import prune
from spoolq.replay import settle_recordless
from spoolq.transitions import State
from spoolq.workers import Workers
from tests.spooltest.jobs import ended, needed, say, submitted
from tests.spooltest.shelves import stocked


@pytest.fixture
def workers(store):
    return Workers(store, say)


def test_an_empty_spool_has_zeros(workers):
    line, warnings = Figures(workers).lines()
    assert line == (
        "Jobs: 0 | Pending jobs: 0 | In progress: 0 | Finished jobs: 0 | Resource pools: 0 | Resource counts: {} | "
        "Resource utilization by resource type: {} | In-progress jobs per resource type: {}"
    )
    assert warnings == []


def test_all_is_counted(store, workers):
    # Given jobs that wait, are in progress, done and failed, ordinary ones, and leases
    stocked(store, "a_1", 3)
    stocked(store, "b_1", 1)
    for number in range(6):
        needed(store, "a_1", str(number))
    needed(store, "b_1", "6")
    needed(store, "none", "7")
    needed(store, "none", "8")
    submitted(store)
    ended(store, submitted(store))
    given = [workers.take("w") for _ in range(5)]
    workers.done(given[0].job_id, "w", None, None)
    workers.fail(given[2].job_id, "w", "no", None)
    acquire(store, "a_1", "w", "1")
    # When the line is made, Then it has them
    lines = Figures(workers)
    line, warnings = lines.lines()
    busy = {"a_1": 2, "b_1": 1}
    assert line == (
        "Jobs: 9 | Pending jobs: 4 | In progress: 3 | Finished jobs: 1 | Resource pools: 2 | "
        "Resource counts: {'a_1': 3, 'b_1': 1} | "
        "Resource utilization by resource type: {'a_1': '1/3 (33.3%)', 'b_1': '0/1 (0.0%)'} | "
        f"In-progress jobs per resource type: {busy}"
    )
    assert warnings == [
        "No resources of type none: 2 jobs wait for them in vain. Add some with `spoolq pool add none`."
    ]
    # When ended jobs are pruned, Then they are counted no longer
    prune(store)
    assert lines.lines()[0].startswith("Jobs: 7 | Pending jobs: 4 | In progress: 3 | Finished jobs: 0 | ")


def test_one_job_waits(store, workers):
    needed(store, "none", "7")
    assert Figures(workers).lines()[1] == [
        "No resources of type none: 1 job waits for them in vain. Add some with `spoolq pool add none`."
    ]


def test_ended_jobs_are_read_once_and_a_few_at_a_time(store, workers, monkeypatch):
    # Given more ended jobs than may be read at once
    stocked(store)
    for number in range(4):
        needed(store, "a_1", str(number))
        workers.take("w")
        workers.done(str(number), "w", None, None)
    moments = iter(range(1000))
    counts = Ended(store, clock=lambda: next(moments) * 0.3)
    # When they are counted again and again, Then all are in the end
    seen = [counts.counts()[State.COMPLETED] for _ in range(5)]
    assert seen[0] < 4 and sorted(seen) == seen and seen[-1] == 4
    # and none is read again
    monkeypatch.setattr(module, "terminal_record", None)
    assert counts.counts()[State.COMPLETED] == 4


def test_an_end_without_its_record_is_counted_when_it_has_one(store):
    # Given a file that was moved to its end by hand
    stem = needed(store)
    store.layout.queued(stem).rename(store.layout.terminal(State.COMPLETED, stem.key))
    counts = Ended(store)
    assert counts.counts()[State.COMPLETED] == 0
    # When it has its record, Then it counts
    store.server_time = lambda: store.layout.terminal(State.COMPLETED, stem.key).stat().st_ctime + 7200
    assert settle_recordless(store, Entry(State.COMPLETED, stem)) is not None
    assert counts.counts()[State.COMPLETED] == 1
