"""The guard of a worker's command: it ends with it, and ends all that it started when told to, or left alone."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from spoolq.worker.guard import TAIL
from tests.spooltest.waiting import gone, wait_for


class Guarded:
    """A guard at work; `stdin` closed says stop."""

    def __init__(self, *command: str, grace: float = 0.3, stdout=subprocess.PIPE) -> None:
        reports, report = os.pipe()
        argv = [sys.executable, "-m", "spoolq.worker.guard", str(grace), str(report), "--", *command]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=stdout, pass_fds=(report,), start_new_session=True
        )
        os.close(report)
        self.reports = reports

    def report(self) -> dict:
        with os.fdopen(self.reports) as pipe:
            found = json.loads(pipe.read())
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        return found


@pytest.fixture
def guarded():
    """Start a guard; it is gone when the test ends."""
    made: list[Guarded] = []

    def start(*command: str, **options) -> Guarded:
        made.append(Guarded(*command, **options))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.process.stdin.close()
        if one.process.stdout is not None:
            one.process.stdout.close()


#: A child that leaves the session and does not care for SIGTERM; its pid goes to the file that is named.
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1] + ".tmp", "w").write(str(os.getpid())); os.rename(sys.argv[1] + ".tmp", sys.argv[1])
        time.sleep(300)
    os._exit(0)
print("ready", flush=True)
if len(sys.argv) > 2: os.wait(); time.sleep(float(sys.argv[2]))
"""


def pid_in(path) -> psutil.Process:
    wait_for(path.exists, 20, "the grandchild")
    return psutil.Process(int(path.read_text()))


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill -15 $$", -15)])
def test_it_reports_how_the_command_ended(guarded, script, status):
    # Given a command, When it ends, Then the report has its exit status, or the signal
    assert guarded("sh", "-c", script).report() == {"status": status, "fault": None, "tail": ""}


def test_what_is_printed_goes_on_and_its_end_is_in_the_report(guarded):
    # Given a command that prints to both streams, at the end much, and no UTF-8
    one = guarded("sh", "-c", "echo first; echo second >&2; head -c 100000 /dev/zero | tr '\\0' x; printf '\\377end'")
    said = one.process.stdout.read()
    # When it has ended, Then all of it went to our stdout, and its last part is in the report
    assert said.startswith(b"first\nsecond\nxxx") and said.endswith(b"x\xffend") and len(said) == 13 + 100000 + 4
    tail = one.report()["tail"]
    assert tail.endswith("x�end") and len(tail) == TAIL


def test_a_command_that_is_not_there_is_a_fault(guarded):
    # Given a program that does not exist, When it is to be run, Then the report says what was not found
    report = guarded("/no/such/program").report()
    assert report["status"] is None and report["fault"] == "/no/such/program: No such file or directory"


def test_the_command_finds_no_signal_ignored_and_nothing_on_its_stdin(guarded):
    # Given a command that asks for its signals, its session and its input, When it runs
    script = (
        "import os, signal; print(sorted(n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN))"
    )
    script += "; print(os.getsid(0) == os.getpid(), repr(os.read(0, 1)))"
    one = guarded(sys.executable, "-c", script)
    # Then Python's own two are all that is ignored, it leads a session, and its stdin is empty
    assert one.process.stdout.read().splitlines() == [
        f"[{signal.Signals.SIGPIPE!r}, {signal.Signals.SIGXFSZ!r}]".encode(), b"True b''",
    ]  # fmt: skip
    one.report()


def test_what_the_command_leaves_is_ended_with_it(guarded, tmp_path):
    # Given a command that ends at once, and leaves a daemon that ignores SIGTERM and holds its output open
    one = guarded(sys.executable, "-c", FAMILY, str(tmp_path / "pid"), "0")
    left = pid_in(tmp_path / "pid")
    # When the command has ended, Then so has the daemon, and the guard does not wait for it
    assert one.report()["status"] == 0
    assert gone(left)


def test_told_to_stop_it_asks_and_then_kills_the_whole_tree(guarded, tmp_path):
    # Given a command and a daemon of it that both ignore SIGTERM
    one = guarded(sys.executable, "-c", FAMILY, str(tmp_path / "pid"), "300", grace=0.5)
    left = pid_in(tmp_path / "pid")
    # When the guard is told to stop
    began = time.monotonic()
    one.process.stdin.close()
    report = one.report()
    # Then they had their grace, and are gone
    assert 0.5 <= time.monotonic() - began < 10
    assert report["status"] == -9 and gone(left)


def test_a_command_that_obeys_is_not_kept_waiting(guarded):
    # Given a command that ends when asked, and a long grace, When the guard is told to stop
    one = guarded("sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done", grace=60)
    assert one.process.stdout.readline() == b"ready\n"
    began = time.monotonic()
    one.process.stdin.close()
    # Then the command's own exit is reported, at once
    assert one.report()["status"] == 7 and time.monotonic() - began < 10


def test_a_guard_that_is_killed_takes_its_command_with_it(guarded):
    # Given a command at work, When its guard is killed, Then the kernel kills the command
    one = guarded("sleep", "300")
    guard = psutil.Process(one.process.pid)
    wait_for(guard.children, 20)
    command = guard.children()[0]
    one.process.kill()
    wait_for(lambda: gone(command))
    os.close(one.reports)


def test_signals_to_the_guard_are_the_workers_to_decide(guarded):
    # Given a command at work, When the guard itself is sent what a terminal or a batch system sends to all
    one = guarded("sh", "-c", "echo ready; sleep 0.5; exit 4")
    assert one.process.stdout.readline() == b"ready\n"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        one.process.send_signal(number)
    # Then the command goes on to its own end
    assert one.report()["status"] == 4


def test_a_reader_who_does_not_read_keeps_nobody_from_stopping_the_command(guarded):
    # Given a command that prints for ever to somebody who does not read
    ours, theirs = os.pipe()
    one = guarded("yes", stdout=theirs)
    os.close(theirs)
    guard = psutil.Process(one.process.pid)
    wait_for(guard.children, 20)
    command = guard.children()[0]
    wait_for(lambda: command.status() == psutil.STATUS_SLEEPING, 20, "a full pipe")
    # When the guard is told to stop, Then the command ends, and then so does the guard
    one.process.stdin.close()
    wait_for(lambda: gone(command))
    assert one.report()["status"] == -15
    os.close(ours)


def test_a_reader_who_has_gone_does_not_end_the_command(guarded):
    # Given a command that prints to nobody any more, When it has ended, Then by itself, and its tail is known
    ours, theirs = os.pipe()
    os.close(ours)
    one = guarded("sh", "-c", "echo lost; sleep 0.1; echo end; exit 5", stdout=theirs)
    os.close(theirs)
    assert one.report() == {"status": 5, "fault": None, "tail": "lost\nend\n"}
