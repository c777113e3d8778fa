"""kill -9 of the living: the queue is kept, nothing runs beside an orphan, nothing runs twice, and the end is told."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import Queue, command_line, wait_for


def _overlaps(rows: list) -> list:
    """Pairs of runs that were in hand at the same time."""
    runs = []
    for name, edge, at in rows:
        if edge == "b":
            runs.append([name, at, float("inf")])
        else:
            next(run for run in reversed(runs) if run[0] == name and run[2] == float("inf"))[2] = at
    return [
        (a[0], b[0]) for i, a in enumerate(runs) for b in runs[i + 1 :] if a[1] < b[2] and b[1] < a[2] and b[2] < 1e12
    ]


@pytest.mark.parametrize("victims", [["watcher"], ["runner"], ["watcher", "runner"]])
def test_the_evaluation_outlives_its_queue_and_is_adopted(queue: Queue, lines, victims):
    # Given one running and three queued
    process = queue.start()
    first = queue.script("step.py", lines.path, "first", "1.5")
    others = [queue.script("step.py", lines.path, name, "0.02") for name in ("a", "b", "c")]
    pids = queue.started(first) | {"watcher": process.pid}
    # When they are killed, and `spoolq run` is started again at once
    for victim in victims:
        os.kill(pids[victim], signal.SIGKILL)
    if "watcher" in victims:
        queue.run()
    # Then all four ran, once each, none beside another, in order, and the first one's end is recorded
    for job in [first, *others]:
        assert queue.ended(job).status == "completed", queue.said()
    assert [row[0] for row in lines() if row[1] == "b"] == ["first", "a", "b", "c"]
    assert not _overlaps(lines())
    assert queue.spool.get(first).attempt == 1


def test_a_killed_shim_takes_its_evaluation_along_and_the_job_runs_again(queue: Queue, lines):
    # Given a running job with a daemon of its own
    queue.start()
    job = queue.script("step.py", lines.path, "job", "1.0")
    after = queue.script("step.py", lines.path, "after", "0.02")
    pids = queue.started(job)
    wait_for(lines, what="the first line")
    # When the shim is killed
    os.kill(pids["shim"], signal.SIGKILL)
    # Then the evaluation is gone with it, and the job's second attempt completes before the next job
    info = queue.ended(job)
    assert info.status == "completed" and info.attempt == 2
    assert queue.ended(after).status == "completed"
    assert [row[:2] for row in lines()] == [["job", "b"], ["job", "b"], ["job", "e"], ["after", "b"], ["after", "e"]]
    assert "reclaimed" in queue.events(job)


def test_everything_killed_at_once_is_recovered_by_the_next_run(queue: Queue, lines):
    # Given a running job that has a daemon outside its session
    process = queue.start()
    job = queue.script("daemon.py", "1")
    wait_for(lambda: queue.spool.log(job).exists() and "up" in queue.text(job))
    pids = queue.started(job)
    # When watcher, runner and shim die together
    for pid in (process.pid, pids["runner"], pids["shim"]):
        os.kill(pid, signal.SIGKILL)
    left = wait_for(lambda: [p for p in queue.offspring() if "sleep(600)" in command_line(p)])
    # Then the next run kills what was left, and runs the job again
    assert queue.run("--drain").wait(60) == 0
    assert not [p for p in queue.offspring() if p in left]
    assert queue.spool.get(job).status == "completed" and queue.spool.get(job).attempt == 2


def test_a_job_that_is_lost_too_often_fails_and_says_so(queue: Queue):
    # Given a job with two attempts
    queue.start()
    job = queue.command("sleep", "600", max_attempts=2)
    # When the shim of each is killed
    for attempt in (1, 2):
        wait_for(lambda: queue.events(job).count("started") == attempt, what=f"attempt {attempt}; {queue.said()}")  # noqa: B023
        claimed = [event for event in queue.spool.history(job) if event["event"] == "claimed"]
        os.kill(claimed[-1]["shim"], signal.SIGKILL)
    # Then it is failed as lost
    info = queue.ended(job)
    assert info.status == "failed" and info.outcome == "lost" and info.attempt == 2
    assert "attempt 2 was the last" in info.error


def test_a_cancel_is_heeded_while_the_runner_is_dead(queue: Queue):
    # Given an evaluation whose runner and watcher are dead
    process = queue.start()
    job = queue.command("sleep", "600")
    pids = queue.started(job)
    for pid in (process.pid, pids["runner"]):
        os.kill(pid, signal.SIGKILL)
    # When it is cancelled, and a runner waits for the slot
    assert queue.spool.cancel(job) == "requested"
    queue.run()
    # Then it is stopped and recorded as cancelled
    assert queue.ended(job).status == "cancelled"


def test_a_runner_on_its_own_finishes_its_job_and_ends(queue: Queue):
    # Given a killed watcher
    process = queue.start()
    job, behind = queue.python("import time; time.sleep(0.7)"), queue.command("true")
    queue.started(job)
    os.kill(process.pid, signal.SIGKILL)
    # Then the job in hand is finished by its runner, nothing more is claimed, and all processes end
    assert queue.ended(job).status == "completed"
    wait_for(lambda: not queue.offspring(), what="the end of runner and shim")
    assert queue.spool.get(behind).status == "queued"
