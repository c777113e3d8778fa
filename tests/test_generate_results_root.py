"""The results root: what workers have finished and begun, read from their files' names."""

import re

import pytest

from spoolq.generate.refusals import Refused
from spoolq.generate.results_root import check_root, metrics_of, results_of
from tests.spooltest.challenge import Challenge


@pytest.fixture
def challenge(tmp_path):
    return Challenge(tmp_path / "challenge")


def test_metrics_and_videos_are_found_where_workers_put_them(challenge):
    # Given results of two teams, videos with and without a user's folder, and what is neither
    challenge.metrics("comet", "radio", 3, {"q_score": {"final": 0.5}})
    challenge.metrics("north", "radio", 4, {"q_score": 1})
    challenge.video("comet/videos/radio_5.mp4")
    challenge.video("comet/videos/lee/dishes_1.mp4")
    challenge.video("comet/videos/lee/notes.txt")
    (challenge.results / "comet" / "metrics" / "radio_9.json.partial").write_text("")
    # When a team's results are looked for
    found = results_of(challenge.results, "comet")
    # Then they are its own
    assert (found.metrics, found.videos) == ({"radio_3"}, {"radio_5", "dishes_1"})
    assert metrics_of(challenge.results, "north") == {"radio_4"}


def test_a_team_without_results_has_none(challenge):
    found = results_of(challenge.results, "nobody")
    assert (found.metrics, found.videos) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("content", "score"),
    [({"q_score": {"final": 0.25}}, 0.25), ({"q_score": 1}, 1.0), ({"q_score": {"final": 0}}, 0.0)],
)
def test_both_forms_of_a_score_are_read(challenge, content, score):
    challenge.metrics("comet", "radio", 3, content)
    assert results_of(challenge.results, "comet").score("radio_3") == score


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ('{"q_score": {"fin', "is no valid JSON"),
        ("", "is no valid JSON"),
        ({"success": True}, "has no number as its q_score"),
        ({"q_score": {"final": None}}, "has no number as its q_score"),
        ({"q_score": float("nan")}, "has no number as its q_score"),
    ],
)
def test_a_file_without_a_score_is_refused_with_what_to_do(challenge, content, cause):
    # Given a metrics file that is half written, or is of something else
    path = challenge.metrics("comet", "radio", 3, content)
    # When its score is read, Then the message says what to do
    with pytest.raises(Refused, match=re.escape(f"{path} {cause}")) as raised:
        results_of(challenge.results, "comet").score("radio_3")
    assert str(raised.value).endswith("Unless a worker is writing it now, remove it to have that instance run again.")


def test_a_root_that_is_not_there_is_refused(challenge):
    check_root(challenge.results)
    with pytest.raises(Refused, match=r"the results root .*missing is no folder"):
        check_root(challenge.results / "missing")
