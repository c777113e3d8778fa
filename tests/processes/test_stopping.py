"""Drain, stop, cancel, time limit: what ends a job, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

import psutil

from .conftest import Queue, wait_for


def _tree(queue: Queue, job: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SPOOLQ_JOB_ID") == job and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_sigterm_lets_the_job_finish_and_claims_nothing_more(queue: Queue):
    # Given a running job and one behind it
    process = queue.start()
    first = queue.python("import time; time.sleep(1)")
    second = queue.command("true")
    queue.started(first)
    # When the watcher is told to stop
    process.send_signal(signal.SIGTERM)
    # Then the job in hand completes, the other stays, and it ends with 0
    assert process.wait(30) == 0
    assert queue.spool.get(first).status == "completed"
    assert queue.spool.get(second).status == "queued" and queue.spool.position(second) == 0
    assert not queue.offspring()


def test_a_second_sigterm_stops_the_job_and_gives_it_back(queue: Queue):
    # Given a running job
    process = queue.start()
    job = queue.command("sleep", "600")
    queue.started(job)
    # When the watcher is told twice
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: "a second signal" in queue.said(), what="the first signal")
    process.send_signal(signal.SIGTERM)
    # Then the job is back in its place and nothing of it lives
    assert process.wait(30) == 0
    info = queue.spool.get(job)
    assert info.status == "queued" and info.position_in_queue == 0
    assert queue.events(job)[-1] == "requeued"
    assert not queue.offspring()


def test_ctrl_c_at_the_terminal_is_a_drain(queue: Queue):
    # Given a watcher that leads a foreground group, as in a shell
    process = queue.start(process_group=0)
    job = queue.python("import time; time.sleep(1)")
    queue.started(job)
    # When the terminal signals the whole group
    os.killpg(process.pid, signal.SIGINT)
    # Then the job is not touched
    assert process.wait(30) == 0
    assert queue.spool.get(job).status == "completed"


def test_cancel_of_a_running_job_leaves_nothing_behind(queue: Queue):
    # Given a job that ignores SIGTERM and has daemons in other sessions
    queue.start()
    job = queue.script("stubborn.py", grace=0.5)
    wait_for(lambda: queue.spool.log(job).exists() and "ready" in queue.text(job), what="the tree")
    wait_for(lambda: len(_tree(queue, job)) >= 4, what="the grandchildren")
    # When it is cancelled
    began = time.monotonic()
    assert queue.spool.cancel(job) == "requested"
    info = queue.ended(job)
    # Then it ended after the grace, as cancelled, with all that it had started
    assert info.status == "cancelled" and info.outcome == "cancelled" and info.signal == signal.SIGKILL
    assert time.monotonic() - began >= 0.5
    assert not _tree(queue, job)
    assert not list((queue.path / "control").iterdir())
    # And the next job runs
    assert queue.ended(queue.command("true")).status == "completed"


def test_a_job_that_heeds_the_stop_signal_is_not_killed(queue: Queue):
    # Given a job that tidies up on SIGTERM
    queue.start()
    job = queue.script("tidy.py")
    wait_for(lambda: queue.spool.log(job).exists() and "up" in queue.text(job), what="the start")
    # When it is cancelled
    queue.spool.cancel(job)
    # Then it had the time to, and exit 0 makes it no success
    info = queue.ended(job)
    assert info.status == "cancelled" and info.exit_code == 0 and "tidy" in queue.text(job)


def test_the_wall_clock_limit_ends_a_job(queue: Queue):
    # Given a job with a limit shorter than itself, and children
    queue.start()
    job = queue.script("stubborn.py", timeout="700ms", grace="200ms")
    # Then it is stopped, and all of it
    info = queue.ended(job)
    assert info.status == "failed" and info.outcome == "timed_out" and "limit of 0.7s" in info.error
    assert not _tree(queue, job)


def test_what_a_finished_job_leaves_is_ended_before_the_next_starts(queue: Queue, lines):
    # Given a job that ends while a daemon of its lives on
    first = queue.script("daemon.py", "0")
    queue.script("count.py", lines.path, first)
    # When both have run
    assert queue.run("--drain").wait(60) == 0
    # Then the second found nothing of the first
    assert queue.spool.get(first).status == "completed"
    assert lines() == [0]


def test_drain_of_an_empty_queue_ends_at_once_with_0(queue: Queue):
    assert queue.run("--drain").wait(30) == 0


def test_drain_waits_for_a_drop_that_is_still_being_written(queue: Queue):
    # Given a drop that is not complete yet
    queue.settings('settle = "30s"\n')
    path = queue.path / "queued" / "slow.json"
    path.write_text('{"command": ["tr')
    process = queue.start("--drain")
    wait_for(lambda: queue.spool.status()["drops"] == 1)
    assert process.poll() is None
    # When the rest of it arrives
    path.write_text('{"command": ["true"]}')
    # Then it is run, and the drain ends
    assert process.wait(30) == 0
    assert queue.spool.get("slow.json").status == "completed"


def test_a_second_run_on_the_same_slot_waits_and_says_who_holds_it(queue: Queue):
    # Given a runner with a job
    first = queue.start()
    go = queue.path.parent / "go"
    job = queue.python(f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)")
    queue.started(job)
    # When another is started for the same slot, to drain
    second = queue.run("--drain")
    wait_for(lambda: "is held by process" in queue.said(), 60, what="the word about the holder")
    go.touch()
    # Then the job runs once, and the second ends when nothing is left
    assert second.wait(30) == 0
    assert first.poll() is None
    assert queue.spool.get(job).status == "completed" and queue.events(job).count("started") == 1


def test_a_runner_in_a_session_of_its_own_ends_with_its_watchers_stop(queue: Queue):
    # Given watcher, runner and shim
    process = queue.start()
    wait_for(lambda: len(queue.offspring()) == 3, what="watcher, runner and shim")
    sessions = {os.getsid(p.pid) for p in queue.offspring()}
    # Then runner and shim have sessions of their own
    assert len(sessions) == 3
    # When it is stopped, all are gone
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not queue.offspring()


def test_every_event_of_the_history_is_json_with_a_time(queue: Queue):
    job = queue.command("true")
    assert queue.run("--drain").wait(60) == 0
    rows = (queue.path / queue.spool.get(job).run_dir / "history.jsonl").read_text().splitlines()
    assert all(json.loads(row)["at"].endswith("+00:00") for row in rows)
    assert sys.platform == "linux"
