"""What a job waits for and when it runs again, with real `spoolq run` processes, one of them killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta

import psutil

from .conftest import Queue, wait_for


def test_children_run_after_their_parents_and_fail_with_them(queue: Queue, lines):
    # Given a chain, urgent at its end; a parent that fails, its child and grandchild; and a plain job last
    first = queue.script("step.py", lines.path, "first", "0.05")
    second = queue.script("step.py", lines.path, "second", "0", priority="high", after=[first])
    third = queue.script("step.py", lines.path, "third", "0", priority="urgent", after=[second, first])
    bad = queue.python("raise SystemExit(3)")
    child = queue.script("step.py", lines.path, "child", "0", after=[bad])
    grandchild = queue.script("step.py", lines.path, "grandchild", "0", priority="urgent", after=[child])
    plain = queue.script("step.py", lines.path, "plain", "0")
    # When the queue is drained
    assert queue.run("--drain").wait(60) == 0
    # Then each ran after those that it names, and what could not run says why
    assert [row[0] for row in lines() if row[1] == "b"] == ["first", "second", "third", "plain"]
    assert [queue.spool.get(job).status for job in (first, second, third, plain)] == ["completed"] * 4
    for job, parent in ((child, bad), (grandchild, child)):
        info = queue.spool.get(job)
        assert (info.status, info.outcome, info.attempt, info.started_at) == ("failed", "dependency_failed", 0, None)
        assert parent in str(info.error)


def test_a_job_that_waits_does_not_hold_up_those_behind_it(queue: Queue):
    # Given a runner, and a job for next century at the head of the queue
    queue.start()
    late = queue.command("true", priority="urgent", not_before="2999-01-01T00:00:00Z")
    # When another comes, Then that runs, and the first waits, and says for what
    assert queue.ended(queue.command("true")).status == "completed"
    assert queue.spool.get(late).status == "queued"
    assert [job["reason"] for job in queue.spool.status()["waiting"]] == ["not before 2999-01-01T00:00:00+00:00"]


def test_a_job_runs_when_its_time_has_come_though_nobody_wakes_the_runner(queue: Queue):
    # Given a runner with a slow timer, and a job for a moment from now
    queue.settings('poll = "1h"\n')
    queue.start()
    moment = datetime.now(UTC) + timedelta(seconds=1.5)
    info = queue.ended(queue.command("true", not_before=moment))
    # Then it began at that moment, and not before
    assert info.started_at is not None
    assert 0 <= (info.started_at - moment).total_seconds() < 1.5


def test_a_runner_that_waits_does_not_spin(queue: Queue):
    # Given a runner with jobs that wait for their time, for a pause and for each other
    queue.start()
    far = queue.command("true", not_before="2999-01-01T00:00:00Z")
    for _ in range(50):
        queue.command("true", after=[far])
    plain = queue.command("true")
    queue.ended(plain)
    runner = psutil.Process(queue.started(plain)["runner"])
    # When it has nothing to do, Then it hardly works
    before, began = sum(runner.cpu_times()[:2]), time.monotonic()
    wait_for(lambda: time.monotonic() - began > 2.0)
    assert (sum(runner.cpu_times()[:2]) - before) / (time.monotonic() - began) < 0.15


def test_a_failed_attempt_runs_again_after_its_pause_and_no_sooner(queue: Queue, tmp_path):
    # Given a job that fails with 75 twice and then is well
    count = tmp_path / "count"
    text = (
        "import sys, pathlib; p = pathlib.Path(sys.argv[1]); n = len(p.read_text()) if p.exists() else 0\n"
        "p.write_text('x' * (n + 1)); sys.exit(75 if n < 2 else 0)"
    )
    job = queue.python(text, str(count), retry_on=["exit:75"], max_attempts=3, backoff="500ms")
    # When the queue is drained, which waits for it
    assert queue.run("--drain").wait(60) == 0
    # Then it had three attempts, with a pause of half a second, and then of a whole one
    assert (queue.spool.get(job).status, queue.spool.get(job).attempt) == ("completed", 3)
    past = queue.spool.history(job)
    starts = [datetime.fromisoformat(one["at"]) for one in past if one["event"] == "claimed"]
    dues = [datetime.fromisoformat(one["due"]) for one in past if one["event"] == "reclaimed"]
    assert [start >= due for start, due in zip(starts[1:], dues, strict=True)] == [True, True]
    assert (starts[1] - starts[0]).total_seconds() >= 0.5
    assert (starts[2] - starts[1]).total_seconds() >= 1.0


def test_a_pause_outlives_a_killed_queue(queue: Queue):
    # Given a job that failed and pauses for long, and a queue that is killed then
    job = queue.python("raise SystemExit(1)", retry_on=["exit"], max_attempts=2, backoff="1h")
    run = queue.start()
    wait_for(lambda: "reclaimed" in queue.events(job), what=queue.said())
    pids = [process.pid for process in queue.offspring() if process.pid != run.pid]
    for pid in (run.pid, *pids):
        os.kill(pid, signal.SIGKILL)
    run.wait(10)
    wait_for(lambda: not queue.offspring())
    # When another is started, Then it runs others, and leaves that one alone
    queue.start()
    assert queue.ended(queue.command("true")).status == "completed"
    assert queue.spool.get(job).status == "queued"
    assert queue.spool.status()["waiting"][0]["reason"].startswith("retry in 59m")
    # When a person asks, Then not before either: only a retry of an ended job is one
    assert queue.events(job).count("claimed") == 1


def test_two_slots_share_children_within_moments(queue: Queue):
    # Given two slots with a slow timer, a parent, and two children of it that take long
    queue.settings('poll = "1h"\n\n[slots]\na = ""\nb = ""\n')
    queue.start()
    wait_for(lambda: all(queue.spool.status()["slots"].values()))
    parent = queue.command("sleep", "0.5")
    children = [queue.command("sleep", "5", after=[parent]) for _ in range(2)]
    # When the parent has completed, Then both run at once, one on each slot
    wait_for(lambda: {queue.spool.get(child).status for child in children} == {"running"}, 10, queue.said())
    assert {str(queue.spool.get(child).worker).rpartition(".")[2] for child in children} == {"a", "b"}


def test_want_of_memory_is_told_apart_and_tried_again(queue: Queue):
    # Given a job that Python tells to have run out of memory, and one that only failed
    text = "raise MemoryError"
    hungry = queue.python(text, retry_on=["oom"], max_attempts=2)
    plain = queue.python("raise SystemExit(1)", retry_on=["oom"], max_attempts=2)
    assert queue.run("--drain").wait(60) == 0
    info = queue.spool.get(hungry)
    assert (info.outcome, info.attempt) == ("oom", 2)
    assert "its log says 'MemoryError'" in str(info.error)
    assert (queue.spool.get(plain).outcome, queue.spool.get(plain).attempt) == ("exit", 1)


def test_jobs_that_wait_for_each_other_do_not_hold_up_a_drain(queue: Queue):
    # Given two files under STEMs that name each other
    one, two = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427", "2b4e28ba-2fa1-4d2b-883f-0016d3cca427"
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    for own, other in ((one, two), (two, one)):
        text = f'{{"request": {{"command": ["{sys.executable}", "-c", ""]}}, "after": ["{other}"]}}'
        (queue.path / "queued" / f"{stamp}-{own}.json").write_text(text)
    # When the queue is drained, Then it ends, one of them refused, the other with it or for its sake
    assert queue.run("--drain").wait(60) == 0
    outcomes = sorted(str(queue.spool.get(job).outcome) for job in (one, two))
    assert outcomes in (["dependency_failed", "invalid"], ["invalid", "invalid"])
