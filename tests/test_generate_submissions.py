"""Submissions: the files of a folder, in the order of their names, whatever else lies there."""

import json
import re

import pytest

from spoolq.generate.refusals import Refused
from spoolq.generate.submissions import read_submissions
from tests.spooltest.challenge import Challenge


@pytest.fixture
def challenge(tmp_path):
    return Challenge(tmp_path / "challenge")


def test_submissions_come_by_file_name(challenge):
    # Given three submissions, and what is none
    challenge.submission("standard.b.json", "B", 0.5, {"radio": 1})
    challenge.submission("standard.a.json", "Team A", 1, {"radio": 0.25, "trash": 0})
    challenge.submission("privileged.c.json", "C", -1, {})
    challenge.submission(".standard.hidden.json", "Hidden", 1, {})
    (challenge.submissions / "notes.txt").write_text("not one")
    (challenge.submissions / "folder.json").mkdir()
    # When they are read
    read = read_submissions(challenge.submissions)
    # Then they are in the order of their names, with team, slug, scores and track
    assert [one.file for one in read] == ["privileged.c.json", "standard.a.json", "standard.b.json"]
    assert (read[1].team, read[1].slug, read[1].overall, read[1].tasks) == (
        "Team A", "team_a", 1.0, {"radio": 0.25, "trash": 0.0}
    )  # fmt: skip
    assert [one.standard for one in read] == [False, True, True]


@pytest.mark.parametrize("name", ["standard", "Standard.a.json", "standardised.json", "standard-a.json"])
def test_only_a_name_that_begins_with_standard_and_a_dot_is_standard(challenge, name):
    name = name if name.endswith(".json") else f"{name}.x.json"
    challenge.submission(name, "A", 1, {})
    assert read_submissions(challenge.submissions)[0].standard == name.startswith("standard.")


GOOD = {"team": "A", "overall_scores": {"q_score": 1}, "per_task_scores": {"q_score": {"radio": 1}}}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"team": None}, "lacks `team`, the team's name"),
        ({"team": "队"}, "no slug can be made of the team '队'"),
        ({"overall_scores": {}}, "lacks `overall_scores.q_score`"),
        ({"overall_scores": 0.5}, "lacks `overall_scores.q_score`"),
        ({"overall_scores": {"q_score": "0.5"}}, "`overall_scores.q_score` of"),
        ({"overall_scores": {"q_score": float("nan")}}, "`overall_scores.q_score` of"),
        ({"per_task_scores": {"q_score": [1]}}, "`per_task_scores.q_score` of"),
        ({"per_task_scores": {"q_score": {"radio": "1"}}}, "the q_score of task 'radio' in"),
        ({"per_task_scores": {"q_score": {"radio": True}}}, "the q_score of task 'radio' in"),
    ],
)
def test_a_file_without_what_is_needed_is_refused_by_its_name(challenge, change, cause):
    # Given a submission with one fault
    (challenge.submissions / "standard.a.json").write_text(json.dumps({**GOOD, **change}))
    # When it is read, Then the message names the file and the fault
    with pytest.raises(Refused, match=re.escape(cause)) as raised:
        read_submissions(challenge.submissions)
    assert str(challenge.submissions / "standard.a.json") in str(raised.value)


def test_a_folder_without_submissions_is_refused(challenge):
    with pytest.raises(Refused, match=r"no submission \(\*\.json\) in .* --submissions-dir"):
        read_submissions(challenge.submissions)
