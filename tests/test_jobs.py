"""What is known of a job in each state, put together as the record that everybody sees."""

import json
import os

import pytest

from spoolq import history
from spoolq.claims import adopt, reclaim
from spoolq.documents import MAX_BYTES
from spoolq.find import find
from spoolq.jobs import Entry, describe, finals, owner_of, parse_entry, read_final
from spoolq.models import JobInfo
from spoolq.names import new_stem, parse_stamp
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, retried, submitted
from tests.spooltest.trees import record_of


def shown(store, stem) -> dict:
    """The record of a job, wherever it stands; valid, and with all keys."""
    record = describe(store, find(store, stem.uuid))
    assert set(record) == set(JobInfo.model_fields)
    JobInfo.model_validate(record)
    return record


def test_a_queued_job_shows_its_request_and_policy(store):
    # Given an envelope in the queue
    stem = submitted(store, "high", recipe="command", timeout=90.0)
    # When it is described, Then that is what it shows, and nothing has happened yet
    record = shown(store, stem)
    assert (record["status"], record["priority"], record["recipe"]) == ("queued", "high", "command")
    assert (record["request"], record["timeout"], record["retry_on"]) == ({"command": ["true"]}, 90.0, None)
    assert (record["attempt"], record["submitted_by"], record["outcome"]) == (0, os.getuid(), None)
    assert record["created_at"] == parse_stamp(stem.stamp).isoformat(timespec="microseconds")
    assert record["run_dir"] == f"runs/{stem.key}" and record["log"] == f"runs/{stem.key}/log.txt"


@pytest.mark.parametrize("text", ["2h", "1h60m", "7200", 7200, 7200.0])
def test_a_duration_is_shown_in_seconds_however_it_was_written(store, text):
    # Given an envelope whose durations are as people write them, as the protocol has it
    stem = submitted(store, timeout=text, grace="500ms")
    # When the job is described, queued and running, Then they are seconds, as in its record
    assert (shown(store, stem)["timeout"], shown(store, stem)["grace"]) == (7200, 0.5)
    claimed(store, stem)
    assert (shown(store, stem)["timeout"], shown(store, stem)["grace"]) == (7200, 0.5)


@pytest.mark.parametrize(
    "policy",
    [
        *({"timeout": "soon"}, {"timeout": []}, {"grace": {}}, {"max_attempts": "many"}, {"max_attempts": 1.5}),
        *({"retry_on": "lost"}, {"retry_on": [1]}, {"recipe": 7}, {"colour": "blue"}),
        *({"resource_type": 1}, {"external_id": []}, {"attempts_before": True}, {"attempts_before": "2"}),
    ],
)
def test_a_policy_that_is_none_does_not_keep_the_others_from_being_shown(store, policy):
    # Given a file under a job's name whose policy will be refused when it is claimed
    stem = submitted(store, **policy)
    # When it is described, queued and running, Then there is a valid record
    assert shown(store, stem)["request"] == {"command": ["true"]}
    claimed(store, stem)
    assert shown(store, stem)["request"] == {"command": ["true"]}


def test_attempts_of_an_older_queue_are_added(store):
    # Given a job that had three attempts elsewhere
    stem = submitted(store, attempts_before=3, external_id="7")
    # When it is described before, in and after its first attempt here, Then they are counted
    assert (shown(store, stem)["attempt"], shown(store, stem)["external_id"]) == (3, "7")
    attempt = opened(store, claimed(store, stem))
    assert shown(store, stem)["attempt"] == 4
    conclude_as(store, attempt, "exit")
    record = shown(store, stem)
    assert (record["attempt"], record["attempts_before"], record["external_id"]) == (4, 3, "7")
    # And when it is retried, Then the record that stands in the queue says so too
    assert shown(store, retried(store, find(store, stem.uuid)))["attempt"] == 4


def test_a_bare_request_is_all_request(store):
    # Given a bare request, When it is described, Then all of it is the request
    stem = submitted(store)
    assert shown(store, stem)["request"] == {"command": ["true"]}


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff", b"x" * (MAX_BYTES + 1), b'{"request": 7}'])
def test_a_job_that_is_none_is_described_all_the_same(store, data):
    # Given a file under a job's name that can be no job
    stem = new_stem(store.next_stamp())
    store.layout.queued(stem).write_bytes(data)
    # When it is described, queued and running, Then there is a record
    assert shown(store, stem)["status"] == "queued"
    claimed(store, stem)
    assert shown(store, stem)["status"] == "running"


def test_a_folder_under_a_jobs_name_says_that_it_cannot_be_read(store):
    # Given a folder under a job's name, When it is described, queued and running, Then it says so
    stem = new_stem(store.next_stamp())
    store.layout.queued(stem).mkdir()
    assert "cannot read the job's file" in shown(store, stem)["error"]
    claimed(store, stem)
    assert "cannot read the job's file" in shown(store, stem)["error"]


