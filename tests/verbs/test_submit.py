"""`spoolq submit`: files, lines on stdin, flags, a command; all of them or none."""

import json
import os
import re
from pathlib import Path

import pytest

from spoolq.api import Spool
from spoolq.errors import SpoolUnusable
from tests.verbs.program import spoolq, spoolq_program

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
BARE = {"model": "dummy", "tasks": ["arith"]}


def queued(spool: Path) -> list[dict]:
    """The documents in the drop box, in the order of service."""
    return [json.loads(path.read_text()) for path in sorted((spool / "queued").glob("*.json"))]


def write(folder: Path, name: str, document: object) -> str:
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return name


def test_prints_nothing_but_the_id(spool, outside):
    # When a command is submitted by a program of its own
    ran = spoolq_program("submit", "--", "true")
    # Then stdout is the id and stderr is empty
    assert (ran.code, ran.err) == (0, "")
    assert ID.fullmatch(ran.out.removesuffix("\n"))
    assert spoolq("position", ran.out.strip()).out == "0\n"


def test_json_names_id_place_and_path(spool):
    # Given a job that waits
    spoolq("submit", "--", "true")
    # When another is submitted with --json
    said = spoolq("submit", "--json", "--", "true").json()
    # Then the document says where it is
    assert set(said) == {"job_id", "position_in_queue", "path"}
    assert said["position_in_queue"] == 1
    assert said["job_id"] in said["path"] and Path(said["path"]).is_file()


def test_json_of_several_is_a_list(spool):
    said = spoolq("submit", "-", "--json", stdin='{"command": ["true"]}\n{"command": ["false"]}\n').json()
    assert [one["position_in_queue"] for one in said] == [0, 1]


class TestFiles:
    def test_several_are_queued_in_the_order_given(self, spool, outside):
        # Given a bare request and an envelope
        bare = write(outside, "bare.json", BARE)
        envelope = write(outside, "envelope.json", {"request": {"command": ["true"]}, "timeout": "2h"})
        # When both are submitted
        ran = spoolq("submit", envelope, bare)
        # Then they wait in that order, as they were written
        assert len(ran.lines) == 2 and all(ID.fullmatch(line) for line in ran.lines)
        assert queued(spool) == [{"request": {"command": ["true"]}, "timeout": "2h"}, BARE]

    @pytest.mark.parametrize(
        "bad",
        ["{", "[]", '{"request": {"command": []}}', '{"command": ["true"], "colour": "red"}', '{"prioritty": "low"}'],
    )
    def test_one_bad_file_stops_all(self, spool, outside, bad):
        # Given two good files round a bad one
        good, other = write(outside, "a.json", BARE), write(outside, "c.json", BARE)
        write(outside, "bad.json", bad)
        # When they are submitted together
        ran = spoolq("submit", good, "bad.json", other, ok=False)
        # Then none is queued, and the bad one is named
        assert (ran.code, ran.out, queued(spool)) == (2, "", [])
        assert ran.err.startswith("spoolq: cannot submit bad.json: ")
        assert ran.err.endswith("Nothing was queued.\n")

    def test_one_that_is_not_there(self, spool, outside):
        ran = spoolq("submit", write(outside, "a.json", BARE), "b.json", ok=False)
        assert (ran.code, queued(spool)) == (2, [])
        assert ran.err == (
            "spoolq: cannot submit b.json: No such file or directory. "
            "Nothing was queued; give the path of a job file, or -.\n"
        )

    def test_one_that_is_too_large(self, spool, outside):
        write(outside, "big.json", {**BARE, "note": "x" * (1 << 20)})
        ran = spoolq("submit", "big.json", ok=False)
        assert (ran.code, queued(spool)) == (2, [])
        assert "cannot submit big.json: it is larger than 1048576 bytes" in ran.err

    def test_a_disk_that_fails_half_way_hides_no_job(self, spool, outside, monkeypatch):
        # Given a disk that takes one job and then no more
        from spoolq import submit

        real, taken = submit.publish, []

        def failing(store, document, priority):
            if taken:
                raise SpoolUnusable("cannot submit to SPOOL: No space left on device. Nothing was queued; make room.")
            taken.append(real(store, document, priority))
            return taken[-1]

        monkeypatch.setattr(submit, "publish", failing)
        # When two are submitted
        ran = spoolq("submit", "-", stdin='{"command": ["true"]}\n' * 2, ok=False)
        # Then the one that is queued is printed, and the error does not say that nothing was
        assert (ran.code, ran.lines) == (5, [taken[0].uuid])
        assert "cannot submit all, only 1 of 2: " in ran.err and "The rest was not queued" in ran.err
        assert "Nothing was queued" not in ran.err


