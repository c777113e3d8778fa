"""Disks that fill, turn read-only or lose a directory, and watches that run out, under a queue at work.

Each is named by `status` in one line, the queue survives it, and goes on without a restart when it is over; no job is
lost, none runs twice.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from spoolq.create import create
from spoolq.transitions import State
from tests.spooltest.mounts import fill, mount, need, unmount
from tests.spooltest.users import public_python
from tests.verbs.program import spoolq, spoolq_program

from .conftest import Queue, wait_for

pytestmark = [pytest.mark.hostile, pytest.mark.timeout(180)]

_SETTINGS = 'settle = "200ms"\npoll = "500ms"\nlock_timeout = "500ms"\n'
OPERATOR = 64001


class Small(Queue):
    """A queue whose spool is alone on a small file system, and whose jobs write down elsewhere that they ran."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.point = folder / "disk"
        mount(kind, self.point)
        super().__init__(folder)
        create(self.point / "spool")
        self.path = self.point / "spool"
        self.settings(_SETTINGS)
        self.ran, self.gate = folder / "ran", folder / "gate"

    def job(self, name: str, waits: bool = False) -> str:
        """A job that says *name* elsewhere, and then waits for the gate if told so."""
        wait = f"while [ ! -e {self.gate} ]; do sleep 0.05; done;" if waits else ""
        return self.command("sh", "-c", f"echo {name} >> {self.ran}; {wait} exit 0")

    def runs(self) -> list[str]:
        return self.ran.read_text().split() if self.ran.exists() else []

    def status_says(self, *words: str) -> str:
        """Wait until `status` has one line with all *words*."""

        def line() -> str:
            shown = spoolq("status", "--spool", self.path, ok=False)
            rows = [row for row in (shown.out + shown.err).splitlines() if all(word in row for word in words)]
            return rows[0] if rows else ""

        return wait_for(line, what=f"{words} in {spoolq('status', '--spool', self.path, ok=False)}")

    def untroubled(self) -> None:
        wait_for(lambda: "trouble:" not in spoolq("status", "--spool", self.path).out, what="no trouble left")
        assert all(process.poll() is None for process in self.processes), "it has ended"
        assert "Traceback" not in self.said()


