"""`spoolq top` on a terminal: what it shows, what its keys do, and that the terminal is as it was afterwards."""

import json
import os
import shlex
import signal
import sys

import psutil
import pytest

from spoolq import control, history
from spoolq.find import find
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import begun, conclude_as, submitted
from tests.spooltest.past import completed
from tests.spooltest.terminal import OnTerminal
from tests.spooltest.waiting import wait_for
from tests.verbs import goldens
from tests.verbs.conftest import start, stop, submit
from tests.verbs.program import PROGRAM

_BAR = "\rRunning loglikelihood requests:  30%|###   | 48/160 [00:10<00:23,  4.80it/s]"


def top(spool_path, *argv, **options):
    return OnTerminal([*PROGRAM, "top", "--spool", str(spool_path), *argv], **options)


@pytest.fixture
def at_work(store):
    """A spool with a past, a job that runs, and three that wait, one of them held."""
    completed(store, 3600, recipe="command", request={"command": ["true"]})
    running = begun(store, submitted(store), "all")
    store.layout.run(running.running.stem.key).log.write_text(_BAR)
    waiting = [submitted(store), submitted(store), submitted(store, not_before="2100-01-01T00:00:00+00:00")]
    return running, waiting


def short(stem):
    return stem.uuid[:8]


def row_of(terminal, stem):
    return next((line for line in terminal.lines if short(stem) in line), "")


def is_marked(terminal, stem):
    return row_of(terminal, stem).startswith("> ")


def marked(terminal):
    """The beginning of the row that is selected, with the job's id; empty while the screen is being drawn."""
    return next((line[:18] for line in terminal.lines if line.startswith("> ")), "")


def select(terminal, stem):
    """Go down to a job."""
    wait_for(lambda: row_of(terminal, stem))
    for _ in range(30):
        if is_marked(terminal, stem):
            return
        before = marked(terminal)
        terminal.type("j")
        wait_for(lambda before=before: marked(terminal) not in ("", before), what="the selection to move")
    raise AssertionError(f"{short(stem)} cannot be selected:\n{terminal.text}")


def test_the_picture_at_80_by_24(spool_path, at_work):
    with top(spool_path) as terminal:
        terminal.shows("q quit")  # it is drawn from top to bottom
        title, *rows = terminal.lines
        assert title.startswith(f"spoolq top  {str(spool_path)[:20]}") and title[-9:-5].count(":") == 1
        terminal.type("q")
        assert terminal.end() == 0 and terminal.comes_back()
    # Then it is what the golden file holds, from the second line on: the first has the spool's path, and the time
    goldens.compare("top", goldens.level(goldens.settled("\n".join(rows), spool_path, spool_path.parent)))


def test_it_follows_what_happens(store, spool_path, at_work):
    # Given the view, When jobs come, change and end, Then it shows them within moments
    running, _ = at_work
    with top(spool_path) as terminal:
        terminal.shows("3 queued  1 running  1 completed")
        new = submitted(store)
        terminal.shows("4 queued")
        wait_for(lambda: row_of(terminal, new))
        store.layout.run(running.running.stem.key).log.write_text(_BAR.replace("30%", "90%").replace("48/", "144/"))
        terminal.shows("90% (144/160)")
        conclude_as(store, running, "exit")
        terminal.shows("1 failed")
        wait_for(lambda: "exit:" in row_of(terminal, running.running.stem))