def test_a_running_job_shows_who_runs_it_since_when(store):
    # Given a job whose evaluation has started, with a heartbeat
    attempt = opened(store, claimed(store, submitted(store)))
    running = attempt.running
    record = shown(store, running.stem)
    assert (record["started_at"], record["heartbeat_at"], record["attempt"]) == (None, None, 1)
    history.record(store, running.stem.key, "started", nonce=running.claim.nonce, pid=1)
    store.layout.beat(running).touch()
    # When it is described, Then worker, claim, start and heartbeat are there
    record = shown(store, running.stem)
    assert (record["worker"], record["claim"]) == ("host-a.gpu0", str(running.claim))
    assert record["started_at"] == history.events(store, running.stem.key)[-1]["at"]
    assert record["heartbeat_at"].endswith("+00:00")


def test_an_adopted_job_started_when_its_evaluation_did(store):
    # Given a job whose evaluation runs on under another claim
    attempt = opened(store, claimed(store, submitted(store)))
    history.record(store, attempt.running.stem.key, "started", nonce=attempt.origin, pid=1)
    adopt(store, attempt.running, "gpu1")
    # When it is described, Then it has been running since the first
    record = shown(store, attempt.running.stem)
    assert record["started_at"] is not None and record["worker"] == "host-a.gpu1"


def test_a_second_attempt_has_not_started_when_the_first_did(store):
    # Given a job whose first attempt was lost, and which is claimed again
    attempt = opened(store, claimed(store, submitted(store)))
    history.record(store, attempt.running.stem.key, "started", nonce=attempt.origin, pid=1)
    reclaim(store, attempt.running, "lost", nonce=attempt.origin, attempt=1)
    opened(store, claimed(store, attempt.running.stem))
    # When it is described before its evaluation runs, Then it has not started
    record = shown(store, attempt.running.stem)
    assert (record["attempt"], record["started_at"]) == (2, None)


def test_an_ended_jobs_record_is_what_is_on_disk(store):
    # Given an ended job, When it is described, Then that is its file
    entry = ended(store, submitted(store), "exit")
    assert shown(store, entry.stem) == record_of(store, entry.stem.uuid)


def test_a_record_of_an_earlier_version_gets_the_keys_that_it_lacks(store):
    # Given a record that was written before there was a key
    entry = ended(store, submitted(store))
    path = store.layout.terminal(State.COMPLETED, entry.stem.key)
    record = json.loads(path.read_text())
    del record["peak_memory_mib"]
    path.write_text(json.dumps(record))
    # When it is described, Then the key is there
    assert shown(store, entry.stem)["peak_memory_mib"] is None


def test_an_ended_job_without_its_record_says_so(store):
    # Given a job that was moved to its end by hand, When it is described, Then its end is still to come
    stem = submitted(store)
    store.layout.queued(stem).rename(store.layout.terminal(State.FAILED, stem.key))
    record = shown(store, stem)
    assert (record["status"], record["outcome"]) == ("failed", None)
    assert record["error"] == "its record is not written yet"


@pytest.mark.parametrize("state", State)
def test_a_job_that_has_moved_on_has_no_record_there(store, state):
    # Given an entry of a listing that is out of date, When it is described, Then there is nothing
    stem = new_stem(store.next_stamp())
    entry = Entry(state, stem)
    if state is State.RUNNING:
        taken = claimed(store, submitted(store))
        entry = Entry(state, taken.running.stem, taken.running.claim)
        store.layout.running(taken.running).unlink()
    assert describe(store, entry) is None
    assert owner_of(store, entry) is None


def test_the_owner_is_who_submitted(store):
    # Given a job of ours, When its owner is asked for, queued and ended, Then that is us
    stem = submitted(store)
    assert owner_of(store, Entry(State.QUEUED, stem)) == os.getuid()
    assert owner_of(store, ended(store, stem)) == os.getuid()


def test_names_are_read_by_the_rules_of_their_state(store):
    # Given a running file's name, When it is met in another state, Then it is no job
    running = claimed(store, submitted(store, "high")).running
    assert parse_entry(State.RUNNING, f"{running}.json").running == running
    for state in State:
        if state is not State.RUNNING:
            assert parse_entry(state, f"{running}.json") is None
    assert parse_entry(State.QUEUED, f"{running.stem}.json") == Entry(State.QUEUED, running.stem)
    assert parse_entry(State.COMPLETED, f"{running.stem}.json") is None
    assert parse_entry(State.RUNNING, f"{running.stem}.json") is None


def test_finishes_under_way_are_told_by_their_names(store):
    # Given a finish under way, and files that look like one, When they are listed, Then only the one is
    running = claimed(store, submitted(store)).running
    store.layout.final(str(running)).write_text('{"a": 1}')
    for name in ("x.final", ".final", f"{running}.submit", f"{running.stem}.final"):
        store.layout.temporary(name).write_text("{}")
    assert finals(store) == [running]
    assert read_final(store, running) == {"a": 1}
    store.layout.final(str(running)).unlink()
    assert read_final(store, running) is None
