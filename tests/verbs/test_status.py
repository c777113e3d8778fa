"""`spoolq status`."""

import json

from spoolq.models import JobInfo
from spoolq.store import Store
from tests.spooltest.jobs import begun, submitted
from tests.spooltest.past import completed
from tests.spooltest.waiting import wait_for
from tests.verbs.program import spoolq


def test_empty(spool, golden):
    golden("status_empty", spoolq("status").out)


def test_of_a_spool_at_work(busy, golden):
    golden("status_busy", spoolq("status").out)


def test_of_a_spool_where_all_has_ended(ended, golden):
    golden("status_ended", spoolq("status").out)


def test_when_nobody_runs(spool, golden):
    # Given two jobs and a file that is not complete, and nobody who runs them
    spoolq("submit", "--priority", "urgent", "--", "true")
    spoolq("submit", "-", stdin='{"model": "dummy", "tasks": ["a", "b"], "model_args": {"pretrained": "org/tiny"}}')
    (spool / "queued" / "half.json").write_text('{"model":')
    # When one asks
    ran = spoolq("status")
    # Then it says why nothing happens, and what to do
    golden("status_idle", ran.out)


def test_when_paused(spool, golden):
    # Given a queue that is paused for a reason too long for a line
    spoolq("submit", "--", "true")
    spoolq("pause", "--reason", "the driver is being updated on all of the hosts, and that takes until noon at least")
    # When one asks
    ran = spoolq("status")
    # Then the reason stands there once, and how to go on
    assert ran.out.count("driver") == 1
    golden("status_paused", ran.out)


def test_limit_is_how_many_that_wait_are_shown(busy):
    # When fewer are asked for than wait
    ran = spoolq("status", "--limit", "1")
    # Then the rest is counted, and one is told how to see it
    assert ran.lines[-2].split()[0] == "0"
    assert ran.lines[-1] == "     … and 2 more (spoolq list --state queued)"
    assert "waiting" not in spoolq("status", "--limit", "0").out.splitlines()


def test_json_has_the_names_of_lmms_eval_and_whole_records(busy):
    # When a program asks
    seen = spoolq("status", "--json").json()
    # Then counts and ids have the names that lmms-eval's server gives them
    assert seen["queue_size"] == 3 and seen["paused"] is False
    assert seen["running_job"] == busy["running"] and seen["running_jobs"] == [busy["running"]]
    assert seen["queued_jobs"] == [busy["first"], busy["long"], busy["late"]]
    assert (seen["completed_jobs"], seen["failed_jobs"], seen["cancelled_jobs"]) == (0, 0, 0)
    # And what runs and waits are records
    assert all(set(JobInfo.model_fields) <= set(record) for record in (*seen["running"], *seen["waiting"]))
    bar = {"stage": "Running count", "percent": 50, "done": "5", "total": "10", "rate": "3it/s", "remaining": 1.0}
    assert seen["running"][0]["progress"] == bar
    assert [record["reason"] for record in seen["waiting"]] == [
        "next: a slot must become free",
        "behind 1 queued job",
        "behind 2 queued jobs",
    ]


def test_when_all_will_be_done_is_told_where_there_is_a_past(spool, golden):
    # Given a job that runs, and two that wait, in a spool where nothing has completed
    store = Store(spool)
    begun(store, submitted(store), "all")
    for _ in range(2):
        spoolq("submit", "--", "true")
    # When one asks, Then there is no figure
    seen = spoolq("status", "--json").json()
    assert seen["expected_done"] is None
    assert [record["expected_start"] for record in (*seen["running"], *seen["waiting"])] == [None, None, None]
    # Given one that has completed, after an hour
    completed(store, 3600, recipe="command", request={"command": ["true"]})
    # When one asks, Then it is told when the others begin, and when all is done
    golden("status_expected", spoolq("status").out)
    seen = spoolq("status", "--json").json()
    spans = [(record["expected_start"], record["expected_end"]) for record in seen["waiting"]]
    assert spans[0][0] == seen["running"][0]["expected_end"] and spans[1][0] == spans[0][1]
    assert seen["expected_done"] == spans[1][1]
    assert seen["waiting"][0]["expected_from"] == {"like": "recipe and model", "jobs": 1}


def test_a_job_that_has_run_longer_than_any_like_it_is_overdue(spool):
    # Given a job that has run for longer than the one that has completed took
    store = Store(spool)
    attempt = begun(store, submitted(store), "all")
    completed(store, 0, recipe="command", request={"command": ["true"]})
    # When one asks, Then it is said everywhere
    wait_for(lambda: "            overdue" in spoolq("status").lines)
    job = attempt.running.stem.uuid
    assert "  ends         overdue: it has run longer than\n  by           the newest job" in spoolq("show", job).out
    assert " overdue " in spoolq("list").lines[1] and "  overdue" in spoolq("top", "--once").out
    assert spoolq("show", job, "--json").json()["expected_end"]["p90"] is None


def test_why_a_job_is_held_is_its_reason(spool):
    # Given a queue whose first job is not to run before a far day
    later, first = (
        spoolq("submit", "-", stdin=json.dumps({"request": {"command": ["true"]}, **policy})).out.strip()
        for policy in ({"not_before": "2100-01-01T00:00:00+00:00"}, {})
    )
    completed(Store(spool), 60, recipe="command", request={"command": ["true"]})
    held, other = spoolq("status", "--json").json()["waiting"]
    # Then it says so, and nothing is expected of it
    assert (held["job_id"], other["job_id"]) == (later, first)
    assert held["reason"] == "not before 2100-01-01T00:00:00+00:00" and held["expected_start"] is None
    assert other["reason"] == "behind 1 queued job"
    # And so do the others who show it
    assert "  waits        not before 2100-01-01" in spoolq("show", later).out
    assert spoolq("list", "--json").json()[0]["reason"] == held["reason"]


def test_in_trouble(spool, golden):
    # Given a directory that may not be written, and a file that is no job
    (spool / "running").chmod(0o555)
    (spool / "queued" / "notes\x1b[2J.txt").write_text("x")
    # When one asks, Then each trouble is a line: what, where, what next
    ran = spoolq("status")
    golden("status_trouble", ran.out)
    (spool / "running").chmod(0o755)
    assert [trouble["path"] for trouble in spoolq("status", "--json").json()["troubles"]] == ["notes\x1b[2J.txt"]
