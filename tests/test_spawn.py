"""A child that is ready before its order comes; all real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from spoolq import process
from spoolq.spawn import Program, Ready, TooLate
from tests.spooltest.waiting import wait_for


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "log")


@pytest.fixture
def no_child_left():
    """Asserts at the end that this process has the children that it had before."""
    before = psutil.Process().children()
    yield
    assert psutil.Process().children() == before


def _ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_program_leads_a_session_with_its_output_in_the_log_and_its_changes_in_the_environment(
    tmp_path, log, monkeypatch
):
    # Given a child that waits, of a parent with two variables
    monkeypatch.setenv("GONE", "g")
    monkeypatch.setenv("KEPT", "k")
    ready = Ready()
    # When it is told what to run
    script = "pwd; echo err >&2; echo $NAME $KEPT${GONE-no}; readlink /proc/self/fd/0"
    pid = ready.start(Program(["sh", "-c", script], str(tmp_path), log, {"NAME": "v"}, ["GONE", "NEVER"]))
    # Then it led a session, stood in the directory, had no input, and both streams are in the log
    assert pid == ready.pid and os.getsid(pid) == pid and _ended(pid) == 0
    assert (tmp_path / "log").read_text() == f"{tmp_path}\nerr\nv kno\n/dev/null\n"


def test_it_has_nothing_open_and_the_signals_of_a_login_shell(log):
    # Given a parent that ignores an interrupt, as under nohup, and has a file open
    script = (
        "import os; print(sorted(os.listdir('/proc/self/fd'))[:-1]);"
        "print(*[row.split()[1] for row in open('/proc/self/status') if row[:6] in ('SigBlk', 'SigIgn')])"
    )
    parent = (
        "import os, signal, sys; from spoolq.spawn import Program, Ready, like_a_login_shell;"
        "signal.signal(2, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [2, 15]); like_a_login_shell();"
        f"kept = open('/etc/passwd'); pid = Ready().start(Program([sys.executable, '-c', {script!r}], '/', {log!r}));"
        "sys.exit(os.waitpid(pid, 0)[1])"
    )
    subprocess.run([sys.executable, "-c", parent], check=True, timeout=30)
    # Then the program has its three streams, blocks nothing, and ignores nothing but what Python itself does by now
    python = (1 << signal.SIGPIPE - 1) | (1 << signal.SIGXFSZ - 1)
    assert Path(log).read_text() == f"['0', '1', '2']\n{0:016x} {python:016x}\n"


@pytest.mark.parametrize(("argv", "cwd", "log_at", "named"), [
    (["/does/not/exist"], "/", "log", "/does/not/exist"),
    (["no-such-program"], "/", "log", "no-such-program"),
    (["true"], "/does/not/exist", "log", "/does/not/exist"),
    (["/etc/passwd"], "/", "log", "/etc/passwd"),
    (["true"], "/", "no/log", "{}/no/log"),
])  # fmt: skip
def test_what_cannot_be_started_is_an_oserror_that_names_the_culprit(tmp_path, no_child_left, argv, cwd, log_at, named):
    with pytest.raises(OSError) as caught:
        Ready().start(Program(argv, cwd, str(tmp_path / log_at)))
    assert caught.value.filename == named.format(tmp_path)


def test_nothing_is_started_past_the_deadline(tmp_path, no_child_left, log):
    # Given an order that came too late, since a file system hung
    with pytest.raises(TooLate):
        Ready().start(Program(["touch", str(tmp_path / "ran")], "/", log), time.monotonic() - 0.001)
    # Then it did not run
    assert not (tmp_path / "ran").exists()


def test_an_order_may_be_large(tmp_path, log):
    # Given more than a pipe holds
    values = {f"NAME_{number}": "x" * 100_000 for number in range(8)}
    assert _ended(Ready().start(Program(["sh", "-c", "echo ${#NAME_7}"], "/", log, values))) == 0
    assert (tmp_path / "log").read_text() == "100000\n"


def test_a_child_that_was_killed_while_it_waited_is_a_broken_pipe(log):
    ready = Ready()
    os.kill(ready.pid, signal.SIGKILL)
    wait_for(lambda: os.waitpid(ready.pid, os.WNOHANG)[0])
    with pytest.raises(BrokenPipeError):
        ready.start(Program(["true"], "/", log))


def test_a_child_that_is_let_go_ends(log):
    ready = Ready()
    ready.close()
    assert _ended(ready.pid) == 0


@pytest.mark.parametrize("told", [False, True])
def test_the_child_dies_with_its_parent_also_while_it_waits(log, told):
    # Given a parent with a child that waits, or runs
    start = f"r.start(Program(['sleep', '600'], '/', {log!r}))" if told else "r.pid"
    program = f"import sys; from spoolq.spawn import Program, Ready; r = Ready(); print({start}, flush=True)"
    argv = [sys.executable, "-c", f"{program}; sys.stdin.read()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        started = process.start_time(pid)
        assert process.is_alive(pid, started, process.boot_id())
        # When the parent is killed
        parent.kill()
    # Then so is the child
    wait_for(lambda: not process.is_alive(pid, started, process.boot_id()))


def _is_closed(reader):
    try:
        return os.read(reader, 1) == b""
    except BlockingIOError:
        return False


def test_what_the_parent_holds_open_is_held_by_the_waiting_child_until_the_program_runs(tmp_path, log):
    # Given a pipe's end in the parent, as a slot's lock is
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    ready = Ready()
    os.close(writer)
    # Then the child has it while it waits
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    # And the program that it becomes has not
    pid = ready.start(Program(["sleep", "600"], "/", log))
    wait_for(lambda: _is_closed(reader))
    os.kill(pid, signal.SIGKILL)
    assert _ended(pid) == -signal.SIGKILL
    os.close(reader)