class TestKeys:
    def test_arrows_and_letters_select(self, spool_path, at_work):
        running, waiting = at_work
        with top(spool_path) as terminal:
            wait_for(lambda: is_marked(terminal, running.running.stem))
            terminal.type("\x1b[B")
            wait_for(lambda: is_marked(terminal, waiting[0]))
            terminal.type("jj")
            wait_for(lambda: is_marked(terminal, waiting[2]))
            terminal.type("\x1bOAk")
            wait_for(lambda: is_marked(terminal, waiting[0]))
            terminal.type("\x1b[F")
            wait_for(lambda: terminal.lines[-2].startswith("> ") or "> " in terminal.text.split("ended")[1])
            terminal.type("\x1b[H")
            wait_for(lambda: is_marked(terminal, running.running.stem))

    def test_c_cancels_once_it_is_confirmed(self, store, spool_path, at_work):
        _, waiting = at_work
        with top(spool_path) as terminal:
            select(terminal, waiting[1])
            # When it is asked and denied, Then nothing happens
            terminal.type("c")
            terminal.shows(f"cancel {short(waiting[1])} (queued)?")
            terminal.type("n")
            terminal.shows("not done")
            assert find(store, waiting[1].uuid).state is State.QUEUED
            # When it is confirmed, Then the job is cancelled, and shown among the ends
            terminal.type("cy")
            terminal.shows(f"{short(waiting[1])} is cancelled")
            assert find(store, waiting[1].uuid).state is State.CANCELLED
            terminal.shows("1 cancelled")

    def test_c_asks_a_running_job_to_stop(self, store, spool_path, at_work):
        running, _ = at_work
        with top(spool_path) as terminal:
            select(terminal, running.running.stem)
            terminal.type("cy")
            terminal.shows("is asked to stop")
        assert control.read(store).cancels(running.running.stem.key, os.getuid())

    def test_plus_raises_and_minus_lowers(self, store, spool_path, at_work):
        _, waiting = at_work
        with top(spool_path) as terminal:
            select(terminal, waiting[1])
            terminal.type("+")
            terminal.shows(f"{short(waiting[1])} is high now, at position 0")
            wait_for(lambda: is_marked(terminal, waiting[1]) and "   0 " in row_of(terminal, waiting[1]))
            terminal.type("++")
            terminal.shows("is urgent already")
            terminal.type("---")
            terminal.shows("is low now, at position 2")
            assert find(store, waiting[1].uuid).stem.priority == "low"
            terminal.type("-")
            terminal.shows("is low already")

    def test_what_a_job_does_not_allow_is_said(self, spool_path, at_work):
        running, _ = at_work
        with top(spool_path) as terminal:
            select(terminal, running.running.stem)
            terminal.type("+")
            terminal.shows("only a queued job has a priority")
            terminal.type("\x1b[Fc")
            terminal.shows("has ended")

    def test_p_pauses_and_resumes(self, store, spool_path, at_work):
        with top(spool_path) as terminal:
            terminal.shows("q quit")
            terminal.type("p")
            terminal.shows("paused (p resumes)")
            assert control.read(store).paused
            terminal.type("p")
            terminal.shows("runners claim again")
            assert not control.read(store).paused

    @pytest.mark.parametrize("back", ["q", "\x03"])
    def test_l_follows_the_log_and_comes_back(self, store, spool_path, at_work, back):
        running, _ = at_work
        log = store.layout.run(running.running.stem.key).log
        log.write_text("first\n")
        with top(spool_path) as terminal:
            select(terminal, running.running.stem)
            terminal.type("l")
            # Then the log is on the terminal's own screen, without what a terminal would obey
            terminal.shows("first")
            with log.open("a") as file:
                file.write("second \x1b]0;owned\x07\n")
            terminal.shows("second")
            assert b"owned" not in terminal.written
            assert not terminal.is_full_screen
            # When it is left, Then the view is there again, and nothing is left running
            terminal.type(back)
            wait_for(lambda: terminal.is_full_screen)
            assert psutil.Process(terminal.process.pid).children() == []
            terminal.type("q")
            assert terminal.end() == 0 and terminal.comes_back()

    def test_the_end_of_a_log_waits_for_a_key(self, store, spool_path, at_work):
        running, _ = at_work
        store.layout.run(running.running.stem.key).log.write_text("all there is\n")
        conclude_as(store, running, "succeeded")
        with top(spool_path) as terminal:
            select(terminal, running.running.stem)
            terminal.type("\r")
            terminal.shows("all there is")
            terminal.shows("press a key to go back")
            terminal.type("x")
            wait_for(lambda: terminal.is_full_screen)


def test_with_a_runner_the_order_and_the_end_are_those_that_were_asked_for(spool_path):
    # Given a runner with a job that would take long, and two that wait
    running, *waiting = (submit(spool_path, "--", *argv) for argv in (["sleep", "300"], ["true"], ["true"]))
    runner = start(spool_path, running)
    try:
        with top(spool_path) as terminal:
            terminal.shows("1 running")
            # When the last is raised, and the running one cancelled
            wait_for(lambda: is_marked(terminal, find(Store(spool_path), running).stem))
            terminal.type("jj+")
            terminal.shows(f"{waiting[1][:8]} is high now, at position 0")
            terminal.type("kcy")
            # Then it ends, and the raised one runs before the other
            terminal.shows(f"{running[:8]} is asked to stop")
            terminal.shows("2 completed  0 failed  1 cancelled")
            terminal.type("q")
            assert terminal.end() == 0 and terminal.comes_back()
    finally:
        stop(runner)
    store = Store(spool_path)
    begun = [history.last(history.events(store, find(store, job).stem.key), "started")["at"] for job in waiting]
    assert begun[1] < begun[0]


