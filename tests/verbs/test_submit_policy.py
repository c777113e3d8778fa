"""`spoolq submit`: what a job waits for, how often it runs, what it is called; several of one; and a dry run."""

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from spoolq.api import Spool
from tests.verbs.program import spoolq


def queued(spool: Path) -> list[dict]:
    """The documents in the drop box, in the order of service."""
    return [json.loads(path.read_text()) for path in sorted((spool / "queued").glob("*.json"))]


def job(*options: str) -> str:
    return spoolq("submit", *options, "--", "true").out.strip()


class TestPolicy:
    def test_every_option_is_in_the_envelope(self, spool):
        # Given a parent
        parent = job()
        # When a command is submitted with all of its policy
        options = ["--backoff", "1m", "--idle-timeout", "30m", "--num-gpus", "2", "--min-free-memory", "40GiB"]
        options += ["--label", "a=b=c", "--label", "d=e", "--group", "night", "--retry-on", "oom,exit:75"]
        last = job(*options, "--after", parent[:8], "--not-before", "2030-01-01T00:00:00+00:00")
        # Then its record has it
        record = Spool(spool).record(last)
        assert record["after"] == [parent]
        assert (record["backoff"], record["idle_timeout"], record["num_gpus"]) == (60.0, 1800.0, 2)
        assert record["min_free_memory"] == 40 * 1024
        assert (record["labels"], record["group"]) == ({"a": "b=c", "d": "e"}, "night")
        assert record["retry_on"] == ["oom", "exit:75"]
        assert datetime.fromisoformat(record["not_before"]).timestamp() == 1893456000

    def test_a_time_may_be_told_from_now(self, spool):
        # Given a job that is to run in two and a half hours, When its record is read, Then that is when
        due = datetime.fromisoformat(Spool(spool).record(job("--not-before", "2h30m"))["not_before"])
        assert abs(due.timestamp() - time.time() - 9000) < 60

    def test_parents_are_named_in_any_way_and_written_as_ids(self, spool, outside):
        one, two = job(), job()
        three = job("--after", f"{one[:6]}, {two}", "--after", "last")
        assert Spool(spool).record(three)["after"] == [one, two, two]
        (outside / "job.json").write_text(json.dumps({"request": {"command": ["true"]}, "after": ["last"]}))
        four = spoolq("submit", "job.json").out.strip()
        assert Spool(spool).record(four)["after"] == [three]

    @pytest.mark.parametrize(
        ("options", "cause"),
        [
            (["--after", "nope"], "field `after`: cannot find job 'nope'"),
            (["--after", ","], "it names no job"),
            (["--not-before", "soon"], "'soon' is no time"),
            (["--label", "x"], "'x' is not of the form NAME=VALUE"),
            (["--label", "a b=c"], "field `labels"),
            (["--group", ""], "field `group`"),
            (["--min-free-memory", "much"], "'much' is no size"),
            (["--num-gpus", "-1"], "--num-gpus"),
            (["--idle-timeout", "0"], "more than 0 s"),
            (["--retry-on", "exit:0"], "'exit:0' is not one of lost"),
            (["--sweep", "x"], "'x' is not of the form FIELD=VALUE"),
            (["--split-tasks"], "field `tasks`"),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_is_queued(self, spool, options, cause):
        ran = spoolq("submit", *options, "--", "true", ok=False)
        assert ran.code == 2
        assert cause in ran.err
        assert queued(spool) == []


class TestUnique:
    def test_an_equal_request_is_queued_once(self, spool):
        # Given a job, When an equal one is submitted with --unique, Then its id is printed and nothing is queued
        first = job("--unique")
        ran = spoolq("submit", "--unique", "--", "true")
        assert (ran.code, ran.out.strip(), ran.err) == (0, first, "it is there already\n")
        assert len(queued(spool)) == 1
        # and another request is another job
        assert spoolq("submit", "--unique", "--", "false").out.strip() != first

    def test_flags_and_files_of_one_request_are_equal(self, spool, outside):
        first = spoolq("submit", "--unique", "--model", "m", "--tasks", "t", "--limit", "3").out
        (outside / "job.json").write_text('{"limit": 3, "tasks": ["t"], "model": "m"}')
        assert spoolq("submit", "--unique", "job.json", "--priority", "high").out == first

    def test_a_key_is_one_job_whatever_it_asks_for(self, spool):
        first = job("--key", "night 7")
        said = spoolq("submit", "--key", "night 7", "--json", "--", "false").json()
        assert said["job_id"] == first
        assert said["new"] is False
        assert Path(said["path"]).is_file()

    def test_a_key_is_for_one_job(self, spool):
        ran = spoolq("submit", "--key", "k", "--sweep", "env.A=1,2", "--", "true", ok=False)
        assert (ran.code, queued(spool)) == (2, [])
        assert "it is for one job, and these are 2" in ran.err

    def test_from_python(self, spool):
        opened = Spool(spool)
        first = opened.submit({"command": ["true"]}, unique=True)
        again = opened.submit({"command": ["true"]}, unique=True)
        other = opened.submit({"command": ["true"]}, key="k", labels={"a": "b"}, after=first.job_id[:8])
        assert first.job_id == again.job_id != other.job_id
        assert (other.after, other.labels) == ([first.job_id], {"a": "b"})
        assert opened.submit({"command": ["false"]}, key="k").job_id == other.job_id
        moment = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
        assert opened.submit({"command": ["true"]}, not_before=moment).not_before == moment


class TestGroups:
    def test_a_sweep_is_a_group_that_can_be_listed_waited_for_and_cancelled(self, spool):
        # Given a sweep over two fields, and another job
        other = job()
        options = ["--model", "m", "--tasks", "a,b", "--sweep", "limit=10,100", "--split-tasks", "--group", "g"]
        ids = spoolq("submit", *options).out.split()
        assert [(one["request"].get("limit"), one["request"].get("tasks")) for one in queued(spool)[1:]] == [
            (10, ["a"]),
            (10, ["b"]),
            (100, ["a"]),
            (100, ["b"]),
        ]
        # When they are listed by group and by label, Then they alone are there
        assert [one["job_id"] for one in spoolq("list", "--group", "g", "--json").json()] == ids
        found = spoolq("list", "--label", "limit=10", "--label", "tasks=b", "--json").json()
        assert [one["job_id"] for one in found] == [ids[1]]
        assert found[0]["position_in_queue"] == 2
        assert len(spoolq("list", "--group", "g", "--limit", "2", "--json").json()) == 2
        # When the group is cancelled and waited for, Then each of it is cancelled, and nobody else
        assert spoolq("cancel", "--group", "g").out.split()[::2] == ids
        assert spoolq("wait", "--group", "g", "--timeout", "5", ok=False).code == 1
        assert [one["job_id"] for one in spoolq("list", "--state", "queued", "--json").json()] == [other]
        # and there is nobody left to cancel
        assert spoolq("cancel", "--group", "g", ok=False).code == 3

    @pytest.mark.parametrize("verb", ["cancel", "wait"])
    def test_somebody_must_be_meant(self, spool, verb):
        assert "name jobs, or a group" in spoolq(verb, ok=False).err

    def test_no_job_of_a_label(self, spool):
        job()
        assert spoolq("list", "--label", "a=b").err == "no jobs\n"


class TestExplain:
    def test_nothing_is_queued_and_all_is_told(self, spool):
        # Given a parent that waits, and settings with a secret
        (spool / "spoolq.toml").write_text('[slots]\ngpu0 = "0"\n\n[env]\nHF_TOKEN = "hf_abc"\nHF_HOME = "/data"\n')
        parent = job()
        # When a job is explained
        argv = ["--after", parent, "--not-before", "2030-01-01T00:00:00+00:00", "--timeout", "2h", "--priority", "high"]
        said = spoolq("submit", "--explain", "--json", *argv, "--", "python", "x y.py").json()
        # Then it says what would run, where, and what it would wait for
        assert said["argv"] == ["python", "x y.py"]
        assert said["cwd"] == str(Path.cwd())
        assert (said["env"]["HF_TOKEN"], said["env"]["HF_HOME"]) == ("***", "/data")
        assert said["env"]["CUDA_VISIBLE_DEVICES"] == "0"
        assert (said["slots"], said["position_in_queue"], said["timeout"]) == (["gpu0"], 0, 7200)
        assert said["waits"][:2] == ["not before 2030-01-01T00:00:00+00:00", f"after {parent[:8]} (queued)"]
        assert len(queued(spool)) == 1
        # and the same for people
        text = spoolq("submit", "--explain", *argv, "--", "python", "x y.py").out
        assert "argv     python 'x y.py'" in text
        assert "hf_abc" not in text
        assert f"waits    after {parent[:8]} (queued)" in text

    def test_each_of_several_is_told(self, spool):
        said = spoolq("submit", "--explain", "--json", "--sweep", "env.SEED=1,2", "--", "true").json()
        assert [one["request"]["env"]["SEED"] for one in said] == ["1", "2"]
        text = spoolq("submit", "--explain", "--sweep", "env.SEED=1,2", "--", "true").out
        assert "env      SEED=1" in text
        assert "\n\nrecipe   command" in text

    def test_a_paused_queue_and_a_workers_job(self, spool):
        spoolq("pause")
        line = '{"request": {"x": 1}, "resource_type": "sim"}'
        said = spoolq("submit", "--explain", "--json", "-", stdin=line).json()
        assert (said["argv"], said["slots"]) == (None, [])
        assert said["waits"][0] == "the queue is paused"
        text = spoolq("submit", "--explain", "-", stdin=line).out
        assert "slots    none of ours" in text

    def test_what_is_wrong_is_refused(self, spool):
        assert spoolq("submit", "--explain", "--model", "m", ok=False).code == 2
