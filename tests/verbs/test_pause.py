"""`spoolq pause`."""

from tests.verbs.conftest import submit
from tests.verbs.program import spoolq


def test_is_idempotent_and_keeps_the_first_reason(spool):
    # When a queue is paused twice
    first = spoolq("pause", "--reason", "driver update").out
    second = spoolq("pause", "--reason", "another").out
    # Then the second finds it so
    assert (first, second) == ("paused\n", "already paused\n")
    assert spoolq("status", "--json").json()["pause"]["reason"] == "driver update"


def test_json(spool):
    assert spoolq("pause", "--json").json() == {"paused": True, "changed": True}
    assert spoolq("pause", "--json").json() == {"paused": True, "changed": False}


def test_stops_claims_and_takes_submissions(spool, run_it):
    # Given a queue that is paused while a job runs
    first = submit(spool, "--", "sleep", "300")
    run_it(spool, first)
    spoolq("pause")
    # When another is submitted and the first ends
    second = submit(spool, "--", "true")
    spoolq("cancel", first)
    assert spoolq("wait", first, "--timeout", "20s", ok=False).out == f"{first} cancelled\n"
    # Then the second waits, until the queue goes on
    assert spoolq("wait", second, "--timeout", "200ms", ok=False).code == 75
    assert spoolq("status", "--json").json()["waiting"][0]["reason"] == "the queue is paused"
    spoolq("resume")
    assert spoolq("wait", second, "--timeout", "20s").out == f"{second} completed\n"
