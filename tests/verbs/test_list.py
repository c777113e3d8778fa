"""`spoolq list`."""

import pytest

from spoolq.models import JobInfo
from spoolq.store import Store
from tests.spooltest.jobs import begun, submitted
from tests.spooltest.past import completed
from tests.verbs.program import spoolq


def test_of_a_spool_at_work(busy, golden):
    golden("list_busy", spoolq("list").out)


def test_of_every_way_to_end(ended, golden):
    golden("list_ended", spoolq("list").out)


def test_of_nothing_says_so_apart(spool):
    # When there is nothing to list
    ran = spoolq("list")
    # Then stdout is empty, and stderr says so
    assert (ran.code, ran.out, ran.err) == (0, "", "no jobs\n")
    assert spoolq("list", "--state", "failed", "--state", "running").err == "no failed or running jobs\n"
    assert spoolq("list", "--json").json() == []


def test_order_of_service_comes_first(spool):
    # Given jobs of each priority, submitted in the wrong order
    ids = {
        level: spoolq("submit", "--priority", level, "--", "true").out.strip()
        for level in ("low", "normal", "urgent", "high")
    }
    # When they are listed
    records = spoolq("list", "--json").json()
    # Then they stand in the order in which they will run
    assert [record["job_id"] for record in records] == [ids[level] for level in ("urgent", "high", "normal", "low")]
    assert [record["position_in_queue"] for record in records] == [0, 1, 2, 3]


def test_state_and_limit(ended):
    # When only some are asked for
    failed = spoolq("list", "--state", "failed", "--json").json()
    two = spoolq("list", "--state", "failed", "--state", "completed", "--limit", "2").lines
    # Then only those come, the newest first
    names = ["broken", "no_results", "no_program", "timed_out", "signal", "exit"]
    assert [record["job_id"] for record in failed] == [ended[name] for name in names]
    assert [line[:8] for line in two[1:]] == [ended[name][:8] for name in names[:2]]


def test_json_is_records(busy):
    # Given records of jobs that run and wait, Then they have the keys of every record, and what is expected of them
    expected = {"expected_start", "expected_end", "expected_from"}
    running, *waiting = spoolq("list", "--json").json()
    assert set(running) == {*JobInfo.model_fields, *expected}
    assert all(set(record) == {*JobInfo.model_fields, *expected, "reason"} for record in waiting)


def test_what_is_expected_has_a_column_where_there_is_a_past(spool, golden):
    # Given a job that runs, one that waits, and one that has completed
    store = Store(spool)
    begun(store, submitted(store), "all")
    spoolq("submit", "--", "true")
    completed(store, 3600, recipe="command", request={"command": ["true"]})
    golden("list_expected", spoolq("list").out)


@pytest.mark.parametrize("argv", [["--state", "done"], ["--limit", "0"], ["--limit", "x"], ["a-job"]])
def test_usage(spool, argv):
    ran = spoolq("list", *argv, ok=False)
    assert (ran.code, ran.out) == (2, "") and ran.err.startswith("Usage: spoolq list [OPTIONS]\n")
