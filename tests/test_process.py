"""Telling processes apart and ending them; all real."""

import os
import signal
import subprocess
import sys

from spoolq import process
from tests.spooltest.waiting import wait_for


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


def test_children_of_a_subreaper_are_all_that_its_children_started_and_are_empty_when_all_are_gone():
    # Given a subreaper whose child starts a daemon of its own session, and goes
    program = (
        "import os, subprocess; from spoolq import process; process.become_subreaper();"
        "spared = subprocess.Popen(['sleep', '600']);"
        "print(process.children([spared.pid]));"
        "subprocess.run(['sh', '-c', 'setsid sleep 600 & sleep 0.05']);"
        "left = process.children([spared.pid]); print(len(left));"
        "find = lambda: [p for p in process.children([spared.pid]) if not os.waitpid(p, os.WNOHANG)[0]];"
        "print(process.kill_all(find));"
        "print(process.children([spared.pid])); spared.kill(); spared.wait()"
    )
    # When it looks, it finds the daemon and never the one that it spares; when that is dead, nothing
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.splitlines() == ["[]", "1", "1", "[]"]
