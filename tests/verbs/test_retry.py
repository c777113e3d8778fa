"""`spoolq retry`."""

import pytest

from tests.verbs.conftest import drain, submit
from tests.verbs.program import spoolq


def test_goes_back_to_its_old_place(ended):
    # Given a job that failed, and one submitted later
    later = submit(ended.spool, "--", "true")
    # When the failed one is retried
    ran = spoolq("retry", ended["exit"])
    # Then it comes first, as if it had never run
    assert ran.out == f"{ended['exit']} queued\n"
    assert [spoolq("position", job).out for job in (ended["exit"], later)] == ["0\n", "1\n"]
    record = spoolq("show", ended["exit"], "--json").json()
    assert (record["status"], record["outcome"], record["exit_code"]) == ("queued", None, None)


def test_runs_again_and_remembers(ended):
    # Given a job that was retried
    spoolq("retry", ended["exit"])
    # When the queue is drained
    drain(ended.spool)
    # Then it has failed again, and its history tells of both
    record = spoolq("show", ended["exit"], "--json").json()
    assert (record["status"], record["exit_code"]) == ("failed", 3)
    out = spoolq("show", ended["exit"]).out
    assert out.count("finished  outcome=exit") == 2 and "retried" in out


def test_a_cancelled_one_keeps_its_priority(ended):
    # Given a job of high priority that was cancelled while it ran, and one of low that was cancelled before
    spoolq("retry", ended["dropped"], ended["stopped"])
    # Then they stand where they stood
    assert spoolq("position", ended["stopped"]).out == "0\n"
    assert spoolq("show", ended["stopped"], "--json").json()["priority"] == "high"
    assert spoolq("show", ended["dropped"], "--json").json()["priority"] == "low"


def test_json(ended):
    assert spoolq("retry", ended["exit"], "--json").json() == {"job_id": ended["exit"], "retry": "queued"}
    assert spoolq("retry", ended["signal"], ended["timed_out"], "--json").json() == [
        {"job_id": ended["signal"], "retry": "queued"},
        {"job_id": ended["timed_out"], "retry": "queued"},
    ]


def test_a_completed_one_is_not_retried_nor_what_stands_beside_it(ended):
    ran = spoolq("retry", ended["exit"], ended["plain"], ok=False)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith(f"spoolq: cannot retry job {ended['plain']}: it is completed. ")
    assert spoolq("show", ended["exit"], "--json").json()["status"] == "failed"


def test_one_that_was_no_request_is_not_retried(ended):
    ran = spoolq("retry", "broken.json", ok=False)
    assert (ran.code, ran.out) == (4, "")
    assert "it is no valid request" in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize("name", ["running", "first"])
def test_one_that_has_not_ended_is_not_retried(busy, name):
    assert spoolq("retry", busy[name], ok=False).code == 4
