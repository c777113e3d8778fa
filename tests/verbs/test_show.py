"""`spoolq show`, and the ways to name a job."""

import pytest

from spoolq.models import JobInfo
from spoolq.store import Store
from tests.spooltest.jobs import begun, submitted
from tests.spooltest.past import completed
from tests.verbs.program import spoolq


@pytest.mark.parametrize(
    "name", ["scores", "exit", "signal", "timed_out", "no_program", "no_results", "dropped", "stopped", "broken"]
)
def test_of_every_way_to_end(ended, golden, name):
    golden(f"show_{name}", spoolq("show", ended[name]).out)


@pytest.mark.parametrize("name", ["running", "long"])
def test_of_a_spool_at_work(busy, golden, name):
    golden(f"show_{name}", spoolq("show", busy[name]).out)


def test_when_a_job_is_expected_to_begin_and_end(spool, golden, monkeypatch):
    # Given a job that runs, one that waits, and one that has completed after an hour
    store = Store(spool)
    begun(store, submitted(store), "all")
    monkeypatch.chdir(spool.parent)
    job = spoolq("submit", "--", "true").out.strip()
    completed(store, 3600, recipe="command", request={"command": ["true"]})
    # When the one that waits is shown, Then it says why it does, and what is expected by what
    golden("show_expected", spoolq("show", job).out)


def test_json_is_the_record(ended):
    # When a program asks for a job with scores
    record = spoolq("show", ended["scores"], "--json").json()
    # Then it gets the keys of JobInfo, no secret among them
    assert set(record) == set(JobInfo.model_fields)
    assert record["metrics"] == {"arith": {"acc,none": 0.5, "acc_stderr,none": 0.0125}, "names": {"em": 1}}
    assert record["request"]["env"] == {"HF_TOKEN": "***", "SEED": "1"}


def test_secrets_are_masked_for_people_too(ended):
    out = spoolq("show", ended["scores"]).out
    assert "hf_secret" not in out and '"HF_TOKEN": "***"' in out


def test_what_a_job_holds_cannot_speak_to_the_terminal(spool):
    # Given a job whose fields try to set the title, clear the screen and forge a line
    argv = ["echo", "\x1b]0;owned\x07", "\x1b[2J", "two\nlines", "\u202egnp.exe"]
    job = spoolq("submit", "--", *argv).out.strip()
    # When it is shown, listed and counted
    for verb in (["show", job], ["list"], ["status"]):
        out = spoolq(*verb).out
        # Then nothing of that reaches the terminal, and a job stays on its line
        assert not any(sign in out for sign in "\x1b\x07\u202e")
        assert sum("two" in line for line in out.splitlines()) == 1
        assert not any(line.startswith("lines") for line in out.splitlines())


class TestNames:
    def test_id_and_any_beginning_of_it(self, ended):
        job = ended["exit"]
        for name in (job, job.upper(), job[:8], job[:13], job[:20]):
            assert spoolq("show", name, "--json").json()["job_id"] == job

    def test_key_and_file_names(self, ended):
        # Given the names under which the disk has a job
        job = ended["exit"]
        (path,) = ended.spool.glob(f"failed/*{job}.json")
        # When it is named so
        for name in (path.stem, path.name):
            # Then it is found
            assert spoolq("show", name, "--json").json()["job_id"] == job

    def test_name_of_a_dropped_file(self, ended):
        assert spoolq("show", "broken.json", "--json").json()["job_id"] == ended["broken"]
        assert spoolq("show", "broken", "--json").json()["job_id"] == ended["broken"]

    def test_last_is_the_newest_whatever_its_state(self, ended):
        # Given a spool where the newest job is one that was rejected
        assert spoolq("show", "last", "--json").json()["job_id"] == ended["broken"]
        # When another is submitted, at the highest priority
        job = spoolq("submit", "--priority", "urgent", "--", "true").out.strip()
        # Then that is the last
        assert spoolq("show", "last", "--json").json()["job_id"] == job

    @pytest.mark.parametrize("name", ["ffffffff-ffff", "no-such-file.json", "", "../failed", "*", "20260101T000000"])
    def test_none(self, ended, name):
        ran = spoolq("show", name, ok=False)
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith(f"spoolq: cannot find job '{name}': ")

    def test_last_of_nothing(self, spool):
        assert spoolq("show", "last", ok=False).code == 3