@pytest.fixture(params=["tmpfs", "ext4"])
def small(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", str(tmp_path / "locks"))
    opened = Small(tmp_path, request.param)
    yield opened
    opened.close()
    unmount(opened.point)


@pytest.fixture
def queue(queue: Queue) -> Queue:
    queue.settings(_SETTINGS)
    return queue


_WORDS = {"room": ("trouble: the disk is full", "Make room"), "inodes": ("trouble: the disk has no inodes left",)}


@pytest.mark.parametrize("what", ["room", "inodes"])
def test_a_disk_that_is_full_when_somebody_submits(small: Small, what: str):
    # Given a runner, and a disk without room
    process = small.start()
    small.ended(small.job("before"))
    fillers = fill(small.point, what)
    # When somebody submits, Then he is told, and nothing is queued
    ran = spoolq_program("submit", "--spool", str(small.path), "--", "true")
    assert ran.code == 5 and "No space left on device" in ran.err and "Nothing was queued" in ran.err
    small.status_says(*_WORDS[what])
    # When there is room again, Then the same runner serves the next job
    for path in fillers:
        path.unlink()
    assert small.ended(small.job("after")).status == "completed"
    small.untroubled()
    assert small.runs() == ["before", "after"] and process.poll() is None
    assert small.spool.status()["queue_size"] == 0 and not os.listdir(small.path / ".tmp")


@pytest.mark.parametrize("what", ["room", "inodes"])
def test_a_disk_that_is_full_when_a_job_is_claimed(small: Small, what: str):
    # Given jobs that wait while all stand still, and a disk that fills
    small.start()
    family = small.offspring()
    for process in family:
        process.suspend()
    jobs = [small.job(f"job{number}") for number in range(3)]
    fillers = fill(small.point, what)
    # When they go on, Then somebody is told what is wrong, and no attempt is burnt
    for process in family:
        process.resume()
    small.status_says(*_WORDS[what])
    wait_for(lambda: "No space left" in small.said(), what="a word on stderr")
    assert small.runs() == []
    # When there is room again, Then each runs once, in its order
    for path in fillers:
        path.unlink()
    assert [small.ended(job).attempt for job in jobs] == [1, 1, 1]
    assert small.runs() == ["job0", "job1", "job2"]
    small.untroubled()


@pytest.mark.parametrize("what", ["room", "inodes"])
def test_a_disk_that_fills_while_a_job_runs_and_is_full_at_its_end(small: Small, what: str):
    # Given a job that runs, and one behind it
    small.start()
    first, second = small.job("first", waits=True), small.job("second")
    small.started(first)
    fillers = fill(small.point, what)
    small.status_says(*_WORDS[what])
    # When it ends on a full disk
    small.gate.touch()
    wait_for(lambda: "Trying again" in small.said(), what=f"a word on stderr: {small.said()}")
    # Then nothing else runs beside it, and its end is kept until there is room
    assert small.runs() == ["first"]
    for path in fillers:
        path.unlink()
    assert [small.ended(job).status for job in (first, second)] == ["completed", "completed"]
    assert small.runs() == ["first", "second"] and small.spool.get(first).attempt == 1
    small.untroubled()
    # and the second of these lines was not said a hundred times
    assert small.said().count("Trying again") < 20


def test_a_drop_on_a_full_disk_waits_whole_and_runs_once(small: Small):
    # Given a runner, a disk that fills, and a drop that came just before
    small.start()
    small.ended(small.job("before"))
    for process in small.offspring():
        process.suspend()
    (small.path / "queued" / "drop.json").write_text(json.dumps({"command": ["sh", "-c", f"echo drop >> {small.ran}"]}))
    fillers = fill(small.point, "room") + fill(small.point, "inodes")
    for process in small.offspring():
        process.resume()
    wait_for(lambda: "No space left" in small.said(), what="a word on stderr")
    # When there is room again, Then it runs, once
    for path in fillers:
        path.unlink()
    wait_for(lambda: small.runs() == ["before", "drop"], what=f"the drop; {small.said()}")
    wait_for(lambda: small.spool.status()["completed_jobs"] == 2)
    small.untroubled()


def test_a_file_system_that_turns_read_only_and_back(small: Small):
    # Given an idle runner
    small.start()
    small.ended(small.job("before"))

    def remount(how: str) -> bool:
        command = ["mount", "-o", f"remount,{how}", str(small.point)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    # When its file system is read-only, Then status says so, and a submit is refused
    wait_for(lambda: remount("ro"), what="the remount")
    small.status_says("trouble: the file system is mounted read-only", str(small.path), "Remount")
    ran = spoolq_program("submit", "--spool", str(small.path), "--", "true")
    assert ran.code == 5 and "Read-only file system" in ran.err
    # When it can be written again, Then the same runner goes on
    assert remount("rw")
    assert small.ended(small.job("after")).status == "completed"
    small.untroubled()


@pytest.mark.parametrize("name", ["queued", "running", "completed", "runs", "control", ".tmp"])
def test_a_directory_that_may_not_be_written_for_a_while(tmp_path_factory, monkeypatch, name: str):
    # Given a queue of a user who is not root, and a job that waits
    found = public_python()
    need("" if os.getuid() == 0 and found else "no Python here that other users may run spoolq with")
    with tempfile.TemporaryDirectory(prefix="spoolq-closed-", ignore_cleanup_errors=True) as folder:
        os.chown(folder, OPERATOR, OPERATOR)
        monkeypatch.setenv("SPOOLQ_LOCK_DIR", f"{folder}/locks")
        queue = Queue(Path(folder))
        queue.settings(_SETTINGS)
        queue.locks.mkdir(exist_ok=True)
        queue.spool.pause()
        ran = Path(folder, "ran")
        job = queue.command("sh", "-c", f"echo once >> {ran}")
        for path in (queue.path, queue.locks, *queue.path.rglob("*")):
            os.chown(path, OPERATOR, OPERATOR)
        queue.interpreter, env = found
        queue.start(user=OPERATOR, group=OPERATOR, extra_groups=[], cwd="/", env=env)
        try:
            # When a directory loses the right to write, and the queue is resumed
            (queue.path / name).chmod(0o555)
            queue.spool.resume()
            # Then status names it, and how it is mended
            shown = spoolq("status", "--spool", queue.path).out
            assert f"trouble: a directory may not be written by its owner: {queue.path / name}." in shown
            if name not in ("control", "completed"):
                wait_for(lambda: "ermission denied" in queue.said(), what=f"a word on stderr: {queue.said()}")
                assert queue.spool.get(job).status != "completed"
            # When it is, Then the job has run once, by the same processes
            (queue.path / name).chmod(0o755)
            assert queue.ended(job).status == "completed" and ran.read_text() == "once\n"
            assert "trouble:" not in spoolq("status", "--spool", queue.path).out
            assert "the runner of all ended" not in queue.said() and "Traceback" not in queue.said()
        finally:
            queue.close()


def _limit_of_watches(queue: Queue, folder: Path, what: str, most: int) -> None:
    """Run `spoolq run` in a user namespace of its own, where so many inotify instances or watches may be had."""
    wrapper = folder / "python"
    inner = f'echo {most} > /proc/sys/user/max_inotify_{what}; exec {queue.interpreter} "$@"'
    wrapper.write_text(f"#!/bin/sh\nexec unshare -U -r sh -c '{inner}' sh \"$@\"\n")
    wrapper.chmod(0o755)
    probe = subprocess.run([wrapper, "-c", "pass"], capture_output=True, text=True, check=False)
    need(probe.stderr.strip())
    queue.interpreter = str(wrapper)


@pytest.mark.parametrize(("what", "most"), [("instances", 0), ("watches", 0), ("watches", 1)])
def test_watches_that_run_out_and_come_back(queue: Queue, tmp_path: Path, what: str, most: int):
    # Given a queue that can have no watch, or only one of the two that it wants
    _limit_of_watches(queue, tmp_path, what, most)
    queue.settings('settle = "200ms"\npoll = "60s"\n')
    process = queue.start()
    # When one asks, Then status says so, and what to raise
    said = wait_for(lambda: "cannot watch, so it looks" in (out := spoolq("status", "--spool", queue.path).out) and out)
    assert f"process {process.pid}. Raise fs.inotify.max_user_instances" in said
    # And drops are found by looking, though the timer is far away
    (queue.path / "queued" / "drop.json").write_text('{"command": ["true"]}')
    wait_for(lambda: queue.spool.status()["completed_jobs"] == 1, timeout=10, what="the drop")
    # and nothing is used up by trying again and again
    watcher = psutil.Process(process.pid)
    before = watcher.num_fds() + watcher.num_threads()
    for number in range(4):
        (queue.path / "queued" / f"drop{number}.json").write_text('{"command": ["true"]}')
        wait_for(lambda n=number: queue.spool.status()["completed_jobs"] == n + 2, timeout=10, what="the drop")
    wait_for(lambda: watcher.num_fds() + watcher.num_threads() <= before + 1, what="nothing left open")
    assert queue.said().count("cannot watch") == 1
    # When there are enough again, Then it watches, without a restart
    enter = ["nsenter", "-U", "--preserve-credentials", "-t", str(process.pid)]
    subprocess.run([*enter, "sh", "-c", f"echo 128 > /proc/sys/user/max_inotify_{what}"], check=True)
    wait_for(lambda: "trouble:" not in spoolq("status", "--spool", queue.path).out, what="a watch")
    wait_for(lambda: "watching again" in queue.said(), what="its word about it")
    assert process.poll() is None


@pytest.mark.parametrize("name", ["queued", "running", "completed", "runs", "control", ".tmp"])
def test_a_directory_that_is_removed_and_made_again(queue: Queue, tmp_path: Path, name: str):
    # Given an idle queue that has served
    process = queue.start()
    done = queue.ended(queue.command("true"))
    # When a directory is gone, Then status names it, and the verb that makes it again
    shutil.rmtree(queue.path / name)
    ran = spoolq("status", "--spool", queue.path, ok=False)
    assert ran.code == 5 and f"{name} missing. Mend it with `spoolq init --spool {queue.path}`" in ran.err
    # When it is made again, Then the same processes serve the next job, also one that is dropped
    spoolq("init", "--spool", queue.path)
    (queue.path / "queued" / "drop.json").write_text('{"command": ["true"]}')
    assert queue.ended(queue.command("true")).status == "completed"
    wait_for(lambda: not os.listdir(queue.path / "queued"), what=f"the drop: {queue.said()}")
    wait_for(lambda: queue.spool.status()["completed_jobs"] == (2 if name == "completed" else 3))
    assert process.poll() is None and "the runner of all ended" not in queue.said()
    assert name == "completed" or queue.spool.get(done.job_id).status == "completed"
    assert "Traceback" not in queue.said()


def test_a_queue_that_is_replaced_by_a_rename_is_watched_again(queue: Queue):
    # Given a queue at work
    queue.settings('settle = "200ms"\npoll = "2s"\n')
    process = queue.start()
    queue.ended(queue.command("true"))
    # When another directory is put in the place of its own, with a job in it
    fresh = queue.path / "fresh"
    fresh.mkdir()
    (queue.path / "queued").rename(queue.path / "old")
    fresh.rename(queue.path / "queued")
    (queue.path / "queued" / "drop.json").write_text('{"command": ["true"]}')
    # Then the job is found when the timer is due: no event tells of a directory that was moved away
    wait_for(lambda: queue.spool.status()["completed_jobs"] == 2, timeout=30, what=f"the drop: {queue.said()}")
    # And the new directory is watched
    assert "watching again" in queue.said()
    assert queue.ended(queue.command("true")).status == "completed"
    assert "trouble:" not in spoolq("status", "--spool", queue.path).out and process.poll() is None


def test_where_jobs_end_is_gone_while_one_runs(queue: Queue, tmp_path: Path):
    # Given a job that runs
    queue.start()
    gate = tmp_path / "gate"
    job = queue.command("sh", "-c", f"echo once >> {tmp_path}/ran; while [ ! -e {gate} ]; do sleep 0.05; done")
    queue.started(job)
    # When the directory of completed jobs is removed, and the job ends
    (queue.path / "completed").rmdir()
    gate.touch()
    wait_for(lambda: "Trying again" in queue.said(), what=f"a word on stderr: {queue.said()}")
    # and the directory is made again, Then the job has ended once
    spoolq("init", "--spool", queue.path)
    assert queue.ended(job).status == "completed" and (tmp_path / "ran").read_text() == "once\n"
    assert "Traceback" not in queue.said()


_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.fixture
def clock(queue: Queue, tmp_path: Path) -> Callable[[str], None]:
    """Sets the clock of the queue's processes, while the disk's clock goes on: what an NFS client's host may do."""
    need("" if _FAKETIME.exists() else "libfaketime is not installed")
    rc = tmp_path / "faketime"

    def set_to(moment: str) -> None:
        fresh = tmp_path / "faketime.new"
        fresh.write_text(moment + "\n")
        fresh.rename(rc)

    set_to("+0")
    wrapper = tmp_path / "python"
    fake = f"LD_PRELOAD={_FAKETIME} FAKETIME_TIMESTAMP_FILE={rc} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1"
    wrapper.write_text(f'#!/bin/sh\n{fake} exec {queue.interpreter} "$@"\n')
    wrapper.chmod(0o755)
    queue.interpreter = str(wrapper)
    return set_to


@pytest.mark.parametrize("moment", ["+1h", "-1h", "@1970-01-01 00:00:10", "+400d"])
def test_a_clock_that_jumps_under_the_runner(queue: Queue, clock: Callable[[str], None], tmp_path: Path, moment: str):
    # Given a running job with a time limit, one behind it, and a drop behind that
    queue.settings('settle = "200ms"\npoll = "500ms"\nheartbeat = "300ms"\nheartbeat_timeout = "60s"\n')
    queue.start()
    gate = tmp_path / "gate"
    script = "echo {} >> {}/ran; while [ ! -e {} ]; do sleep 0.05; done"
    first = queue.command("sh", "-c", script.format("first", tmp_path, gate), timeout="60s")
    queue.started(first)
    second = queue.command("sh", "-c", script.format("second", tmp_path, gate))
    # When the clock jumps while it runs
    clock(moment)
    (queue.path / "queued" / "drop.json").write_text(
        json.dumps({"command": ["sh", "-c", script.format("drop", tmp_path, gate)]})
    )
    wait_for(lambda: queue.spool.status()["drops"] == 0, what="the admission")
    last = queue.command("sh", "-c", script.format("last", tmp_path, gate))
    wait_for(lambda: queue.spool.get(first).heartbeat_at, what="a heartbeat")
    assert queue.spool.get(first).status == "running", "a jump is no time limit"
    gate.touch()
    # Then all run once, in the order in which they came by the disk's clock
    assert [queue.ended(job).status for job in (first, second, last)] == ["completed"] * 3
    assert (tmp_path / "ran").read_text().split() == ["first", "second", "drop", "last"]
    assert queue.spool.get(first).attempt == 1 and "Traceback" not in queue.said()
    assert os.listdir(queue.path / State.QUEUED.value) == []


def test_a_clock_that_is_behind_the_disks_is_said(queue: Queue, clock: Callable[[str], None]):
    # Given a queue at work, and a host whose clock was set back by an hour
    queue.start()
    queue.ended(queue.command("true"))
    clock("-1h")
    # When one asks there, Then status says so
    ran = subprocess.run(
        [queue.interpreter, "-m", "spoolq", "status", "--spool", str(queue.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "trouble: the clock of this host is" in ran.stdout and "behind the disk's, or was set back" in ran.stdout
