"""The tally: means of what is finished, counts of what has begun, and a warning for what cannot be read."""

import csv

import pytest

from spoolq.generate.refusals import Refused
from spoolq.generate.tally import Row, tally, to_csv
from tests.spooltest.challenge import Challenge, fill


@pytest.fixture
def challenge(tmp_path):
    return fill(Challenge(tmp_path / "challenge"))


def counted(challenge):
    return tally(challenge.instances, challenge.submissions, challenge.results)


def test_a_row_for_every_team_and_task(challenge):
    # Given results of some instances, one only begun, and results of an instance that is no test instance
    challenge.metrics("comet", "dishes", 1, {"q_score": {"final": 0.5}})
    challenge.metrics("comet", "dishes", 10, {"q_score": 1})
    challenge.metrics("comet", "dishes", 99, {"q_score": 1})
    challenge.video("comet/videos/lee/dishes_1.mp4")
    challenge.video("comet/videos/lee/dishes_2.mp4")
    challenge.video("comet/videos/radio_3.mp4")
    # When they are counted
    found = counted(challenge)
    # Then teams come by file, tasks by name; a task without a self-reported score is there too
    assert found.rows == [
        Row("comet_2", "dishes", 0.0, 0.0, 0, 0),
        Row("comet_2", "radio", 0.1, 0.0, 0, 0),
        Row("comet_2", "trash", 0.75, 0.0, 0, 0),
        Row("comet", "dishes", 0.25, 0.75, 2, 3),
        Row("comet", "radio", 0.5, 0.0, 0, 1),
        Row("comet", "trash", 0.0, 0.0, 0, 0),
    ]
    assert found.warnings == []


def test_what_cannot_be_read_has_begun_but_is_not_finished(challenge):
    # Given a whole metrics file, one that is being written and one without a score
    challenge.metrics("comet", "dishes", 1, {"q_score": 0.5})
    half = challenge.metrics("comet", "dishes", 2, '{"q_sc')
    other = challenge.metrics("comet", "dishes", 10, {"steps": 1})
    # When they are counted, Then one is finished, three have begun, and two are named
    found = counted(challenge)
    assert found.rows[3] == Row("comet", "dishes", 0.25, 0.5, 1, 3)
    assert [warning.startswith("not counted as finished: ") for warning in found.warnings] == [True, True]
    assert str(other) in found.warnings[0] and str(half) in found.warnings[1]


def test_of_two_submissions_of_one_team_the_later_file_counts(challenge):
    challenge.submission("privileged.comet.json", "COMET", 0.9, {"radio": 1})
    found = counted(challenge)
    assert [row for row in found.rows if row.team_slug == "comet"][1] == Row("comet", "radio", 0.5, 0.0, 0, 0)
    assert len(found.rows) == 6
    assert found.warnings == ["standard.comet.json is of the same team as privileged.comet.json: its scores are shown"]


def test_a_results_root_that_is_not_there_is_refused(challenge):
    with pytest.raises(Refused, match="is no folder"):
        tally(challenge.instances, challenge.submissions, challenge.results / "typo")


def test_a_line_is_as_the_original_prints_it():
    rows = [Row("comet", "radio", 0.126, 1 / 3, 2, 3), Row("comet", 'a, "b"', 1.0, 0.0, 0, 0)]
    text = to_csv(rows)
    assert text.splitlines()[0] == "comet, radio, 0.13, 0.33, 2, 3"
    assert [line[1] for line in csv.reader(text.splitlines(), skipinitialspace=True)] == ["radio", 'a, "b"']
    assert to_csv([]) == ""
