"""`spoolq position`."""

import pytest

from tests.verbs.program import spoolq


def test_is_how_many_come_before(spool):
    # Given three jobs in a row
    jobs = [spoolq("submit", "--", "true").out.strip() for _ in range(3)]
    # When one asks for their places
    places = [spoolq("position", job).out for job in jobs]
    # Then the first is 0
    assert places == ["0\n", "1\n", "2\n"]


def test_follows_the_queue(spool):
    # Given two jobs
    first, second = (spoolq("submit", "--", "true").out.strip() for _ in range(2))
    # When the first is cancelled
    spoolq("cancel", first)
    # Then the second moves up
    assert spoolq("position", second).out == "0\n"


def test_counts_jobs_only(spool):
    # Given files in the drop box that are no jobs, or not yet
    for name in ("00000000.json", "0-a.json", ".hidden.json", "0.txt", "00.json.tmp"):
        (spool / "queued" / name).write_text("{}")
    # When a job is submitted
    job = spoolq("submit", "--", "true").out.strip()
    # Then it is the next
    assert spoolq("position", job).out == "0\n"


def test_json(spool):
    job = spoolq("submit", "--", "true").out.strip()
    assert spoolq("position", "last", "--json").json() == {"job_id": job, "position_in_queue": 0}


@pytest.mark.parametrize(("name", "state"), [("scores", "completed"), ("exit", "failed"), ("dropped", "cancelled")])
def test_an_ended_job_has_none(ended, name, state):
    ran = spoolq("position", ended[name], ok=False)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == f"spoolq: cannot tell the position of job {ended[name]}: it is {state}. See `spoolq show`.\n"


def test_a_running_job_has_none(busy):
    assert spoolq("position", busy["running"], ok=False).code == 4
