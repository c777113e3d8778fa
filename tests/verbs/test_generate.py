"""`spoolq generate`."""

import json

import pytest

from tests.spooltest.challenge import Challenge, fill
from tests.verbs.program import spoolq, spoolq_program


@pytest.fixture
def challenge(outside) -> Challenge:
    """The small challenge under the default names, in the folder where the person stands."""
    challenge = fill(Challenge(outside / "challenge"))
    for path in (challenge.submissions, challenge.instances, challenge.resources):
        (outside / path.name).symlink_to(path)
    return challenge


def test_files_and_summary(challenge, outside, golden):
    # Given a challenge with one finished instance
    challenge.metrics("comet", "dishes", 1, {"q_score": 1})
    # When jobs are generated
    ran = spoolq("generate", "--results-root", challenge.results)
    # Then there is a summary, and two files as the original lays them out
    golden("generate", ran.out)
    golden("generate_jobs", (outside / "jobs.json").read_text())
    golden("generate_resources", (outside / "resources.json").read_text())
    assert ran.err == ""


def test_the_same_inputs_give_the_same_bytes(challenge, outside):
    # Given files that were generated
    spoolq("generate")
    before = [(outside / name).read_bytes() for name in ("jobs.json", "resources.json")]
    # When another process, whose texts hash otherwise, generates them again
    ran = spoolq_program("generate", env={"PYTHONHASHSEED": "7"}, cwd=outside)
    # Then they are the same
    assert ran.code == 0
    assert [(outside / name).read_bytes() for name in ("jobs.json", "resources.json")] == before


def test_dry_run_writes_nothing(challenge, outside):
    before = sorted(outside.iterdir())
    ran = spoolq("generate", "--dry-run")
    assert ran.lines[-2:] == ["would write 3 resource types to resources.json", "would write 7 jobs to jobs.json"]
    assert sorted(outside.iterdir()) == before


def test_every_place_can_be_told(challenge, tmp_path):
    # Given a person who stands elsewhere, and tells where everything is
    (tmp_path / "out").mkdir()
    argv = [
        "--test-instances-dir", challenge.instances, "--submissions-dir", challenge.submissions,
        "--resources-raw-file", challenge.resources, "--output-jobs-file", "out/j.json",
        "--output-resources-file", "out/r.json",
    ]  # fmt: skip
    # When jobs are generated, Then they are there
    ran = spoolq_program("generate", *argv, cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert len(json.loads((tmp_path / "out" / "j.json").read_text())) == 7
    assert list(json.loads((tmp_path / "out" / "r.json").read_text())) == ["comet_2_1", "comet_1", "comet_2"]


def test_json(challenge):
    # Given a team without resources for one task, When the answer is wanted as JSON, Then it is one document
    challenge.raw({"comet": [{"compatible_task": "radio"}], "comet_2": [{}]})
    said = spoolq("generate", "--json", "--top", "1", "--all-tasks", "comet_2").json()
    assert said == {
        "dry_run": False,
        "teams": [
            {"submission": "privileged.comet2.json", "team": "Comet 2", "team_slug": "comet_2", "tasks": 2, "jobs": 3,
             "finished": 0},
            {"submission": "standard.comet.json", "team": "Comet", "team_slug": "comet", "tasks": 2, "jobs": 1,
             "finished": 0},
        ],
        "resources": {"comet_1": 1, "comet_2_1": 1},
        "jobs": 4,
        "files": {"resources": "resources.json", "jobs": "jobs.json"},
        "loaded": None,
        "warnings": ["no resources of team comet take task dishes: it gets no jobs"],
    }  # fmt: skip


def test_warnings_go_to_stderr(challenge, outside):
    # Given resources of nobody
    challenge.raw({})
    # When jobs are generated, Then there are none, which is said, and the files are written as the original does
    ran = spoolq("generate")
    assert [line.startswith("warning: ") for line in ran.err.splitlines()] == [True] * 5
    assert ran.err.splitlines()[-1].startswith("warning: no jobs; ")
    assert (outside / "jobs.json").read_text() == "[]" and (outside / "resources.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("argv", "cause"),
    [
        (["--results-root", "typo"], "the results root typo is no folder. Name the right one with --results-root"),
        (["--submissions-dir", "typo"], "typo: No such file or directory. Mend that, then try again."),
        (["--test-instances-dir", "typo"], "typo: No such file or directory."),
        (["--resources-raw-file", "typo"], "typo: No such file or directory."),
        (["--output-jobs-file", "typo/jobs.json"], "typo/jobs.json cannot be written: No such file or directory."),
        (["--output-jobs-file", "resources.json"], "resources.json is named twice"),
        (["--output-resources-file", "resources-raw.json"], "resources-raw.json is named twice"),
        (["--all-tasks", "commet"], "no submission is of team 'commet'; there are comet, comet_2."),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_nothing_is_written(challenge, outside, argv, cause):
    # When something is wrong
    before = challenge.resources.read_bytes()
    ran = spoolq("generate", *argv, ok=False)
    # Then it is said in one sentence, with exit code 1, and no file is there that was not
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("spoolq: cannot generate jobs: ") and cause in ran.err and ran.err.count("\n") == 1
    assert not any((outside / name).exists() for name in ("jobs.json", "resources.json"))
    assert challenge.resources.read_bytes() == before


@pytest.mark.parametrize(
    ("argv", "cause"), [(["--top", "0"], "0 is not in the range"), (["--spool", "x"], "--spool: is for --submit")]
)
def test_a_command_line_without_sense_is_refused(challenge, outside, argv, cause):
    ran = spoolq("generate", *argv, ok=False)
    assert (ran.code, ran.out) == (2, "") and cause in ran.err
    assert not (outside / "jobs.json").exists()
