"""`spoolq wait`."""

import subprocess

import pytest

from spoolq.models import JobInfo
from tests.verbs.conftest import submit
from tests.verbs.program import PROGRAM, spoolq


def test_completed_is_0(ended):
    ran = spoolq("wait", ended["plain"], ended["scores"])
    assert (ran.code, ran.lines) == (0, [f"{ended['plain']} completed", f"{ended['scores']} completed"])


@pytest.mark.parametrize(("name", "state"), [("exit", "failed"), ("stopped", "cancelled"), ("broken", "failed")])
def test_anything_else_is_1(ended, name, state):
    ran = spoolq("wait", ended["plain"], ended[name], ok=False)
    assert (ran.code, ran.lines) == (1, [f"{ended['plain']} completed", f"{ended[name]} {state}"])
    assert ran.err == ""


def test_any_ends_with_the_first(ended, spool_path):
    # Given a job that has ended and one that never will
    queued = submit(ended.spool, "--", "true")
    # When one waits for any
    ran = spoolq("wait", "--any", queued, ended["plain"])
    # Then only the one that has ended counts
    assert ran.lines == [f"{ended['plain']} completed"]


def test_all_waits_for_every_one(ended):
    queued = submit(ended.spool, "--", "true")
    ran = spoolq("wait", "--all", "--timeout", "50ms", queued, ended["plain"], ok=False)
    assert (ran.code, ran.out) == (75, "")


def test_time_out_is_75(spool):
    # Given a job that nobody runs
    job = submit(spool, "--", "true")
    # When one waits for it, but not for long
    ran = spoolq("wait", "--timeout", "50ms", job, ok=False)
    # Then the message says what is missing
    assert (ran.code, ran.out) == (75, "")
    assert ran.err.startswith("spoolq: cannot wait longer: 1 job") and "after 0.05 s" in ran.err


def test_returns_when_the_job_ends(spool):
    # Given somebody who waits
    job = submit(spool, "--", "true")
    waiting = subprocess.Popen([*PROGRAM, "wait", "--json", job], stdout=subprocess.PIPE)
    # When the queue is drained
    subprocess.run([*PROGRAM, "run", "--drain"], check=True, capture_output=True)
    # Then they have the record
    out, _ = waiting.communicate(timeout=20)
    assert waiting.returncode == 0 and job.encode() in out


def test_json_is_the_record_or_a_list_of_them(ended):
    one = spoolq("wait", ended["exit"], "--json", ok=False)
    two = spoolq("wait", ended["exit"], ended["plain"], "--json", ok=False)
    assert one.code == two.code == 1
    assert set(one.json()) == set(JobInfo.model_fields) and one.json()["exit_code"] == 3
    assert [record["status"] for record in two.json()] == ["failed", "completed"]


def test_one_that_is_not_there_is_3_at_once(ended):
    ran = spoolq("wait", ended["plain"], "ffffffff", ok=False)
    assert (ran.code, ran.out) == (3, "")
