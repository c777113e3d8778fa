"""`spoolq priority`."""

import pytest

from tests.verbs.conftest import submit
from tests.verbs.program import spoolq


@pytest.fixture
def jobs(spool):
    return [submit(spool, "--", "true") for _ in range(4)]


def order(jobs):
    """The jobs by number, in the order of service."""
    return [jobs.index(record["job_id"]) for record in spoolq("list", "--state", "queued", "--json").json()]


def test_prints_the_new_place(jobs):
    assert spoolq("priority", jobs[3], "urgent").out == "0\n"
    assert spoolq("priority", jobs[0], "low").out == "3\n"
    assert order(jobs) == [3, 1, 2, 0]


def test_of_one_level_the_older_comes_first(jobs):
    # When two are made urgent, the younger one first
    spoolq("priority", jobs[3], "urgent")
    assert spoolq("priority", jobs[1], "urgent").out == "0\n"
    # Then age decides between them
    assert order(jobs) == [1, 3, 0, 2]


def test_levels_and_the_way_back(jobs):
    # When each has another level
    for job, level in zip(jobs, ("low", "normal", "high", "urgent"), strict=True):
        spoolq("priority", job, level)
    assert order(jobs) == [3, 2, 1, 0]
    # And all become normal again
    for job in jobs:
        spoolq("priority", job, "normal")
    # Then all is as it was
    assert order(jobs) == [0, 1, 2, 3]


def test_the_same_level_again_is_no_error(jobs):
    assert spoolq("priority", jobs[1], "normal").out == "1\n"


def test_json(jobs):
    said = spoolq("priority", "last", "high", "--json").json()
    assert said == {"job_id": jobs[3], "priority": "high", "position_in_queue": 0}
    assert spoolq("show", "last", "--json").json()["priority"] == "high"


def test_where_the_operator_must_do_it_that_is_said(jobs, monkeypatch):
    # Given a spool whose files we may not move, as members of a shared one
    from spoolq import people

    monkeypatch.setattr(people, "_must_ask", lambda store: True)
    # When a job is to be moved
    ran = spoolq("priority", jobs[3], "urgent", "--json")
    # Then the answer is what is so now, and that it was asked for
    assert ran.json() == {"job_id": jobs[3], "priority": "normal", "position_in_queue": 3}
    assert ran.err == "spoolq: requested; the operator's `spoolq run` will do it\n"


def test_no_such_level(jobs):
    ran = spoolq("priority", jobs[0], "highest", ok=False)
    assert (ran.code, ran.out) == (2, "")
    assert "Invalid value for LEVEL: 'highest' is none of urgent, high, normal, low" in ran.err
    assert order(jobs) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["exit", "plain"])
def test_an_ended_job_has_none_to_change(ended, name):
    assert spoolq("priority", ended[name], "high", ok=False).code == 4


def test_a_running_job_has_none_to_change(busy):
    ran = spoolq("priority", busy["running"], "urgent", ok=False)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.endswith("it is running. Only queued jobs have a place to change.\n")
