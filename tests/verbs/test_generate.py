"""`spoolq generate`."""

import json

import pytest

from tests.spooltest.challenge import Challenge, fill, instance
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


def waiting(spool):
    """The ids that workers will see of the queued jobs, and what each needs."""
    documents = [json.loads(path.read_text()) for path in sorted((spool / "queued").glob("*.json"))]
    return {document["external_id"]: (document["resource_type"], document["request"]) for document in documents}


def test_submit_puts_pools_and_jobs_into_the_spool(challenge, spool, outside):
    # When jobs are submitted rather than written
    ran = spoolq("generate", "--submit")
    # Then the spool has the resources in pools and a job an instance, and no file was written
    assert ran.lines[-2:] == ["loaded 4 resources; 0 were there", "loaded 7 jobs; 0 were there"]
    assert sorted(folder.name for folder in (spool / "pools").glob("[!.]*")) == ["comet_1", "comet_2", "comet_2_1"]
    jobs = waiting(spool)
    assert list(jobs) == [
        "comet_2-radio-3", "comet_2-trash-4", "comet_2-trash-5",
        "comet-dishes-10", "comet-dishes-1", "comet-dishes-2", "comet-radio-3",
    ]  # fmt: skip
    assert jobs["comet-radio-3"] == (
        "comet_1",
        {"team": "Comet", "team_slug": "comet", "task": "radio", "instance_basename": instance("radio", 3)},
    )
    assert not (outside / "jobs.json").exists() and not (outside / "resources.json").exists()


def test_submitting_again_adds_only_what_is_new(challenge, spool):
    # Given a spool that has the jobs, one of which is finished, and a team that comes later
    spoolq("generate", "--submit")
    challenge.metrics("comet", "dishes", 1, {"q_score": 1})
    challenge.submission("another.json", "Ant", 1, {"radio": 1})
    challenge.raw({**json.loads(challenge.resources.read_text()), "ant": [{"host": "e", "port": 5}]})
    # When they are submitted again
    said = spoolq("generate", "--submit", "--results-root", challenge.results, "--json", "--spool", spool).json()
    # Then what was there is there once
    assert said["loaded"] == {
        "resources": 1, "resources_known": 4, "pending": 1, "done": 0, "jobs_known": 6, "missing": {}
    }  # fmt: skip
    assert said["files"] == {} and len(list((spool / "queued").glob("*.json"))) == 8
    assert waiting(spool)["ant-radio-3"][0] == "ant_1"


def test_submit_writes_the_files_that_are_named(challenge, spool, outside):
    ran = spoolq("generate", "--submit", "--output-jobs-file", "mine.json")
    assert "wrote 7 jobs to mine.json" in ran.lines
    assert [job["id"] for job in json.loads((outside / "mine.json").read_text())] == list(range(7))
    assert not (outside / "resources.json").exists()


def test_a_dry_run_of_submit_changes_nothing(challenge, spool, outside):
    before = sorted(outside.iterdir())
    said = spoolq("generate", "--submit", "--dry-run").lines[-1]
    assert said == "would load 3 resource types and 7 jobs, but what the spool has"
    ran = spoolq("generate", "--submit", "--dry-run", "--json")
    assert (ran.json()["jobs"], ran.json()["loaded"], ran.json()["files"]) == (7, None, {})
    assert waiting(spool) == {} and list((spool / "pools").iterdir()) == []
    assert sorted(outside.iterdir()) == before


def test_submit_needs_a_spool_before_anything_else(challenge, outside):
    # Given no spool, When jobs are submitted, Then that is said first, and nothing is written
    ran = spoolq("generate", "--submit", "--output-jobs-file", "mine.json", ok=False)
    assert (ran.code, ran.out) == (5, "") and "cannot open spool spool: it does not exist." in ran.err
    assert not (outside / "mine.json").exists()


def test_what_the_spool_refuses_leaves_it_as_it_was(challenge, spool):
    # Given resources that no JSON can say
    challenge.resources.write_text('{"comet": [{"port": NaN}]}')
    # When they are submitted, Then that is refused in one sentence
    ran = spoolq("generate", "--submit", ok=False)
    assert (ran.code, ran.out) == (2, "") and ran.err.startswith("spoolq: cannot load resource comet_1[0]: ")
    assert waiting(spool) == {} and list((spool / "pools").iterdir()) == []
