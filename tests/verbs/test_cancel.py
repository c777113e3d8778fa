"""`spoolq cancel`."""

import pytest

from tests.verbs.conftest import submit
from tests.verbs.program import spoolq


def test_a_queued_job_ends_at_once(spool):
    # Given two jobs
    first, second = submit(spool, "--", "true"), submit(spool, "--", "true")
    # When one is cancelled
    ran = spoolq("cancel", first)
    # Then it has ended, and the other has not
    assert ran.out == f"{first} cancelled\n"
    record = spoolq("show", first, "--json").json()
    assert (record["status"], record["outcome"], record["attempt"]) == ("cancelled", "cancelled", 0)
    assert spoolq("position", second).out == "0\n"


def test_for_a_running_job_it_is_requested_and_then_done(spool, run_it):
    # Given a job that runs and will not end by itself
    job = submit(spool, "--", "sleep", "300")
    run_it(spool, job)
    # When it is cancelled
    ran = spoolq("cancel", job, "--json")
    # Then the answer is that it was asked for, and `wait` tells when it is done
    assert ran.json() == {"job_id": job, "cancel": "requested"}
    assert spoolq("wait", "--timeout", "20s", job, ok=False).out == f"{job} cancelled\n"
    assert spoolq("show", job, "--json").json()["attempt"] == 1


def test_json_of_several_is_a_list(spool):
    jobs = [submit(spool, "--", "true") for _ in range(2)]
    assert spoolq("cancel", *jobs, "--json").json() == [{"job_id": job, "cancel": "cancelled"} for job in jobs]


def test_a_job_named_twice_is_cancelled_once(spool):
    job = submit(spool, "--", "true")
    assert spoolq("cancel", job, "last", job[:8]).lines == [f"{job} cancelled"]


@pytest.mark.parametrize(("other", "code"), [("ffffffff", 3), ("exit", 4)])
def test_when_one_cannot_be_cancelled_none_is(ended, other, code):
    # Given a queued job, and a name of none or of an ended one
    job = submit(ended.spool, "--", "true")
    # When both are to be cancelled
    ran = spoolq("cancel", job, ended.ids.get(other, other), ok=False)
    # Then the queued one still waits
    assert (ran.code, ran.out) == (code, "")
    assert spoolq("position", job).out == "0\n"


@pytest.mark.parametrize(("name", "state"), [("plain", "completed"), ("exit", "failed"), ("dropped", "cancelled")])
def test_an_ended_job_is_not_cancelled(ended, name, state):
    ran = spoolq("cancel", ended[name], ok=False)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == (
        f"spoolq: cannot cancel job {ended[name]}: it is {state}. Only queued and running jobs can be cancelled.\n"
    )
