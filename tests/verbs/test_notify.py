"""`spoolq notify`."""

import json
import sys

import pytest

from spoolq import history
from spoolq.store import Store
from tests.spooltest.jobs import ended, submitted
from tests.verbs.conftest import submit
from tests.verbs.program import spoolq


@pytest.fixture
def hooks(spool):
    command = json.dumps([sys.executable, "-c", "import sys; print(sys.argv[1:])", "{job_id}", "{subject}"])
    (spool / "spoolq.toml").write_text(
        f'[notify.mail]\non = ["failed", "idle"]\ncommand = {command}\n'
        '[notify.bad]\non = "stuck"\ncommand = ["sh", "-c", "echo no; exit 3"]\n'
        '[notify.slow]\non = "failed"\ntimeout = "300ms"\ncommand = ["sleep", "600"]\n'
        '[notify.none]\non = "failed"\ncommand = ["/nowhere/x"]\n'
        '[notify.chat]\non = "failed"\nwebhook = "http://127.0.0.1:1/hunter2"\n'
    )
    return spool


def test_list_shows_no_url(hooks):
    ran = spoolq("notify", "list")
    assert ran.lines[1].split() == ["mail", "failed,", "idle", "command", "30", "s"]
    assert "hunter2" not in ran.out
    assert spoolq("notify", "list", "--json").json()["hooks"][2] == {
        "hook": "slow", "on": ["failed"], "way": "command", "timeout": 0.3
    }  # fmt: skip


def test_list_without_hooks(spool):
    assert spoolq("notify", "list").out.startswith("no hooks; ")


def test_a_trial_tells_of_a_job_that_there_is(hooks):
    # Given a job, When the hook is tried with it, Then it is told of it, and the history says nothing of that
    job = submit(hooks, "--", "true")
    ran = spoolq("notify", "test", "mail", job)
    assert ran.out.startswith(f"mail: ok: ['{job}', 'a test of the hook mail: failed: ")
    assert "notified" not in spoolq("show", job).out


def test_show_tells_what_came_of_a_notice(hooks):
    # Given an ended job of which a hook was told in vain, When it is shown, Then its history says so
    opened = Store(hooks)
    entry = ended(opened, submitted(opened), "exit")
    history.record(opened, entry.stem.key, "notified", hook="mail", told="failed", ok=False, error="no such mailbox")
    assert "notified  hook=mail told=failed ok=False error=no such mailbox" in spoolq("show", entry.stem.uuid).out


def test_a_trial_in_an_empty_spool_tells_of_a_made_up_job(hooks):
    ran = spoolq("notify", "test", "mail", "--json").json()
    assert ran["ok"] and ran["exit"] == 0 and ran["subject"].startswith("a test of the hook mail: failed: command true")
    assert not list((hooks / "runs").iterdir())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bad", "bad: exit 3: no\n"),
        ("slow", "slow: killed after 0.3 s\n"),
        ("none", "none: could not run: No such file"),
        ("chat", "chat: exit 1: it cannot be reached"),
    ],
)
def test_a_trial_that_fails_ends_with_1(hooks, name, said):
    ran = spoolq("notify", "test", name, ok=False)
    assert ran.code == 1 and ran.out.startswith(said) and "hunter2" not in ran.out


@pytest.mark.parametrize(
    "words", [["test"], ["test", "nobody"], ["list", "mail"], ["eat"]], ids=lambda words: " ".join(words)
)
def test_a_slip_is_said(hooks, words):
    assert spoolq("notify", *words, ok=False).code == 2


def test_a_job_that_there_is_not(hooks):
    assert spoolq("notify", "test", "mail", "ffff", ok=False).code == 3


def test_settings_that_do_not_fit(spool):
    (spool / "spoolq.toml").write_text('[notify.a]\non = "eaten"\ncommand = ["x"]\n')
    ran = spoolq("notify", "list", ok=False)
    assert ran.code == 5 and "never happens" in ran.err and len(ran.err.splitlines()) == 1


def test_run_does_not_start_with_hooks_that_could_never_work(spool):
    (spool / "spoolq.toml").write_text('[notify.a]\non = "failed"\ncommand = ["{job_id}"]\n')
    ran = spoolq("run", "--drain", ok=False)
    assert ran.code == 5 and ran.err.startswith("spoolq: cannot use the hook [notify.a] of spoolq.toml: ")
