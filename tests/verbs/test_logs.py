"""`spoolq logs`."""

import subprocess
import time

import pytest

from tests.spooltest.waiting import wait_for
from tests.verbs.conftest import drain, submit
from tests.verbs.program import PROGRAM, spoolq, spoolq_on_terminal, spoolq_program


def log_of(spool, job: str):
    """Where the log of *job* is, or will be."""
    (record,) = [record for record in spoolq("list", "--json", "--spool", spool).json() if record["job_id"] == job]
    return spool / record["log"]


@pytest.fixture
def ten_lines(ended):
    """A job whose log has ten lines, the last one without its newline."""
    log_of(ended.spool, ended["exit"]).write_text("\n".join(f"line {n}" for n in range(1, 11)))
    return ended["exit"]


def test_prints_the_log(ended):
    assert spoolq("logs", ended["exit"]).out == "the model is not there\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(0, ""), (1, "line 10"), (3, "line 8\nline 9\nline 10"), (10, None), (99, None)],
)
def test_last_lines(ten_lines, lines, expected):
    whole = spoolq("logs", ten_lines).out
    assert spoolq("logs", ten_lines, "-n", lines).out == (whole if expected is None else expected)


def test_bytes_go_through_a_pipe_as_they_are(ended):
    # Given a log with carriage returns, bytes that are no text, and escape sequences
    raw = b"\rstep 1\rstep 2\n\xff\x00\x1b[31mred\x1b[0m\x1b]0;t\x07\n"
    log_of(ended.spool, ended["exit"]).write_bytes(raw)
    # When it goes into a pipe
    ran = subprocess.run([*PROGRAM, "logs", ended["exit"]], capture_output=True, check=True)
    # Then it is byte for byte what the evaluation wrote
    assert ran.stdout == raw


def test_a_terminal_gets_colours_and_nothing_else_to_obey(ended):
    # Given the same log, which ends in red
    log_of(ended.spool, ended["exit"]).write_bytes(b"a\rb\n\x1b]0;title\x07\x1b[2J\x1b[31mred\xff\n")
    # When it is shown on a terminal
    ran = spoolq_on_terminal("logs", ended["exit"])
    # Then title and screen are left alone, and the colour does not outlive the log
    assert ran.out == "a\rb\n\x1b[31mred\ufffd\n\x1b[0m"


def test_json_is_where_it_is(ended):
    log = log_of(ended.spool, ended["exit"])
    assert spoolq("logs", ended["exit"], "--json").json() == {
        "job_id": ended["exit"],
        "log": str(log),
        "bytes": len("the model is not there\n"),
        "status": "failed",
        "progress": None,
    }


def test_how_far_a_running_job_is_is_said_apart(busy):
    # When the log of a job that draws a bar is asked for, Then stdout is the log, and stderr says how far it is
    ran = spoolq("logs", busy["running"])
    assert ran.out == "\rRunning count: 50%|##  | 5/10 [00:01<00:01, 3it/s]"
    said = f"spoolq: job {busy['running'][:8]} is running: Running count 50% (5/10), 3it/s, 1.0s left\n"
    assert ran.err == said
    assert spoolq("logs", busy["running"], "--json").json()["progress"]["percent"] == 50


@pytest.mark.parametrize(
    ("name", "said"),
    [("broken", "is failed and has no log\n"), ("dropped", "is cancelled and has no log\n")],
)
def test_an_ended_job_without_a_log(ended, name, said):
    ran = spoolq("logs", ended[name])
    assert (ran.out, ran.err) == ("", f"spoolq: job {ended[name][:8]} {said}")


def test_a_job_that_has_not_begun(busy):
    ran = spoolq("logs", busy["first"])
    assert (
        ran.out == "" and ran.err == f"spoolq: job {busy['first'][:8]} is queued and has no log yet (-f waits for it)\n"
    )


@pytest.mark.parametrize(
    ("name", "code", "end"),
    [
        ("plain", 0, "completed (succeeded)"),
        ("exit", 3, "failed (exit)"),
        ("signal", 128 + 9, "failed (signal)"),
        ("broken", 1, "failed (invalid)"),
        ("dropped", 1, "cancelled (cancelled)"),
        ("no_results", 1, "failed (no_results)"),
    ],
)
def test_follow_ends_as_the_job_did(ended, name, code, end):
    ran = spoolq("logs", "-f", ended[name], ok=False)
    assert (ran.code, ran.err) == (code, f"spoolq: {ended[name][:8]} {end}\n")


def test_follow_from_before_the_start_to_the_end(spool, tmp_path):
    # Given a job that waits, and somebody who follows it
    gate = tmp_path / "gate"
    script = f'printf "begun\\n"; until [ -e {gate} ]; do sleep 0.02; done; printf "\\r50%%\\r100%%\\n"; exit 7'
    job = submit(spool, "--", "sh", "-c", script)
    seen = tmp_path / "seen"
    with seen.open("wb") as out:
        follower = subprocess.Popen([*PROGRAM, "logs", "-f", job], stdout=out, stderr=subprocess.PIPE)
    # When it is run, and waits for us in the middle
    runner = subprocess.Popen([*PROGRAM, "run", "--drain"], stderr=subprocess.DEVNULL)
    try:
        # Then its first line is there before its last is written
        wait_for(lambda: seen.read_bytes() == b"begun\n", 20)
        gate.touch()
        # And the follower ends with the job's own exit code, having seen every byte
        _, said = follower.communicate(timeout=20)
        assert follower.returncode == 7
        assert seen.read_bytes() == b"begun\n\r50%\r100%\n"
        assert f"spoolq: job {job[:8]} is queued; waiting for it to start\n" in said.decode()
        assert runner.wait(20) == 0
    finally:
        gate.touch()
        follower.kill()
        follower.wait()
        runner.wait(20)


def test_follow_shows_the_last_lines_first(ended, ten_lines):
    ran = spoolq("logs", "-f", "-n", "2", ten_lines, ok=False)
    assert (ran.code, ran.out) == (3, "line 9\nline 10")


def test_follow_goes_on_through_a_retry(spool, tmp_path):
    # Given a job that fails the first time, and may run twice
    flag = tmp_path / "flag"
    script = f"if [ -e {flag} ]; then echo second; else touch {flag}; echo first; exit 1; fi"
    job = submit(spool, "--retry-on", "exit", "--max-attempts", "2", "--", "sh", "-c", script)
    # When it has been run
    drain(spool)
    # Then the log is that of the newest attempt
    assert spoolq("logs", "-f", job).out == "second\n"


def test_interrupt_is_quiet(busy):
    # Given somebody who follows a job that runs on
    follower = subprocess.Popen(
        [*PROGRAM, "logs", "-f", busy["running"]], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert follower.stdout is not None and follower.stdout.read(1) == b"\r"
    # When they press Ctrl-C
    follower.send_signal(2)
    began = time.monotonic()
    _, said = follower.communicate(timeout=20)
    # Then it ends at once without a word, and the job goes on
    assert (follower.returncode, said) == (130, b"")
    assert time.monotonic() - began < 5
    assert spoolq_program("show", busy["running"], "--json").json()["status"] == "running"
