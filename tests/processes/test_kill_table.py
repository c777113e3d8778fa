"""The rows of the table in docs/reliability.md: one evaluation in hand, ten jobs queued, and a kill."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from spoolq import process
from spoolq.models import JobInfo
from spoolq.store import Store
from spoolq.sweep import Sweep
from tests.spooltest.users import needs_root

from .conftest import Queue, command_line, wait_for
from .trial import Trial

pytestmark = pytest.mark.timeout(300)
_FAST = 'heartbeat = "100ms"\nheartbeat_timeout = "4s"\npoll = "1s"\n'
_ONCE = "attempt 1 begins\nattempt 1 ends\n"
_TWICE = "attempt 1 begins\nattempt 2 begins\nattempt 2 ends\n"


@pytest.fixture
def trial(queue: Queue, lines) -> Trial:
    return Trial(queue, lines)


@pytest.fixture
def beating(queue: Queue, lines) -> Trial:
    """With short limits, and a first heartbeat on the disk."""
    queue.settings(_FAST)
    trial = Trial(queue, lines)
    wait_for(lambda: list((queue.path / "running").glob(".*.beat")), what="the first beat")
    return trial


def test_watcher(trial: Trial):
    # When the watcher is killed, and started again
    trial.kill("watcher")
    again = trial.queue.run("--drain")
    trial.release_beside_a_waiting_runner()
    # Then the evaluation went on and ran once, its end is recorded, and the ten came after it
    assert trial.after().attempt == 1 and trial.starts_and_ends() == (1, 1)
    assert trial.log() == _ONCE
    assert again.wait(30) == 0 and not trial.family()


def test_runner(trial: Trial):
    # When the runner is killed; its watcher starts another
    trial.kill("runner")
    trial.release_beside_a_waiting_runner()
    # Then the evaluation went on and ran once, and the next runner recorded its end
    assert trial.after().attempt == 1 and trial.starts_and_ends() == (1, 1)
    assert "adopted" in trial.queue.events(trial.first) and trial.log() == _ONCE
    trial.nothing_is_left()


def test_watcher_and_runner(trial: Trial):
    # When both are killed, and `spoolq run` is started again
    trial.kill("watcher", "runner")
    again = trial.queue.run("--drain")
    trial.release_beside_a_waiting_runner()
    # Then the evaluation went on and ran once, nothing ran beside it, and its end is recorded
    assert trial.after().attempt == 1 and trial.starts_and_ends() == (1, 1)
    assert "adopted" in trial.queue.events(trial.first) and trial.log() == _ONCE
    assert again.wait(30) == 0 and not trial.family()


def test_watcher_and_runner_and_the_end_comes_while_nobody_looks(trial: Trial):
    # When both are killed, and the evaluation ends before anybody is back
    trial.kill("watcher", "runner")
    trial.release()
    wait_for(lambda: not trial.family(), what="the end of evaluation and shim")
    assert trial.queue.spool.get(trial.first).status == "running"
    # Then the next run records the end, and does not run it again
    again = trial.queue.run("--drain")
    assert trial.after().attempt == 1 and trial.starts_and_ends() == (1, 1)
    assert again.wait(30) == 0 and not trial.family()


def test_shim(trial: Trial):
    # When the shim is killed, while the evaluation has a daemon in another session
    trial.kill("shim")
    trial.release()
    # Then all of that attempt was ended before the second began, and that one's end is recorded
    assert trial.after().attempt == 2
    assert trial.starts_and_ends() == (2, 1) or trial.starts_and_ends() == (2, 2)
    assert "reclaimed" in trial.queue.events(trial.first)
    trial.nothing_is_left()


def test_evaluation(trial: Trial):
    # When the evaluation itself is killed, which leaves its daemon
    trial.kill("evaluation")
    trial.release()
    # Then that is its end, it is not run again, and the daemon is gone before the next job
    record = trial.after()
    assert (record.outcome, record.signal, record.exit_code, record.attempt) == ("signal", signal.SIGKILL, None, 1)
    assert trial.starts_and_ends() == (1, 0)
    trial.nothing_is_left()


def test_heartbeat_process(beating: Trial):
    # When the heartbeat process is killed
    (victim,) = beating.heartbeats()
    victim.kill()
    # Then another beats, the evaluation goes on, and its end is recorded
    wait_for(lambda: [p for p in beating.heartbeats() if p.pid != victim.pid], what="another heartbeat")
    beating.release()
    assert beating.after().attempt == 1 and beating.starts_and_ends() == (1, 1)
    beating.nothing_is_left()


def test_runner_and_shim(trial: Trial):
    # When both are killed; the watcher starts another runner
    trial.kill("runner", "shim")
    trial.release()
    # Then what was left is ended first, and the job runs again before the ten
    assert trial.after().attempt == 2
    trial.nothing_is_left()


def test_all_of_the_spool(trial: Trial):
    # When watcher, runner and shim are killed together: the evaluation dies with its shim, its daemon does not
    trial.kill("watcher", "runner", "shim")
    wait_for(lambda: [p for p in trial.family() if "sleep(600)" in command_line(p)], what="the daemon")
    wait_for(lambda: trial.is_dead("evaluation"), what="the end of the evaluation")
    trial.release()
    # Then the next run ends what is left, and runs the job again before the ten
    again = trial.queue.run("--drain")
    assert trial.after().attempt == 2 and trial.starts_and_ends() == (2, 1)
    assert trial.log() == _TWICE
    assert again.wait(30) == 0 and not trial.family()


def test_everything(trial: Trial):
    # When all processes are killed, evaluation and daemon too
    for member in trial.family():
        member.kill()
    wait_for(lambda: not trial.family(), what="the end of all")
    trial.release()
    # Then the next run runs the job again, and the ten after it
    again = trial.queue.run("--drain")
    assert trial.after().attempt == 2 and trial.starts_and_ends() == (2, 1)
    assert trial.log() == _TWICE
    assert again.wait(30) == 0 and not trial.family()


@needs_root
def test_everything_and_a_reboot(trial: Trial, tmp_path: Path):
    # Given a machine that went down: all processes and locks are gone, and strangers have the old pids
    for member in trial.family():
        member.kill()
    wait_for(lambda: not trial.family(), what="the end of all")
    shutil.rmtree(trial.queue.locks)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    trial.queue.processes.append(stranger)
    _give_the_pids_to(stranger.pid, next((trial.queue.path / "runs").glob(f"*{trial.first}")) / "history.jsonl")
    trial.release()
    # When the next run comes up under another boot id
    boot = tmp_path / "boot_id"
    boot.write_text("00000000-1111-4222-8333-444444444444\n")
    mount = f"mount --bind {boot} /proc/sys/kernel/random/boot_id"
    again = trial.queue.run("--drain", prefix=_unshared("--mount", "--propagation", "private", step=mount))
    # Then the job runs again, and the ten after it; the strangers are not taken for its owner, nor killed for its own
    assert trial.after().attempt == 2 and trial.starts_and_ends() == (2, 1)
    boots = [event["boot"] for event in trial.queue.spool.history(trial.first) if event["event"] == "claimed"]
    assert boots == [process.boot_id(), "00000000-1111-4222-8333-444444444444"]
    assert again.wait(30) == 0 and not trial.family()
    assert stranger.poll() is None


def test_frozen_shim_whose_heart_beats(beating: Trial):
    # Given a shim that is stopped, while its heartbeat process is not
    beating.signal(signal.SIGSTOP, "shim")
    sweep = Sweep(Store(beating.queue.path, host="host-b"), frozenset(), lambda _line: None)
    until = time.monotonic() + 6
    # When the evaluation ends, and another host looks for longer than the time limit
    beating.release()
    wait_for(lambda: sweep.turn() or time.monotonic() > until, what="the limits to pass")
    # Then the job is left to its owner, who records the end when it goes on
    assert beating.queue.spool.get(beating.first).worker != "host-b.sweep"
    beating.signal(signal.SIGCONT, "shim")
    assert beating.after().attempt == 1 and beating.starts_and_ends() == (1, 1)
    beating.nothing_is_left()


@needs_root
def test_frozen_runner_and_another_host(beating: Trial):
    # Given a runner that is stopped; its shim goes on, and the evaluation ends
    beating.signal(signal.SIGSTOP, "runner")
    beating.release()
    wait_for(lambda: beating.count("first", "end") == 1, what="the end of the evaluation")
    # When another host takes the job over, and the runner goes on after that
    other = _another_host(beating.queue)
    assert other.wait(60) == 0
    beating.signal(signal.SIGCONT, "runner")
    # Then the other host has recorded the end, it ran once, and the late runner leaves that alone
    record = beating.after()
    assert record.attempt == 1 and beating.starts_and_ends() == (1, 1) and record.worker == "host-b.sweep"
    wait_for(lambda: "fenced" in beating.queue.said(), what="the word of the late runner")
    assert beating.queue.spool.get(beating.first) == record
    assert beating.queue.ended(beating.queue.command("true")).status == "completed"


@needs_root
def test_frozen_shim_whose_heart_stands_still_and_another_host(beating: Trial):
    # Given a shim that is stopped and whose heartbeat process is killed; its runner waits for it
    beating.signal(signal.SIGSTOP, "shim", "evaluation")
    for heartbeat in beating.heartbeats():
        heartbeat.kill()
    # When another host takes over and runs all, and the shim goes on after that
    record = _run_by_another_host(beating)
    beating.signal(signal.SIGCONT, "shim")
    with contextlib.suppress(ProcessLookupError):  # RACE: the shim may have killed it by now
        beating.signal(signal.SIGCONT, "evaluation")
    # Then it fences itself by its own clock: the evaluation is killed, and the record is the other host's
    wait_for(lambda: beating.is_dead("evaluation"), what="the end of the late evaluation")
    wait_for(lambda: "fenced" in beating.queue.said(), what="the word of the late runner")
    assert beating.after() == record and beating.starts_and_ends() == (2, 1)
    beating.nothing_is_left()


@needs_root
def test_frozen_host_and_another_host(beating: Trial):
    # Given a host of which all stands still, as in a paused machine
    frozen = beating.family()
    for member in frozen:
        member.suspend()
    # When another host takes over and runs all, and the first one goes on after that
    record = _run_by_another_host(beating)
    for member in frozen:
        with contextlib.suppress(psutil.NoSuchProcess):  # RACE: the shim may have killed it by now
            member.resume()
    # Then the late evaluation is killed, no end of it is told, and the record is the other host's
    wait_for(lambda: beating.is_dead("evaluation"), what="the end of the late evaluation")
    wait_for(lambda: "fenced" in beating.queue.said(), what="the word of the late runner")
    assert beating.after() == record and beating.starts_and_ends() == (2, 1)
    assert len(list((beating.queue.path / record.run_dir).glob("end.*"))) == 0
    beating.nothing_is_left()


def _unshared(*options: str, step: str) -> list[str]:
    """What stands before a command that is to run in namespaces of its own, after *step* was done there."""
    return ["unshare", *options, "sh", "-c", f'{step} && exec "$@"', "sh"]


def _another_host(queue: Queue) -> subprocess.Popen[bytes]:
    """`spoolq run --drain` on a host of its own name, with locks of its own."""
    env = {"SPOOLQ_LOCK_DIR": str(queue.locks.with_name("locks-b"))}
    return queue.run("--drain", prefix=_unshared("--uts", step="hostname host-b"), env=env)


def _run_by_another_host(beating: Trial) -> JobInfo:
    """The record of the evaluation in hand, when another host has run everything; nothing may end after that."""
    Path(f"{beating.path}.lock").unlink()  # what stands still is beside nobody
    beating.release()
    assert _another_host(beating.queue).wait(60) == 0
    Path(f"{beating.path}.go").unlink()
    record = beating.queue.ended(beating.first)
    assert record.worker == "host-b.all" and record.attempt == 2
    return record


def _give_the_pids_to(stranger: int, path: Path) -> None:
    """Rewrite a history as if runner, shim and evaluation had had that process's pid and start time."""
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    began = process.start_time(stranger)
    for row in rows:
        if row["event"] == "claimed":
            row.update(pid=stranger, pid_start=began, shim=stranger, shim_start=began)
        elif row["event"] == "started":
            row.update(pid=stranger, start_time=began)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
