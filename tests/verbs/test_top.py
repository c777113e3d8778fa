"""`spoolq top` where there is no terminal, and for programs."""

from spoolq.models import JobInfo
from spoolq.store import Store
from tests.spooltest.jobs import ended, submitted
from tests.verbs.program import spoolq, spoolq_on_terminal, spoolq_program


def test_without_a_terminal_it_says_what_to_do_instead(spool):
    ran = spoolq_program("top", "--spool", spool)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "spoolq: cannot show a live view: stdin and stdout are no terminal. "
        "Use `spoolq status`, or `spoolq top --once` for one picture.\n"
    )


def test_on_a_terminal_that_can_only_print_it_does_so_too(spool):
    ran = spoolq_on_terminal("top", "--spool", spool, env={"TERM": "dumb"})
    assert ran.code == 2 and "the terminal (TERM) can only print" in ran.out


def test_once_prints_a_picture_that_fills_no_screen(spool):
    # Given a job that waits, When one picture is asked for where there is no terminal
    submitted(Store(spool))
    ran = spoolq("top", "--once")
    # Then it is whole lines without any escape sequence, none wider than 80
    assert "\x1b" not in ran.out and len(ran.lines) == 24 and all(len(line) <= 80 for line in ran.lines)
    assert "waiting" in [line.rstrip() for line in ran.lines]
    # And on a terminal it neither takes the screen nor hides the cursor
    shown = spoolq_on_terminal("top", "--once", "--spool", spool).out
    assert "\x1b[?1049h" not in shown and "\x1b[?25l" not in shown and "waiting" in shown


def test_json_is_that_of_status_and_the_newest_ends(spool):
    store = Store(spool)
    jobs = [ended(store, submitted(store), outcome).stem.uuid for outcome in ("succeeded", "exit", "cancelled")]
    seen = spoolq("top", "--json").json()
    assert set(spoolq("status", "--json").json()) - set(seen) == {"queued_jobs"}
    assert [record["job_id"] for record in seen["ended"]] == jobs[::-1]
    assert all(set(record) == set(JobInfo.model_fields) for record in seen["ended"])


def test_of_a_spool_that_is_not_there(tmp_path):
    ran = spoolq("top", "--once", "--spool", tmp_path / "none", ok=False)
    assert ran.code == 5 and ran.err.startswith("spoolq: cannot open spool")