class TestStdin:
    def test_an_object_a_line(self, spool):
        # Given two lines with an empty one between
        lines = '{"command": ["true"]}\n\n{"request": {"command": ["false"]}, "priority": "high"}'
        # When they come on stdin
        ran = spoolq("submit", "-", stdin=lines)
        # Then each is a job, at its own priority
        assert len(ran.lines) == 2
        assert [spoolq("position", job).out for job in ran.lines] == ["1\n", "0\n"]

    def test_one_object_of_several_lines(self, spool):
        ran = spoolq("submit", "-", stdin=json.dumps(BARE, indent=2))
        assert (len(ran.lines), queued(spool)) == (1, [BARE])

    def test_beside_a_file(self, spool, outside):
        ran = spoolq("submit", write(outside, "a.json", BARE), "-", stdin='{"command": ["true"]}')
        assert (len(ran.lines), queued(spool)) == (2, [BARE, {"command": ["true"]}])

    @pytest.mark.parametrize(
        ("stdin", "cause"),
        [
            ("", "stdin is empty. Give one JSON object a line."),
            ('{"command": ["true"]}\n{"command":}\n', "line 2 is no valid JSON: Expecting value at line 2, column 12"),
            ('{"command": ["true"]}\n\n[1]\n', "line 3 holds a list; a job is one JSON object"),
            ('{\n"command": ["true"]\n', "stdin is no valid JSON: Expecting ',' delimiter at line 3, column 1"),
            ('{"command": ["true"]}\n{"command": []}\n', "line 2 of stdin: field `command`: "),
        ],
    )
    def test_a_fault_is_named_by_its_line(self, spool, stdin, cause):
        # When what is on stdin has a fault
        ran = spoolq("submit", "-", stdin=stdin, ok=False)
        # Then the message says where, and nothing was queued
        assert (ran.code, ran.out, queued(spool)) == (2, "", [])
        assert cause in ran.err


