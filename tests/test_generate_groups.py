"""Pseudo-groups: resources of a team that take the same tasks, and the group that gets a task's jobs."""

import json
import re

import pytest

from spoolq.generate.groups import as_document, group_for, read_groups
from spoolq.generate.refusals import Refused


@pytest.fixture
def groups(tmp_path):
    """Read the groups of raw resources."""

    def read(raw):
        path = tmp_path / "raw.json"
        path.write_text(raw if isinstance(raw, str) else json.dumps(raw))
        return read_groups(path)

    return read


def named(groups, team, task):
    group = group_for(groups, team, task)
    return group and group.name


def test_resources_with_the_same_restrictions_are_one_group(groups):
    # Given resources of one team whose restrictions are written in several ways
    a, b, c, d, e, f = (
        {"host": "a"},
        {"host": "b", "compatible_task": ["radio", "trash", "radio"]},
        {"host": "c", "compatible_task": ["trash", "radio"]},
        {"host": "d", "not_compatible_task": "radio"},
        {"host": "e", "compatible_task": None, "not_compatible_task": ""},
        {"host": "f", "not_compatible_task": ["radio"]},
    )
    # When they are grouped, Then they are numbered as they first appear, and stand as they were
    read = groups({"comet": [a, b, c, d, e, f]})
    assert as_document(read) == {"comet_1": [a, e], "comet_2": [b, c], "comet_3": [d, f]}
    assert (read[1].compatible, read[1].not_compatible) == (("radio", "trash"), None)
    assert (read[2].compatible, read[2].not_compatible) == (None, ("radio",))


def test_teams_are_numbered_each_from_one_in_the_order_of_the_file(groups):
    read = groups({"north": [{"port": 1}], "empty": [], "comet": [{"port": 2}, {"compatible_task": "a"}]})
    assert [(one.name, one.team) for one in read] == [("north_1", "north"), ("comet_1", "comet"), ("comet_2", "comet")]


def test_empty_lists_are_restrictions_of_their_own(groups):
    # Given a resource that is compatible with nothing, and one that is incompatible with nothing
    read = groups({"comet": [{"compatible_task": []}, {"not_compatible_task": []}, {"host": "free"}]})
    # When they are grouped, Then each has its own group, and the first takes no task
    assert [one.name for one in read] == ["comet_1", "comet_2", "comet_3"]
    assert [one.takes("radio") for one in read] == [False, True, True]
    assert named(read, "comet", "radio") == "comet_2"


def test_the_first_group_that_takes_a_task_gets_it(groups):
    # Given groups of which several take some tasks
    read = groups({
        "comet": [
            {"compatible_task": ["radio", "dishes"], "not_compatible_task": "dishes"},
            {"not_compatible_task": "trash"},
            {"compatible_task": ["radio", "trash"]},
        ]
    })  # fmt: skip
    # When tasks look for a group, Then what is not compatible goes before what is, and the first one has it
    assert {task: named(read, "comet", task) for task in ("radio", "dishes", "trash", "x")} == {
        "radio": "comet_1", "dishes": "comet_2", "trash": "comet_3", "x": "comet_2"
    }  # fmt: skip


@pytest.mark.parametrize("order", [["comet", "comet_2"], ["comet_2", "comet"]])
def test_a_team_never_gets_the_group_of_another_whose_name_begins_so(groups, order):
    # Given two teams, one of whose names begins with the other's
    raw = {"comet": [{"compatible_task": "radio"}], "comet_2": [{"host": "theirs"}]}
    read = groups({team: raw[team] for team in order})
    # When a task of the first looks for a group that only the second has, Then there is none
    assert named(read, "comet", "trash") is None
    assert named(read, "comet", "radio") == "comet_1"
    assert named(read, "comet_2", "trash") == "comet_2_1"


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ("[]", "holds no JSON object"),
        ('{"a": ', "is no valid JSON"),
        ('{"comet": [], "comet": []}', "the key 'comet' stands twice"),
        ({"comet": {"host": "a"}}, "team 'comet' of"),
        ({"comet": [{}, "a:80"]}, "resource 1 of team 'comet' of"),
        ({"comet": [{"compatible_task": 7}]}, "`compatible_task` of resource 0 of team 'comet' of"),
        ({"comet": [{"not_compatible_task": ["a", 7]}]}, "`not_compatible_task` of resource 0 of team 'comet' of"),
    ],
)
def test_what_are_no_resources_is_refused_by_its_place(groups, tmp_path, raw, cause):
    with pytest.raises(Refused, match=re.escape(cause)) as raised:
        groups(raw)
    assert str(tmp_path / "raw.json") in str(raised.value) and str(raised.value).endswith("Mend that file.")
