"""Forked evaluations in a whole queue: started when another waits, stopped, and found again after kill -9."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from spoolq.errors import SpoolqError
from tests.spooltest import tiny
from tests.spooltest.waiting import gone

from .conftest import Queue, command_line, wait_for

#: Leaves a child that has neither executed anything nor stayed in the session.
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    open(os.environ["SPOOLQ_RUN_DIR"] + "/daemon", "w").write(str(os.getpid()))
    time.sleep(600)
time.sleep(600)
"""
#: Ends when a file appears.
GATED = "import os, sys, time\nwhile not os.path.exists({gate!r}): time.sleep(0.01)\nsys.exit({code})"


@pytest.fixture
def forks(queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Submits Python texts to the small harness; with a warm parent that is ready."""
    folder = tiny.install(tmp_path / "modules")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", folder)

    def submit(text: str, **policy) -> str:
        return queue.spool.submit({"text": text}, recipe="tiny", **policy).job_id

    def warmed() -> psutil.Process:
        gate = tmp_path / "primed"
        first = submit(GATED.format(gate=str(gate), code=0))
        second = submit("pass")
        wait_for(lambda: warm_parent(queue), what=f"a warm parent; {queue.said()}")
        gate.touch()
        for job in (first, second):
            assert queue.ended(job).status == "completed", queue.said()
        wait_for(lambda: queue.ended(submit("pass")).launch == "fork", what="the end of its imports")
        return warm_parent(queue)

    submit.warmed = warmed  # type: ignore[attr-defined]
    return submit


def warm_parent(queue: Queue) -> psutil.Process | None:
    found = [process for process in queue.offspring() if "spoolq.forkserver" in command_line(process)]
    return found[0] if found else None


def test_a_lone_job_is_a_program_and_those_that_follow_are_forks(queue: Queue, forks):
    # Given a queue with nothing but one job of a recipe that has a preload
    queue.start()
    info = queue.ended(forks("pass"))
    assert (info.launch, info.warm_hit) == ("exec", False) and warm_parent(queue) is None
    # When others of the recipe wait behind one
    forks.warmed()
    info = queue.ended(forks("print('said')"))
    # Then the next are forked, and their records say so
    assert (info.status, info.launch, info.warm_hit) == ("completed", "fork", True)
    assert 0 < info.setup_seconds < 5 and queue.text(info.job_id) == "said\n"
    # And a plain command has nothing of it
    info = queue.ended(queue.command("true"))
    assert (info.launch, info.warm_hit) == ("exec", None)


def test_a_forked_evaluation_is_cancelled_and_timed_out_like_any(queue: Queue, forks):
    # Given forked evaluations that would last
    queue.start()
    forks.warmed()
    sleeper = forks("import time; time.sleep(600)")
    pid = queue.started(sleeper)["evaluation"]
    # When one is cancelled, another has a limit, a third may not be silent
    queue.spool.cancel(sleeper)
    assert queue.ended(sleeper).status == "cancelled" and not psutil.pid_exists(pid)
    info = queue.ended(forks("import time; time.sleep(600)", timeout=0.3))
    assert (info.outcome, info.launch) == ("timed_out", "fork")
    info = queue.ended(forks("import time; time.sleep(600)", idle_timeout=0.4))
    assert (info.outcome, info.launch) == ("idle", "fork") and "without output" in str(info.error)
    # Then the warm parent is none the worse
    assert queue.ended(forks("pass")).launch == "fork"


def test_a_forked_evaluation_outlives_its_runner_and_is_adopted(queue: Queue, forks, tmp_path: Path):
    # Given a forked evaluation in hand
    watcher = queue.start()
    forks.warmed()
    gate = tmp_path / "gate"
    job = forks(GATED.format(gate=str(gate), code=7))
    pids = queue.started(job)
    # When watcher and runner are killed, and the queue is started again
    for pid in (watcher.pid, pids["runner"]):
        os.kill(pid, signal.SIGKILL)
    queue.run()
    wait_for(lambda: "is held by process" in queue.said())
    gate.touch()
    # Then its own end is recorded, and it ran once
    info = queue.ended(job)
    assert (info.outcome, info.exit_code, info.launch, info.attempt) == ("exit", 7, "fork", 1)


@pytest.mark.parametrize("victims", [["shim"], ["runner", "shim"], ["runner", "shim", "warm"], ["warm", "shim"]])
def test_what_a_forked_evaluation_left_is_found_after_kill_9(queue: Queue, forks, victims):
    # Given a forked evaluation whose child has left the session without executing anything
    watcher = queue.start()
    warm = forks.warmed()
    job = forks(DAEMON, max_attempts=1)
    run = queue.spool.log(job).parent
    pids = queue.started(job) | {"warm": warm.pid}
    wait_for(lambda: (run / "daemon").exists() and (run / "daemon").read_text())
    daemon = psutil.Process(int((run / "daemon").read_text()))
    evaluation = psutil.Process(pids["evaluation"])
    # When those are killed that know of it
    if "runner" in victims:
        os.kill(watcher.pid, signal.SIGKILL)
    for victim in victims:
        os.kill(pids[victim], signal.SIGKILL)
    if "runner" in victims:
        queue.run()
    # Then its slot is not used again before all of it is dead
    info = queue.ended(job)
    assert info.outcome == "lost"
    assert gone(daemon) and gone(evaluation)
    assert queue.ended(forks("pass")).status == "completed"


def test_nothing_is_forked_where_the_operator_says_so(queue: Queue, forks):
    # Given a spool without warm parents
    queue.settings("[warm]\nenabled = false\n")
    queue.start()
    # When several jobs of a recipe with a preload run, Then all are programs
    jobs = [forks("pass") for _ in range(3)]
    assert [(info.launch, info.warm_hit) for info in map(queue.ended, jobs)] == [("exec", None)] * 3


def test_the_setting_is_checked(queue: Queue):
    # Given a setting that is no truth value, When the spool is opened, Then it is refused
    with pytest.raises(SpoolqError, match="true or false"):
        queue.settings('[warm]\nenabled = "yes"\n')
