"""Requests to whoever runs: pause and resume, and what people ask for about a job."""

import json
import os

import pytest

from spoolq import control
from tests.spooltest.users import NOBODY, needs_root

KEY = "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
OTHER = "20261120T120730.123456Z-2c4e28ba-2fa1-4d2b-883f-0016d3cca427"


def test_nothing_is_asked_of_a_new_spool(store):
    # Given a new spool, When control is read, Then it asks for nothing
    assert control.read(store) == control.Requests(paused=False, asked=())
    assert not control.read(store).cancels(KEY, os.getuid())
    assert control.pause_facts(store) is None


def test_a_pause_stands_until_it_is_taken_back(store):
    # Given a paused queue
    assert control.pause(store, by=7, reason="a new driver") is True
    # When it is looked at, Then it says who, when and why; pausing again changes nothing
    assert control.read(store).paused
    facts = control.pause_facts(store)
    assert (facts["by"], facts["reason"]) == (7, "a new driver") and facts["at"]
    assert control.pause(store, by=8) is False
    assert control.pause_facts(store)["by"] == 7
    # When it is resumed, Then that is all gone; resuming again says that it was not paused
    assert control.resume(store) is True
    assert control.resume(store) is False
    assert not control.read(store).paused and control.pause_facts(store) is None
    assert os.listdir(store.layout.control) == []


def test_a_pause_that_somebody_made_by_hand_counts(store):
    # Given an empty file of the right name, as `touch` makes it
    store.layout.paused.touch()
    # When it is read, Then the queue is paused, for reasons unknown
    assert control.read(store).paused
    assert control.pause_facts(store) == {}
    # and what is in it need not be an object, nor be read at all
    for text in ("[1]", "[" * 4096):
        store.layout.paused.write_text(text)
        assert control.pause_facts(store) == {}
    assert control.resume(store) is True


@pytest.mark.parametrize("verb", control.VERBS)
def test_a_request_says_what_about_which_job_and_who_asks(store, verb):
    # Given a request about a job
    control.request(store, verb, KEY, level="high")
    # When control is read, Then it is there once, with its asker and what it says
    (asked,) = control.read(store).asked
    assert (asked.verb, asked.key, asked.uid) == (verb, KEY, os.getuid())
    facts = control.facts_of(asked)
    assert (facts["by"], facts["level"]) == (os.getuid(), "high") and facts["at"]
    assert os.listdir(store.layout.tmp) == []


def test_cancels_of_one_job_are_cleared_and_nothing_else(store):
    # Given cancels of two jobs, one of them twice, and another request about the first
    control.request(store, "cancel", KEY)
    control.request(store, "cancel", KEY)
    control.request(store, "cancel", OTHER)
    control.request(store, "retry", KEY)
    asked = control.read(store)
    assert asked.cancels(KEY, None) and asked.cancels(OTHER, None)
    # When the first one's cancels are cleared, Then the others stand
    control.clear_cancels(store, KEY)
    asked = control.read(store)
    assert not asked.cancels(KEY, None) and asked.cancels(OTHER, None)
    assert {(one.verb, one.key) for one in asked.asked} == {("cancel", OTHER), ("retry", KEY)}
    # and clearing what nobody asked for is harmless
    control.clear_cancels(store, KEY)


@needs_root
def test_a_cancel_counts_only_from_who_may(store):
    # Given a cancel that another user asked for
    control.request(store, "cancel", KEY)
    (asked,) = control.read(store).asked
    os.chown(asked.path, NOBODY, -1)
    # When the job is his, Then it counts; When it is somebody else's, Then it does not
    assert control.read(store).cancels(KEY, NOBODY)
    assert not control.read(store).cancels(KEY, NOBODY - 1)
    assert not control.read(store).cancels(KEY, None)


@needs_root
def test_who_asks_is_the_files_owner_whatever_the_file_says(store):
    # Given a request that pretends to be root's
    control.request(store, "cancel", KEY)
    (asked,) = control.read(store).asked
    asked.path.write_text(json.dumps({"by": 0}))
    os.chown(asked.path, NOBODY, -1)
    # When it is read, Then its asker is who owns the file
    assert control.read(store).asked[0].uid == NOBODY


def test_other_names_are_left_alone(store):
    # Given what editors and people leave behind
    names = (
        ".cancel.swp",
        "cancel.json",
        "notes.txt",
        f"cancel@{KEY}.json",
        f"stop@{KEY}@1.json",
        "cancel@../../etc@1.json".replace("/", "_"),
        "cancel@*@1.json",
    )
    for name in names:
        (store.layout.control / name).write_text("{}")
    # When control is read, Then it asks for nothing, and all stay where they are
    assert control.read(store) == control.Requests(paused=False, asked=())
    control.clear_cancels(store, KEY)
    assert sorted(os.listdir(store.layout.control)) == sorted(names)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"x" * 10_000, b"[" * 4096])
def test_a_request_whose_content_says_nothing_is_still_one(store, content):
    # Given a request as `touch` or a script makes it
    store.layout.request("cancel", KEY, "1").write_bytes(content)
    # When it is read, Then its name and its owner are enough
    assert control.read(store).cancels(KEY, os.getuid())
    assert control.facts_of(control.read(store).asked[0]) == {}


def test_a_link_is_nobodys_word(store, tmp_path):
    # Given a request that is a link to a file of facts
    (tmp_path / "facts").write_text('{"level": "urgent"}')
    store.layout.request("prioritise", KEY, "1").symlink_to(tmp_path / "facts")
    # When control is read, Then nobody asks
    assert control.read(store).asked == ()


def test_a_folder_under_a_requests_name_asks_for_nothing_and_stops_nobody(store):
    # Given folders under the names of requests, as any member of a shared spool can make them
    for verb in control.VERBS:
        store.layout.request(verb, KEY, "1").mkdir()
    # When control is read, and the job's cancels are cleared, Then nobody is stopped by them
    assert control.read(store).asked == ()
    control.clear_cancels(store, KEY)


def test_a_pause_that_is_a_folder_can_be_taken_back(store):
    # Given somebody's folder that stops the queue
    store.layout.paused.mkdir()
    assert control.read(store).paused and control.pause_facts(store) is None
    # When it is resumed, Then it is
    assert control.resume(store) is True
    assert not control.read(store).paused


def test_a_second_link_to_somebodys_file_is_not_his_word(store):
    # Given a file of ours, and a link to it under the name of a cancel
    (store.root / "ours").write_text("{}")
    os.link(store.root / "ours", store.layout.request("cancel", KEY, "1"))
    # When control is read, Then nobody asks
    assert control.read(store).asked == ()
