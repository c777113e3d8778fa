"""Instances: a folder a task, and the number by which a result is named."""

import pytest

from spoolq.generate.instances import Instance, read_tasks
from spoolq.generate.refusals import Refused
from tests.spooltest.challenge import Challenge, instance


@pytest.fixture
def challenge(tmp_path):
    return Challenge(tmp_path / "challenge")


def test_tasks_and_instances_come_by_name(challenge):
    # Given tasks, an empty folder, and what is no instance
    challenge.task("trash", [4])
    challenge.task("radio", [10, 2, 1])
    challenge.task("empty", [])
    challenge.task(".hidden", [1])
    (challenge.instances / "radio" / ".half.json").write_text("")
    (challenge.instances / "radio" / "notes.txt").write_text("")
    (challenge.instances / "radio" / "folder_3.json").mkdir()
    (challenge.instances / "README.json").write_text("{}")
    # When they are read, Then the order is that of the names, as texts
    assert read_tasks(challenge.instances) == {
        "radio": [Instance(instance("radio", number), number) for number in (10, 1, 2)],
        "trash": [Instance(instance("trash", 4), 4)],
    }
    assert list(read_tasks(challenge.instances)) == ["radio", "trash"]


def test_a_number_is_what_workers_make_of_it(challenge):
    # Given an instance with leading zeros
    folder = challenge.task("radio", [])
    (folder / "radio_007_template-tro_state.json").write_text("{}")
    # When it is read, Then its number is a number
    assert [one.number for one in read_tasks(challenge.instances)["radio"]] == [7]


@pytest.mark.parametrize("name", ["radio_1.json", "radio_x_template-tro_state.json", "radio_1_template-tro_state.JSON"])
def test_a_name_without_a_number_is_refused(challenge, name):
    # Given a JSON file that is named otherwise
    folder = challenge.task("radio", [1])
    (folder / name).write_text("{}")
    # When tasks are read, Then the message names it
    with pytest.raises(Refused, match=r"has no instance number: .* Rename it, or move it away\.$") as raised:
        read_tasks(challenge.instances)
    assert str(folder / name) in str(raised.value)


def test_two_of_one_number_are_refused(challenge):
    # Given two instances that would share a result file
    folder = challenge.task("radio", [1])
    (folder / "other_task_radio_0_1_template-tro_state.json").write_text("{}")
    # When tasks are read, Then both are named
    with pytest.raises(Refused, match=r"other_task_radio_0_1_\S+ and house_\S+ have one number") as raised:
        read_tasks(challenge.instances)
    assert instance("radio", 1) in str(raised.value)


def test_no_instance_at_all_is_refused(challenge):
    challenge.task("empty", [])
    with pytest.raises(Refused, match=r"no task folder in .* holds an instance\. .*--test-instances-dir"):
        read_tasks(challenge.instances)
