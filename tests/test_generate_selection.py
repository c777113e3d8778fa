"""Selection: the best of either track, and the tasks that they are worth."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.generate.instances import Instance
from spoolq.generate.refusals import Refused
from spoolq.generate.selection import best, check_instances, check_slugs, tasks_of
from spoolq.generate.submissions import Submission


def entry(file: str, overall: float, tasks=()) -> Submission:
    return Submission(file, file, file.split(".")[1], overall, dict(tasks))


def test_the_best_of_each_track_are_chosen():
    # Given seven privileged submissions that are better than seven standard ones
    privileged = [entry(f"privileged.{n}.json", 10 + n) for n in range(7)]
    standard = [entry(f"standard.{n}.json", n) for n in range(7)]
    # When the best are chosen, Then they are five of each track, in the order of the files
    assert best([*privileged, *standard], 5) == [*privileged[2:], *standard[2:]]


def test_the_best_privileged_are_looked_for_among_the_privileged():
    # Given standard submissions that are better than every privileged one, which upstream would therefore leave out
    privileged = [entry("privileged.a.json", 0.1), entry("privileged.b.json", 0.2)]
    standard = [entry(f"standard.{n}.json", 1 + n) for n in range(6)]
    # When the best are chosen, Then the privileged are among them
    assert best([*privileged, *standard], 5) == [*privileged, *standard[1:]]


def test_of_equals_the_earlier_file_is_chosen():
    equals = [entry(f"standard.{n}.json", 0.5) for n in range(4)]
    assert best(equals, 2) == equals[:2]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=12), st.integers(1, 6))
def test_nobody_that_is_left_out_is_better_than_who_is_in(scores, top):
    # Given any submissions
    given_ = [entry(f"{'standard' if flag else 'other'}.{n}.json", score) for n, (flag, score) in enumerate(scores)]
    # When the best are chosen
    chosen = best(given_, top)
    # Then of each track there are so many, or all, and nobody of it who is left out is better
    for track in (True, False):
        of_track = [one for one in given_ if one.standard is track]
        inside = [one for one in of_track if one in chosen]
        assert len(inside) == min(top, len(of_track))
        left = [one.overall for one in of_track if one not in chosen]
        assert not left or max(left) <= min(one.overall for one in inside)
    assert chosen == [one for one in given_ if one in chosen]


def test_a_task_needs_a_score_unless_all_are_asked_for():
    # Given scores of every kind
    submission = entry("standard.comet.json", 1, {"trash": 0.0, "radio": 0.1, "a": -1.0, "b": float("nan"), "c": 2.0})
    # When tasks are chosen, Then they are those over 0, by name, or all of them for a team that is named
    assert tasks_of(submission, []) == ["c", "radio"]
    assert tasks_of(submission, ["other"]) == ["c", "radio"]
    assert tasks_of(submission, ["comet"]) == ["a", "b", "c", "radio", "trash"]


def test_a_slug_that_nobody_has_is_refused():
    known = [entry("standard.comet.json", 1), entry("standard.north.json", 1)]
    check_slugs(["north"], known)
    with pytest.raises(Refused, match=r"no submission is of team 'nort'; there are comet, north\. Correct --all"):
        check_slugs(["north", "nort"], known)


def test_a_task_without_instances_is_refused_by_name():
    # Given a submission with scores for tasks of which one has instances and one without a score has none
    submission = entry("standard.comet.json", 1, {"radio": 1.0, "trash": 0.0, "dishes": 0.5, "books": 0.5})
    tasks = {"radio": [Instance("radio_1", 1)]}
    # When that is checked, Then those with a score are named, with the file and the folder
    with pytest.raises(Refused, match=r"^standard.comet.json has a score for books, dishes, of which /tests holds no"):
        check_instances([submission], [], tasks, Path("/tests"))
    check_instances([submission], [], dict.fromkeys(("radio", "dishes", "books"), tasks["radio"]), Path("/tests"))
    with pytest.raises(Refused, match="a score for books, dishes, trash, of"):
        check_instances([submission], ["comet"], tasks, Path("/tests"))


def test_of_many_missing_tasks_five_are_named():
    submission = entry("standard.comet.json", 1, {f"t{n}": 1.0 for n in range(9)})
    with pytest.raises(Refused, match=r"for t0, t1, t2, t3, t4, …, of which"):
        check_instances([submission], [], {}, Path("/tests"))