class TestTheTerminal:
    @pytest.mark.parametrize(
        ("number", "code"),
        [(signal.SIGTERM, -15), (signal.SIGHUP, -1), (signal.SIGQUIT, -3), (signal.SIGINT, 130)],
        ids=lambda value: str(value),
    )
    def test_is_as_before_after_a_signal(self, spool_path, at_work, number, code):
        with top(spool_path) as terminal:
            terminal.shows("q quit")
            assert not terminal.is_as_before
            os.kill(terminal.process.pid, number)
            assert terminal.end() == code and terminal.comes_back()

    def test_is_as_before_when_the_spool_is_gone(self, spool_path, at_work):
        with top(spool_path) as terminal:
            terminal.shows("q quit")
            spool_path.rename(spool_path.with_name("elsewhere"))
            # Then it ends with the reason, on the terminal's own screen
            assert terminal.end() == 5 and terminal.comes_back()
            wait_for(lambda: b"cannot list" in terminal.written)
            assert b"Traceback" not in terminal.written
            spool_path.with_name("elsewhere").rename(spool_path)

    def test_is_as_before_after_a_fault_of_ours(self, spool_path, at_work):
        # Given a view that fails while it draws
        code = (
            "import sys; from spoolq.top import screen; screen.frame = lambda *a: 1 / 0; "
            f"from spoolq.cli import main; main(['top', '--spool', {str(spool_path)!r}])"
        )
        with OnTerminal([sys.executable, "-c", code]) as terminal:
            assert terminal.end() == 1 and terminal.comes_back()
            wait_for(lambda: b"ZeroDivisionError" in terminal.written)

    def test_is_given_back_by_ctrl_z_and_taken_again_by_fg(self, spool_path, at_work):
        # Given the view as a job of a shell, which stops and continues it as shells do
        words = shlex.join([*PROGRAM, "top", "--spool", str(spool_path)])
        with OnTerminal(
            ["bash", "--norc", "-i"], env={"PS1": "shell> ", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
        ) as terminal:
            terminal.shows("shell>")
            terminal.type(f"{words}\r")
            terminal.shows("q quit")
            assert terminal.is_full_screen
            # When Ctrl-Z is typed, Then the shell has its screen again
            terminal.type("\x1a")
            wait_for(lambda: not terminal.is_full_screen)
            terminal.shows("Stopped")
            # When it is brought back, Then the view is there, and hears keys
            terminal.type("fg\r")
            wait_for(lambda: terminal.is_full_screen)
            terminal.type("c")
            terminal.shows("y cancels it")
            terminal.type("nq")
            wait_for(lambda: not terminal.is_full_screen)
            terminal.type("exit 7\r")
            assert terminal.end() == 7

    def test_is_left_alone_in_the_background(self, spool_path, at_work):
        # Given a view that was stopped, When it is told to go on in the background, Then it stops rather than draw
        words = shlex.join([*PROGRAM, "top", "--spool", str(spool_path)])
        with OnTerminal(["bash", "--norc", "-i"], env={"PS1": "shell> "}) as terminal:
            terminal.shows("shell>")
            terminal.type(f"{words}\r")
            terminal.shows("q quit")
            terminal.type("\x1a")
            terminal.shows("Stopped")
            (view,) = psutil.Process(terminal.process.pid).children()
            terminal.type("bg\r")
            wait_for(lambda: view.status() == psutil.STATUS_STOPPED and b"bg" in terminal.written)
            assert not terminal.is_full_screen
            terminal.type("kill %1; fg\r")
            wait_for(lambda: not view.is_running() or view.status() == psutil.STATUS_ZOMBIE)
            assert not terminal.is_full_screen

    def test_goes_on_after_a_stop_that_nobody_can_hear(self, spool_path, at_work):
        with top(spool_path) as terminal:
            terminal.shows("q quit")
            process = psutil.Process(terminal.process.pid)
            os.kill(process.pid, signal.SIGSTOP)
            wait_for(lambda: process.status() == psutil.STATUS_STOPPED)
            drawn = terminal.written.count(b"\x1b[?1049h")
            os.kill(process.pid, signal.SIGCONT)
            wait_for(lambda: terminal.written.count(b"\x1b[?1049h") == drawn + 1)
            terminal.type("q")
            assert terminal.end() == 0 and terminal.comes_back()

    def test_may_change_its_size(self, spool_path, at_work):
        with top(spool_path, env={"COLUMNS": "80", "LINES": "24"}) as terminal:
            terminal.shows("q quit")
            terminal.resize(100, 30)
            wait_for(lambda: "q quit" in terminal.lines[29] and len(terminal.lines[0]) == 100)
            terminal.resize(50, 12)
            wait_for(lambda: "select" in terminal.lines[11] and len(terminal.lines[0]) == 50)

    def test_has_no_colours_where_they_are_not_wanted(self, spool_path, at_work):
        with top(spool_path) as terminal:
            terminal.shows("q quit")
            assert terminal.colours - {"default"}
        with top(spool_path, env={"NO_COLOR": "1"}) as terminal:
            terminal.shows("q quit")
            assert terminal.colours == {"default"}
            assert any(line.startswith("> ") for line in terminal.lines)


def test_a_job_cannot_speak_to_the_terminal(store, spool_path):
    # Given a job whose command would set the title and clear the screen
    evil = {"request": {"command": ["echo", "\x1b]0;owned\x07\x1b[2J", "[red]two\nlines"]}}
    (spool_path / "queued" / f"{submitted(store)}.json").write_text(json.dumps(evil))
    with top(spool_path, columns=200) as terminal:
        terminal.shows("[red]two lines")
        assert b"]0;owned\x07" not in terminal.written
