"""Files that come in under a STEM: what they may claim about themselves."""

import json
import os
import time
from datetime import UTC, datetime

import pytest

from spoolq import history, requests
from spoolq.admit import Admission
from spoolq.find import find
from spoolq.names import format_stamp, parse_queued
from spoolq.newcomers import Newcomers
from spoolq.people import prioritise
from spoolq.settings import Settings
from tests.spooltest.jobs import claimed, submitted
from tests.spooltest.trees import queue
from tests.spooltest.users import NOBODY, needs_root

UUID = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


@pytest.fixture
def shared(store):
    """A spool into which others may put files."""
    (store.root / "queued").chmod(0o3770)
    return store


def stem_from(seconds_ago: float, uuid: str = UUID, prefix: str = "") -> str:
    return f"{prefix}{format_stamp(datetime.fromtimestamp(time.time() - seconds_ago, UTC))}-{uuid}.json"


def put(store, name: str, owner: int | None = None):
    path = store.root / "queued" / name
    path.write_text('{"command": ["true"]}')
    if owner is not None:
        os.chown(path, owner, -1)
    return path


def look(store, times: int = 1) -> list[str]:
    """What the watcher says as it looks so many times."""
    said = []
    newcomers = Newcomers(store)
    for _ in range(times):
        newcomers.turn(os.listdir(store.root / "queued"), said.append)
    return said


@needs_root
@pytest.mark.parametrize("forged", [False, True])
def test_a_strangers_stamp_from_before_he_came_is_no_place(shared, forged):
    # Given a stranger's file that is stamped an hour ago, and is as old as that by its own word
    path = put(shared, stem_from(3600), NOBODY)
    if forged:
        os.utime(path, (time.time() - 3600,) * 2)
    # When the watcher looks, Then it is a drop
    assert look(shared) == [f"{path.name} is stamped long before it came; it gets a place of its own"]
    assert os.listdir(shared.root / "queued") == [f"{UUID}.json"]


@needs_root
def test_a_strangers_submission_keeps_its_place(shared):
    # Given what `spoolq submit` makes, by a clock that is a little off
    path = put(shared, stem_from(20), NOBODY)
    # When the watcher looks, twice, Then it stays
    assert look(shared, 2) == []
    assert path.exists()


@needs_root
def test_a_new_priority_does_not_make_a_strangers_job_a_forgery(shared):
    # Given a stranger's job that has waited for an hour when the operator gives it another priority
    name = stem_from(3600)
    put(shared, name, NOBODY)
    history.record(shared, parse_queued(name).key, "prioritised", level="low", by=0, came=time.time() - 3600)
    # When the watcher looks, Then it stays
    assert look(shared) == []


@needs_root
def test_a_new_priority_does_not_make_a_forgery_a_job(shared):
    # Given a stranger's early stamp, and a new priority that he asks for at once
    path = put(shared, stem_from(3600), NOBODY)
    prioritise(shared, find(shared, UUID), "low")
    assert not path.exists()
    # When the watcher looks, Then it is a drop all the same
    assert "long before it came" in look(shared)[0]


@needs_root
def test_what_has_run_keeps_its_place(shared):
    # Given a stranger's job of an hour ago that was given back a moment ago
    name = stem_from(3600)
    put(shared, name, NOBODY)
    history.record(shared, parse_queued(name).key, "requeued", nonce="0badcafe", started=True)
    # When the watcher looks, Then it stays
    assert look(shared) == []


@needs_root
def test_a_trusted_user_is_believed_his_mtime(shared):
    # Given the same of a user whom the operator trusts
    shared.settings = Settings(trusted=[NOBODY])
    put(shared, stem_from(3600), NOBODY)
    # When the watcher looks, Then it stays
    assert look(shared) == []


def test_of_two_jobs_of_one_id_the_later_gets_another(store):
    # Given two files of one id
    later, first = put(store, stem_from(10)), put(store, stem_from(20, prefix="9-"))
    # When the watcher looks, Then the later is a drop
    assert look(store) == [f"{later.name} has the id of another job; it gets a place of its own"]
    assert sorted(os.listdir(store.root / "queued")) == sorted([first.name, f"{UUID}.json"])


def test_a_running_jobs_id_is_taken(store):
    # Given a running job, and a file of its id under another stamp
    stem = submitted(store)
    claimed(store, stem)
    put(store, stem_from(10, stem.uuid))
    # When the watcher looks and admits, Then it is another job
    Admission(store, lambda document, uid: None).turn()
    Admission(store, lambda document, uid: None).turn()
    (other,) = queue(store)
    assert other != stem.uuid


def test_a_job_that_was_given_back_keeps_its_id(store):
    # Given a power cut that shows a job both running and queued, with its history
    stem = submitted(store)
    taken = claimed(store, stem)
    history.record(store, stem.key, "requeued", nonce=taken.running.claim.nonce, started=True)
    put(store, f"{stem}.json")
    # When the watcher looks, Then both stay for who recovers it
    assert look(store) == []


@needs_root
@pytest.mark.parametrize(("level", "taken"), [("urgent", False), ("high", False), ("normal", True), ("low", True)])
def test_a_stranger_may_have_the_priorities_that_are_open(shared, level, taken):
    # Given a stranger's drop with a priority, in a spool that opens `command` to all
    shared.settings = Settings(open_recipes=["command"])
    path = put(shared, "job.json", NOBODY)
    path.write_text(json.dumps({"request": {"command": ["true"]}, "priority": level}))
    # When it is looked at, Then only an open one is taken
    said = []
    Admission(shared, lambda document, uid: requests.accept(document, uid, shared.settings), said.append).turn()
    assert bool(queue(shared)) == taken
    if not taken:
        assert f"'{level}' is not open to user {NOBODY}" in said[0] and "`open_priorities`" in said[0]


def test_a_second_link_is_refused_in_a_shared_spool_only(store):
    # Given a drop that is a second link to a file
    (store.root / "other").write_text('{"command": ["true"]}')
    os.link(store.root / "other", store.layout.drop("job.json"))
    store.settings = Settings(settle=0.0)
    said = []
    admission = Admission(store, lambda document, uid: None, said.append)
    # When the spool is shared, Then it is rejected
    (store.root / "queued").chmod(0o3770)
    assert admission.turn() == 1 and "second link" in said[0]
    # When it is one's own, Then it is a job
    (store.root / "queued").chmod(0o700)
    os.link(store.root / "other", store.layout.drop("job.json"))
    assert admission.turn() == 1 and len(queue(store)) == 1
