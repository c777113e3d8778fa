"""Jobs that are meant by a group or a label."""

import pytest

from spoolq import chosen
from spoolq.chosen import is_meant, members
from spoolq.errors import GroupNotFound
from spoolq.transitions import ACTIVE, State
from tests.spooltest.jobs import claimed, ended, submitted


def test_a_group_has_its_jobs_in_every_state(store):
    # Given jobs of a group in three states, one of another, and one that only mentions it
    done = ended(store, submitted(store, group="night")).stem
    running = claimed(store, submitted(store, group="night")).running.stem
    queued = submitted(store, group="night")
    submitted(store, group="nights")
    submitted(store, labels={"night": "night"})
    # When its members are asked for
    assert {entry.stem for entry in members(store, "night")} == {queued, running, done}
    assert {entry.stem for entry in members(store, "night", ACTIVE)} == {queued, running}


def test_a_name_of_other_letters_is_found_however_it_is_written(store):
    stem = submitted(store, group="nächte")
    assert [entry.stem for entry in members(store, "nächte")] == [stem]
    path = store.layout.queued(stem)
    path.write_text(path.read_text().replace("ä", "\\u00e4"))
    assert [entry.stem for entry in members(store, "nächte")] == [stem]


def test_a_group_of_nobody_is_an_error(store):
    with pytest.raises(GroupNotFound, match="cannot find group 'night'") as caught:
        members(store, "night")
    assert caught.value.exit_code == 3


def test_a_job_that_is_claimed_between_the_listing_and_the_look_is_not_left_out(store, monkeypatch):
    # Given a queued job of a group, which is claimed as soon as it has been listed
    stem = submitted(store, group="night")
    listed = chosen.entries(store, [State.QUEUED])
    claimed(store, stem)
    monkeypatch.setattr(chosen, "entries", lambda *_: listed)
    # When its members are asked for, Then it is there, and where it is now
    assert [entry.state for entry in members(store, "night", ACTIVE)] == [State.RUNNING]


def test_one_that_has_ended_by_then_is_not_meant_where_that_does_not_count(store, monkeypatch):
    stem = submitted(store, group="night")
    listed = chosen.entries(store, [State.QUEUED])
    ended(store, stem)
    monkeypatch.setattr(chosen, "entries", lambda *_: listed)
    with pytest.raises(GroupNotFound):
        members(store, "night", ACTIVE)


def test_all_labels_must_fit():
    record = {"labels": {"a": "1", "b": "2"}, "group": "g"}
    assert is_meant(record, {"a": "1"}, None)
    assert is_meant(record, {"a": "1", "b": "2"}, "g")
    assert not is_meant(record, {"a": "2"}, None)
    assert not is_meant(record, {"c": "1"}, None)
    assert not is_meant(record, {}, "h")
    assert is_meant({}, {}, None)
    assert not is_meant({"labels": None}, {"a": "1"}, None)
