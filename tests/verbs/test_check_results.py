"""`spoolq check-results`."""

import pytest

from tests.spooltest.challenge import Challenge, fill
from tests.verbs.program import spoolq, spoolq_program


@pytest.fixture
def challenge(outside) -> Challenge:
    """The small challenge under the default names, in the folder where the person stands, with some results."""
    challenge = fill(Challenge(outside / "challenge"))
    for path in (challenge.submissions, challenge.instances, challenge.resources, challenge.results):
        (outside / path.name).symlink_to(path)
    challenge.metrics("comet", "dishes", 1, {"q_score": {"final": 0.5}})
    challenge.metrics("comet", "dishes", 2, {"q_score": {"final": 0.126}})
    challenge.metrics("comet_2", "radio", 3, '{"q_sc')
    challenge.video("comet/videos/lee/dishes_10.mp4")
    return challenge


def test_a_line_a_team_and_task(challenge, golden):
    # Given results, When they are checked, Then the lines are those of the original, and what is not read is named
    ran = spoolq("check-results", "--results-root", "results")
    golden("check_results", ran.out)
    assert ran.err.startswith("warning: not counted as finished: results/comet_2/metrics/radio_3.json is no valid JSON")
    assert len(ran.err.splitlines()) == 1


def test_json_has_whole_numbers(challenge):
    rows = spoolq("check-results", "--results-root", "results", "--json").json()
    assert [(row["team_slug"], row["task"]) for row in rows[:2]] == [("comet_2", "dishes"), ("comet_2", "radio")]
    assert rows[3] == {
        "team_slug": "comet", "task": "dishes", "reported": 0.25, "mean": 0.313, "finished": 2, "started": 3
    }  # fmt: skip


def test_other_places(challenge, tmp_path):
    # Given the inputs somewhere else
    argv = ["--submissions-dir", challenge.submissions, "--test-instances-dir", challenge.instances]
    # When it is told where, Then it is the same, from anywhere
    told = spoolq_program("check-results", "--results-root", challenge.results, *argv, cwd=tmp_path)
    assert (told.code, told.out) == (0, spoolq("check-results", "--results-root", "results").out)


def test_a_task_cannot_obey_on_a_terminal(challenge):
    # Given a task whose name would clear the screen
    challenge.task("\x1b[2Jevil\nforged, line", [1])
    # When it is printed, Then it is harmless
    lines = spoolq("check-results", "--results-root", "results").lines
    assert "\x1b" not in "".join(lines) and all(line.startswith("comet") for line in lines)


def test_the_results_root_must_be_said(challenge):
    ran = spoolq("check-results", ok=False)
    assert (ran.code, ran.out) == (2, "") and "--results-root" in ran.err


@pytest.mark.parametrize(
    ("argv", "cause"),
    [
        (["--results-root", "typo"], "the results root typo is no folder. Name the right one"),
        (["--results-root", "results", "--submissions-dir", "typo"], "typo: No such file or directory. Mend that"),
        (["--results-root", "results", "--test-instances-dir", "results/comet"], "no instance number"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(challenge, argv, cause):
    ran = spoolq("check-results", *argv, ok=False)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("spoolq: cannot check results: ") and cause in ran.err and ran.err.count("\n") == 1
