"""Starting, telling apart and ending processes; all real."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spoolq import process
from tests.spooltest.waiting import wait_for


@pytest.fixture
def log(tmp_path):
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    yield fd
    os.close(fd)


def test_spawn_runs_the_program_in_its_own_session_with_its_output_in_the_log(tmp_path, log):
    # When a program is started
    pid = process.spawn(["sh", "-c", "pwd; echo err >&2; echo $NAME"], tmp_path, {"NAME": "v", "PATH": os.defpath}, log)
    session = os.getsid(pid)
    _, status = os.waitpid(pid, 0)
    # Then it led a session, stood in the directory, and both streams are in the log
    assert session == pid and os.waitstatus_to_exitcode(status) == 0
    assert (tmp_path / "log").read_text() == f"{tmp_path}\nerr\nv\n"


@pytest.mark.parametrize(("argv", "cwd", "named"), [
    (["/does/not/exist"], "/", "/does/not/exist"),
    (["no-such-program"], "/", "no-such-program"),
    (["true"], "/does/not/exist", "/does/not/exist"),
    (["/etc/passwd"], "/", "/etc/passwd"),
])  # fmt: skip
def test_what_cannot_be_started_is_an_oserror_that_names_the_culprit(log, argv, cwd, named):
    with pytest.raises(OSError) as caught:
        process.spawn(argv, Path(cwd), {"PATH": os.defpath}, log)
    assert caught.value.filename == named
    # And there is no child left
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_child_dies_with_its_parent(tmp_path):
    # Given a parent that spawns a sleeper
    program = (
        "import os,sys; from pathlib import Path; from spoolq import process;"
        "fd=os.open(sys.argv[1], os.O_WRONLY|os.O_CREAT);"
        "print(process.spawn(['sleep','600'], Path('/'), {'PATH': os.defpath}, fd), flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        started = process.start_time(pid)
        assert process.is_alive(pid, started, process.boot_id())
        # When the parent is killed
        parent.kill()
    # Then so is the sleeper
    wait_for(lambda: not process.is_alive(pid, started, process.boot_id()))


def test_a_process_is_its_pid_its_start_and_its_boot():
    mine, boot = os.getpid(), process.boot_id()
    started = process.start_time(mine)
    assert process.is_alive(mine, started, boot)
    assert not process.is_alive(mine, started + 1, boot)
    assert not process.is_alive(mine, started, "another-boot")
    assert not process.is_alive(mine, None, boot)
    assert process.start_time(2**22 + 1) is None


def test_a_zombie_is_not_alive():
    # Given a child that has ended and was not waited for
    with subprocess.Popen(["true"]) as child:
        started = process.start_time(child.pid)
        wait_for(lambda: not process.is_alive(child.pid, started, process.boot_id()))
        assert process.start_time(child.pid) == started  # it is still in the table


def test_marked_finds_by_environment_and_by_session_but_not_a_reused_pid():
    # Given one process with the mark, and one in a session
    marked = subprocess.Popen(["sleep", "600"], env={"SPOOLQ_CLAIM": "this-one", "PATH": os.defpath})
    session = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        start = process.start_time(session.pid)
        # Then each is found by what it is known by
        wait_for(lambda: marked.pid in process.marked("SPOOLQ_CLAIM=this-one", None, None))
        assert process.marked("SPOOLQ_CLAIM=this", None, None) == []
        assert session.pid in process.marked("SPOOLQ_CLAIM=other", session.pid, start)
        # And a leader with another start time is somebody else
        assert session.pid not in process.marked("SPOOLQ_CLAIM=other", session.pid, start - 1)
        # When all that is found is killed, nothing of it is left
        assert process.kill_all(lambda: process.marked("SPOOLQ_CLAIM=this-one", session.pid, start)) == 2
    finally:
        for child in (marked, session):
            child.kill()
            child.wait()


def test_signal_group_reaches_the_whole_group_and_is_silent_about_a_dead_one():
    # Given a group of two
    leader = subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True)
    with leader:
        process.signal_group(leader.pid, signal.SIGKILL)
    assert leader.returncode == -signal.SIGKILL
    process.signal_group(leader.pid, signal.SIGTERM)