class TestFlags:
    def test_become_a_request(self, spool):
        # When every flag of a request is given
        argv = "--recipe lm-eval --model hf --tasks a,b --model-args pretrained=gpt2,n=3 --limit 100 --num-fewshot 5"
        more = "--batch-size 8 --gen-kwargs temperature=0 --set seed=1 --set predict_only=true"
        spoolq("submit", *argv.split(), *more.split())
        # Then numbers are numbers, lists are lists, and the rest is text
        (envelope,) = queued(spool)
        assert envelope["recipe"] == "lm-eval"
        assert envelope["request"] == {
            "model": "hf",
            "tasks": ["a", "b"],
            "model_args": {"pretrained": "gpt2", "n": 3},
            "limit": 100,
            "num_fewshot": 5,
            "batch_size": 8,
            "gen_kwargs": "temperature=0",
            "seed": 1,
            "predict_only": True,
        }

    def test_fractions_and_words_stay(self, spool):
        # Given a limit below one, an automatic batch size and model arguments as JSON
        argv = ["--recipe", "lm-eval", "--model", "hf", "--tasks", "a", "--limit", "0.5", "--batch-size", "auto"]
        spoolq("submit", *argv, "--model-args", '{"pretrained": "a/b", "trust": false}')
        (envelope,) = queued(spool)
        assert envelope["request"]["limit"] == 0.5 and envelope["request"]["batch_size"] == "auto"
        assert envelope["request"]["model_args"] == {"pretrained": "a/b", "trust": False}

    def test_policy_is_kept_and_wins_over_a_file(self, spool, outside):
        # Given a file with a policy of its own
        write(outside, "a.json", {"request": {"command": ["true"]}, "timeout": "1h", "priority": "low", "grace": 7})
        # When it is submitted with others
        argv = ["--timeout", "2h30m", "--priority", "urgent", "--max-attempts", "2", "--retry-on", "lost, exit"]
        spoolq("submit", "a.json", *argv)
        # Then the flags win, and what they do not say stays
        (record,) = Spool(spool).list()
        assert (record.timeout, record.grace, record.max_attempts) == (9000, 7, 2)
        assert (record.priority, record.retry_on) == ("urgent", ["lost", "exit"])

    def test_normal_is_a_priority_too(self, spool, outside):
        write(outside, "a.json", {"request": {"command": ["true"]}, "priority": "low"})
        job = spoolq("submit", "a.json", "--priority", "normal").out.strip()
        assert Spool(spool).get(job).priority == "normal"

    def test_no_outcome_is_retried_when_none_is_named(self, spool):
        job = spoolq("submit", "--retry-on", "", "--", "true").out.strip()
        assert Spool(spool).get(job).retry_on == []

    @pytest.mark.parametrize(
        ("argv", "cause"),
        [
            (["--model", "m"], "the request names no recipe"),
            (
                ["--recipe", "nope", "--model", "m", "--tasks", "t"],
                "field `recipe`: there is no recipe 'nope'; known are",
            ),
            (["--recipe", "lm-eval", "--model", "m", "--tasks", "t", "--limit", "-3"], "field `limit`: "),
            (["--set", "seed"], "option --set: 'seed' is not of the form NAME=VALUE"),
            (["--model", "m", "--tasks", "t", "--model-args", "a"], "option --model-args: 'a' is not of the form"),
            (["--model", "m", "--tasks", "t", "--set", "x=NaN"], "NaN and Infinity are no JSON numbers"),
        ],
    )
    def test_a_request_that_no_recipe_takes(self, spool, argv, cause):
        ran = spoolq("submit", *argv, ok=False)
        assert (ran.code, ran.out, queued(spool)) == (2, "", [])
        assert ran.err.startswith(f"spoolq: cannot submit: {cause}") and ran.err.count("\n") == 1
        assert ran.err.endswith("Nothing was queued.\n")

    @pytest.mark.parametrize(
        ("argv", "cause"),
        [
            ([], "nothing to submit"),
            (["a.json", "--model", "m"], "not two of them"),
            (["a.json", "--", "true"], "not two of them"),
            (["--model", "m", "--", "true"], "not two of them"),
            (["a.json", "--cwd", "/"], "for a command after --"),
            (["--priority", "soon", "--", "true"], "--priority: 'soon' is none of urgent, high, normal, low"),
            (["--timeout", "3x", "--", "true"], "--timeout: '3x' is no duration; write 90, 15m, 2h30m or 7d"),
            (["--timeout", "0", "--", "true"], "--timeout: a time limit is more than 0 s"),
            (["--grace", "-1", "--", "true"], "--grace: '-1' is no duration"),
            (["--max-attempts", "0", "--", "true"], "0 is not in the range"),
            (["--retry-on", "exit,completed", "--", "true"], "--retry-on: 'completed' is not one of lost, exit"),
            (["--nonsense", "--", "true"], "No such option: --nonsense"),
        ],
    )
    def test_a_command_line_that_makes_no_sense(self, spool, outside, argv, cause):
        write(outside, "a.json", BARE)
        ran = spoolq("submit", *argv, ok=False)
        assert (ran.code, ran.out, queued(spool)) == (2, "", [])
        assert cause in ran.err and ran.err.startswith("Usage: spoolq submit [OPTIONS] [FILE...|-]\n")


