"""Requests to whoever runs: pause, resume, and cancels of running jobs."""

import json
import os

from spoolq import control

KEY = "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
OTHER = "20261120T120730.123456Z-2c4e28ba-2fa1-4d2b-883f-0016d3cca427"


def test_nothing_is_asked_of_a_new_spool(store):
    assert control.read(store) == control.Requests(paused=False, cancels={})
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
    # and what is in it need not be an object
    store.layout.paused.write_text("[1]")
    assert control.pause_facts(store) == {}


def test_cancels_are_told_by_their_jobs_key(store):
    # Given requests to cancel two jobs, one of them twice
    control.request_cancel(store, KEY, by=7)
    control.request_cancel(store, KEY, by=7)
    control.request_cancel(store, OTHER, by=8)
    # When control is read, Then each job is there once, with a file that says who asked
    cancels = control.read(store).cancels
    assert set(cancels) == {KEY, OTHER}
    assert json.loads(cancels[OTHER].read_text())["by"] == 8
    # When one is cleared, Then both of its requests are gone, and the other's stands
    control.clear_cancels(store, KEY)
    assert set(control.read(store).cancels) == {OTHER}
    assert len(os.listdir(store.layout.control)) == 1


def test_clearing_what_nobody_asked_for_is_harmless(store):
    control.clear_cancels(store, KEY)
    assert os.listdir(store.layout.control) == []


def test_other_names_are_left_alone(store):
    # Given what editors and people leave behind
    for name in (".cancel.swp", "cancel.json", "notes.txt", f"cancel@{KEY}.json", f"stop@{KEY}@1.json"):
        (store.layout.control / name).write_text("{}")
    # When control is read, Then it asks for nothing, and all stay where they are
    assert control.read(store) == control.Requests(paused=False, cancels={})
    control.clear_cancels(store, KEY)
    assert len(os.listdir(store.layout.control)) == 5


def test_a_request_leaves_nothing_in_tmp(store):
    control.request_cancel(store, KEY, by=7)
    control.pause(store, by=7)
    assert os.listdir(store.layout.tmp) == []
