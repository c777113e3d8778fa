"""Requests in control/ that the watcher carries out for members of a shared spool."""

import os

import pytest

from spoolq import control, errands
from spoolq.find import find
from spoolq.submit import publish
from spoolq.transitions import State

NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="gives files to another user, which needs root")


def _queued(store, owner=None, **policy):
    stem = publish(store, {"request": {"command": ["true"]}, **policy})
    if owner is not None:
        os.chown(store.layout.queued(stem), owner, -1)
    return stem


def _ask(store, verb, stem, uid=None, **facts):
    control.request(store, verb, stem.key, **facts)
    asked = control.read(store).asked[-1]
    if uid is not None:
        os.chown(asked.path, uid, -1)


def test_a_cancel_of_a_queued_job_is_carried_out_and_the_request_removed(store):
    stem = _queued(store)
    _ask(store, "cancel", stem)
    errands.turn(store, lambda _line: None)
    assert find(store, stem.uuid).state is State.CANCELLED
    assert control.read(store).asked == ()


def test_a_new_priority_and_a_retry_are_carried_out(store):
    # Given two queued jobs, the first of which is cancelled
    first, second = _queued(store), _queued(store)
    _ask(store, "prioritise", second, level="urgent")
    _ask(store, "cancel", first)
    errands.turn(store, lambda _line: None)
    assert find(store, second.uuid).stem.priority == "urgent"
    # When its retry is asked for
    _ask(store, "retry", first)
    errands.turn(store, lambda _line: None)
    # Then it waits again
    assert find(store, first.uuid).state is State.QUEUED


def test_a_request_without_sense_is_said_and_removed(store):
    # Given a level that does not exist, and a job that does not
    said = []
    stem = _queued(store)
    _ask(store, "prioritise", stem, level="now")
    control.request(store, "cancel", "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427")
    errands.turn(store, said.append)
    # Then nothing moved, and the reason was given
    assert find(store, stem.uuid).stem.priority == "normal"
    assert any("there is no such level" in line for line in said)
    assert control.read(store).asked == ()


@needs_root
def test_only_its_submitter_or_the_operator_may(store):
    # Given a job of somebody's
    said = []
    stem = _queued(store, owner=NOBODY)
    # When a third user asks, nothing happens
    _ask(store, "cancel", stem, uid=4321)
    errands.turn(store, said.append)
    assert find(store, stem.uuid).state is State.QUEUED
    assert said == [f"refused: user 4321 may not cancel {stem.uuid[:8]} of user {NOBODY}"]
    # When its submitter asks, it is done
    _ask(store, "cancel", stem, uid=NOBODY)
    errands.turn(store, said.append)
    assert find(store, stem.uuid).state is State.CANCELLED


@needs_root
def test_a_running_job_heeds_only_the_cancel_of_who_may(store):
    key = "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
    control.request(store, "cancel", key)
    os.chown(control.read(store).asked[0].path, 4321, -1)
    assert not control.read(store).cancels(key, owner=NOBODY)
    assert control.read(store).cancels(key, owner=4321)


def test_a_request_that_cannot_be_removed_does_not_hold_up_the_others(store):
    # Given a request without sense whose file is not ours to remove, and one with sense
    stem = _queued(store)
    control.request(store, "retry", "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427")
    _ask(store, "cancel", stem)
    stuck = next(asked.path for asked in control.read(store).asked if asked.verb == "retry")

    def refuse(step, path):
        if (step, path) == ("unlink", stuck):
            raise PermissionError(1, "Operation not permitted")

    store.disk.step = refuse
    # When the watcher looks, Then the other is carried out
    errands.turn(store, lambda _line: None)
    assert find(store, stem.uuid).state is State.CANCELLED


@needs_root
def test_a_stranger_raises_his_own_job_no_higher_than_is_open(store):
    # Given a stranger's job, and his requests
    stem, said = _queued(store, owner=NOBODY), []
    _ask(store, "prioritise", stem, uid=NOBODY, level="urgent")
    errands.turn(store, said.append)
    # Then it stands where it was, he is told, and his request is gone
    assert find(store, stem.uuid).stem == stem and "'urgent' is not open to user 65534" in said[0]
    assert control.read(store).asked == ()
    # When he asks for an open one, or the operator raises the job, Then it moves
    _ask(store, "prioritise", stem, uid=NOBODY, level="low")
    errands.turn(store, said.append)
    assert find(store, stem.uuid).stem.priority == "low"
    _ask(store, "prioritise", stem, level="urgent")
    errands.turn(store, said.append)
    assert find(store, stem.uuid).stem.priority == "urgent"


def test_a_thousand_requests_cost_a_few_listings(store):
    # Given requests about jobs that there are not, and one about a job that there is
    stem = _queued(store)
    for number in range(1000):
        store.layout.request(
            "cancel", f"20261120T120730.{number:06}Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427", "1"
        ).touch()
    _ask(store, "cancel", stem)
    listed = []
    names = store.names
    store.names = lambda state: listed.append(state) or names(state)
    # When the watcher looks, Then all are gone, and no directory was listed once for each
    errands.turn(store, lambda _line: None)
    assert find(store, stem.uuid).state is State.CANCELLED and os.listdir(store.layout.control) == []
    assert len(listed) < 100