class TestCommand:
    def test_runs_where_the_submitter_stands(self, spool, outside):
        # When a command is submitted from a folder
        spoolq("submit", "--timeout", "2h", "--", "python", "eval.py", "--seed", "1")
        # Then the request says so, and the policy stands beside it
        (envelope,) = queued(spool)
        assert envelope == {
            "request": {"command": ["python", "eval.py", "--seed", "1"], "cwd": str(outside)},
            "recipe": "command",
            "timeout": 7200.0,
        }

    def test_keeps_what_looks_like_our_options(self, spool):
        # When arguments are spelled like options of ours, or like our own separator
        command = ["tool", "--spool", "x", "--json", "-h", "--", "--model", "m", "-"]
        spoolq("submit", "--", *command)
        # Then they are the command's
        assert queued(spool)[0]["request"]["command"] == command

    def test_takes_a_folder_and_variables(self, spool, outside):
        spoolq("submit", "--cwd", "sub", "--env", "A=1", "--env", "B=x=y", "--env", "C=", "--", "true")
        request = queued(spool)[0]["request"]
        assert request["cwd"] == str(outside / "sub")
        assert request["env"] == {"A": "1", "B": "x=y", "C": ""}

    @pytest.mark.parametrize(
        ("argv", "cause"),
        [
            (["--"], "field `command`: no program follows --"),
            (["--", ""], "field `command`: no program follows --"),
            (["--env", "A", "--", "true"], "option --env: 'A' is not of the form NAME=VALUE"),
            (["--env", "1A=2", "--", "true"], "field `env`: '1A' is no name of a variable"),
            (["--recipe", "lm-eval", "--", "true"], "field `recipe`: what follows -- is run by the recipe `command`"),
            (["--", "true", "x" * (1 << 20)], "the request is larger than 1048576 bytes"),
            (["--", os.fsdecode(b"caf\xe9")], "a value is not UTF-8"),
        ],
    )
    def test_what_cannot_be_a_command(self, spool, argv, cause):
        ran = spoolq("submit", *argv, ok=False)
        assert (ran.code, ran.out, queued(spool)) == (2, "", [])
        assert ran.err.startswith(f"spoolq: cannot submit: {cause}") and ran.err.count("\n") == 1


class TestSpool:
    def test_is_named_before_the_verb_or_behind_it(self, spool_path, outside):
        # When a spool is named in four ways
        for argv in (
            ["--spool", spool_path, "submit", "--", "true"],
            [f"--spool={spool_path}", "submit", "--", "true"],
            ["submit", "--spool", spool_path, "--", "true"],
            ["submit", f"--spool={spool_path}", "--", "true"],
        ):
            spoolq(*argv)
        # Then all four jobs are in it
        assert len(queued(spool_path)) == 4

    def test_option_wins_over_environment_wins_over_here(self, tmp_path, outside, monkeypatch):
        # Given three spools: here, one that the environment names, and another
        for path in (outside / "spool", tmp_path / "environment", tmp_path / "option"):
            spoolq("init", "--spool", path)
        # When jobs are submitted with less and less said
        monkeypatch.setenv("SPOOLQ_SPOOL", str(tmp_path / "environment"))
        spoolq("submit", "--spool", tmp_path / "option", "--", "true")
        spoolq("submit", "--", "true")
        monkeypatch.delenv("SPOOLQ_SPOOL")
        spoolq("submit", "--", "true")
        # Then each has one
        places = (outside / "spool", tmp_path / "environment", tmp_path / "option")
        assert [len(queued(path)) for path in places] == [1, 1, 1]

    def test_a_name_that_only_begins_like_the_option_is_none(self, spool):
        ran = spoolq("--spooling", "x", "status", ok=False)
        assert ran.code == 2 and "No such option: --spooling" in ran.err
