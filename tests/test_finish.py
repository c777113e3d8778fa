"""Finish: the record is written, the rename commits, and who has lost the claim drops what he has."""

import errno
import json
import os
import stat
from dataclasses import replace

import pytest

from spoolq import files
from spoolq.admit import invalid_record
from spoolq.claims import adopt
from spoolq.documents import MAX_DEPTH
from spoolq.errors import ClaimLost
from spoolq.finish import finish, publish_invalid, set_aside, terminal_record
from spoolq.jobs import Entry, blank
from spoolq.names import Running, new_claim
from spoolq.transitions import State
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.jobs import STATE_OF, claimed, conclude_as, ended, opened, retried, submitted
from tests.spooltest.trees import assert_state, record_of
from tests.spooltest.users import NOBODY, needs_root, without_rights


def record_for(store, running: Running, outcome: str = "succeeded", **facts) -> dict:
    """A whole record of a run."""
    state = STATE_OF[outcome]
    return {
        **blank(store, state, running.stem),
        "completed_at": store.now(),
        "request": {"command": ["true"]},
        "outcome": outcome,
        "claim": str(running.claim),
        "worker": running.claim.worker,
        **facts,
    }


def finish_running(store, running: Running, record: dict) -> None:
    finish(store, store.layout.running(running), running, record)


@pytest.mark.parametrize("outcome", STATE_OF)
def test_an_ended_job_is_its_record(store, outcome):
    # Given a running job with a heartbeat
    stem = submitted(store, "urgent")
    running = claimed(store, stem).running
    store.layout.beat(running).touch()
    # When it ends
    finish_running(store, running, record_for(store, running, outcome, metrics={"a": {"acc": 1.0}}))
    # Then its file, under the bare KEY, is the whole record, and nothing else is left
    assert_state(store, stem.uuid, STATE_OF[outcome])
    record = record_of(store, stem.uuid)
    assert (record["outcome"], record["claim"]) == (outcome, str(running.claim))
    assert (record["priority"], record["metrics"]) == ("urgent", {"a": {"acc": 1.0}})
    path = store.layout.terminal(STATE_OF[outcome], stem.key)
    assert terminal_record(path) == record
    assert stat.S_IMODE(path.stat().st_mode) & 0o400
    assert os.listdir(store.layout.tmp) == os.listdir(store.layout.state(State.RUNNING)) == []


def test_the_record_is_on_disk_before_the_commit_and_the_commit_before_the_return(store):
    # Given a disk that tells its steps
    running = claimed(store, submitted(store)).running
    with observed(store, Steps()) as steps:
        finish_running(store, running, record_for(store, running))
    # When a job is finished
    renames = [path for step, path in steps.seen if step == "rename"]
    target = store.layout.terminal(State.COMPLETED, running.stem.key)
    # Then record, its directory, commit, record over it, and both directories, target first
    assert steps.names == [
        "create",
        "write",
        "fsync",
        "fsync",
        "rename",
        "rename",
        "fsync",
        "fsync",
        "unlink",
    ]
    assert steps.seen[3][1] == store.layout.tmp
    assert renames == [target, target]
    assert [path.name for step, path in steps.seen if step == "fsync"][-2:] == ["completed", "running"]


def test_who_has_lost_the_claim_writes_nothing(store):
    # Given a runner whose claim was taken over, and given back to the queue
    running = claimed(store, submitted(store)).running
    mine = adopt(store, running, "gpu1")
    # When he finishes, Then he is told, and neither the job nor the new owner notices
    with pytest.raises(ClaimLost):
        finish_running(store, running, record_for(store, running))
    assert_state(store, running.stem.uuid, State.RUNNING)
    assert os.listdir(store.layout.tmp) == []
    # When the new owner has finished, Then the late one changes nothing about that either
    finish_running(store, mine, record_for(store, mine, "exit"))
    with pytest.raises(ClaimLost):
        finish_running(store, running, record_for(store, running, "timed_out"))
    with pytest.raises(ClaimLost):
        finish_running(store, running, record_for(store, running, "succeeded"))
    assert_state(store, running.stem.uuid, State.FAILED)
    assert record_of(store, running.stem.uuid)["claim"] == str(mine.claim)
    assert os.listdir(store.layout.tmp) == []


def test_finishing_twice_is_finishing_once(store):
    # Given an owner who does not know whether his finish went through
    running = claimed(store, submitted(store)).running
    record = record_for(store, running)
    finish_running(store, running, record)
    # When he finishes again, Then the job is as it was
    finish_running(store, running, record)
    assert record_of(store, running.stem.uuid) == record
    assert os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("number", range(1, 10))
def test_a_disk_that_refuses_can_be_asked_again(store, number, code):
    # Given a disk that refuses one step of a finish
    running = claimed(store, submitted(store)).running
    record = record_for(store, running)
    with observed(store, Steps(number, refuse(code))), pytest.raises(OSError):
        finish_running(store, running, record)
    # When it has room again and the same finish is made, Then the job ends as it should have
    finish_running(store, running, record)
    assert_state(store, running.stem.uuid, State.COMPLETED)
    assert record_of(store, running.stem.uuid) == record
    assert os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize("renames", [1, 2])
@pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO])
def test_a_finish_whose_replies_were_lost_can_be_made_again(store, code, renames):
    # Given a server that renames and a client that reports errors
    running = claimed(store, submitted(store)).running
    record = record_for(store, running)
    store.disk = LostReplies(code, renames)
    # When the job is finished, and again after each error
    for _ in range(renames + 1):
        try:
            finish_running(store, running, record)
            break
        except OSError as error:
            assert error.errno == code
    # Then it has ended with its record, and the owner was never told that he had lost
    assert_state(store, running.stem.uuid, State.COMPLETED)
    assert record_of(store, running.stem.uuid) == record


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO])
def test_the_second_end_of_a_retried_job_survives_a_lost_reply(store, code):
    # Given a job that failed, was retried, and runs again: its file is the record of its first end
    stem = submitted(store)
    entry = ended(store, stem, "exit")
    again = claimed(store, retried(store, entry)).running
    # When it fails in another way, and the reply to the commit is lost
    record = record_for(store, again, "timed_out", attempt=2)
    store.disk = LostReplies(code)
    try:
        finish_running(store, again, record)
    except OSError as error:
        assert error.errno == code
        finish_running(store, again, record)
    # Then the owner is not taken for one who has lost, and the record is the new one
    assert record_of(store, stem.uuid)["outcome"] == "timed_out"


def test_a_record_of_the_deepest_request_is_still_a_record(store):
    # Given a request that is nested as deeply as a submission may be
    request: dict = {"a": 1}
    for _ in range(MAX_DEPTH - 1):
        request = {"a": request}
    running = claimed(store, submitted(store)).running
    # When its job has ended
    record = record_for(store, running, request=request)
    finish_running(store, running, record)
    # Then its record can be read, although it is one level deeper
    assert terminal_record(store.layout.terminal(State.COMPLETED, running.stem.key)) == record


def test_a_record_larger_than_a_job_file_is_still_a_record(store):
    # Given a record beyond the size of a submission, When the job has ended, Then it is read back
    running = claimed(store, submitted(store)).running
    record = record_for(store, running, request={"command": ["x" * (1 << 20)]}, error="e" * 100_000)
    finish_running(store, running, record)
    assert terminal_record(store.layout.terminal(State.COMPLETED, running.stem.key)) == record


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b'{"command": ["true"]}',
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b"\xff",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_was_submitted_is_no_record(store, content):
    # Given a terminal file that still holds what was submitted
    path = store.layout.terminal(State.FAILED, submitted(store).key)
    path.write_bytes(content)
    # When its record is asked for, Then there is none
    assert terminal_record(path) is None


@pytest.mark.parametrize("change", [{"status": "completed"}, {"job_id": "x"}, {"job_id": ""}, {"outcome": None}])
def test_a_record_is_one_of_that_job_in_that_state(store, change):
    # Given a terminal file with a record that is not its own
    entry = ended(store, submitted(store), "exit")
    path = store.layout.terminal(State.FAILED, entry.stem.key)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    # When it is read, Then it is none
    assert terminal_record(path) is None


def test_no_file_is_no_record(store):
    # Given no file, When its record is asked for, Then there is none
    assert terminal_record(store.layout.terminal(State.FAILED, submitted(store).key)) is None


class TestSetAside:
    """The end of what is no valid job."""

    @pytest.fixture
    def invalid(self, store):
        stem = submitted(store)
        store.layout.queued(stem).write_bytes(b"{ not json")
        running = claimed(store, stem).running
        return running, invalid_record(store, running, 7, "cannot run it")

    def test_the_original_is_kept_whole_and_the_record_says_where(self, store, invalid):
        # Given a claimed file that is no job
        running, record = invalid
        # When it is set aside
        set_aside(store, store.layout.running(running), running.stem, running, record)
        # Then its bytes are in its run folder, and its record in failed
        assert store.layout.run(running.stem.key).submitted(running.claim.nonce).read_bytes() == b"{ not json"
        assert_state(store, running.stem.uuid, State.FAILED)
        found = record_of(store, running.stem.uuid)
        assert (found["outcome"], found["submitted_by"]) == ("invalid", 7)
        assert f"submitted.{running.claim.nonce}" in found["error"]
        assert os.listdir(store.layout.tmp) == []

    def test_a_folder_is_moved_with_all_in_it(self, store):
        # Given a folder under a job's name, When it is set aside, Then what is in it is kept
        stem = submitted(store)
        store.layout.queued(stem).unlink()
        store.layout.queued(stem).mkdir()
        (store.layout.queued(stem) / "inside").write_text("1")
        running = claimed(store, stem).running
        set_aside(store, store.layout.running(running), stem, running, invalid_record(store, running, 7, "no"))
        assert (store.layout.run(stem.key).submitted(running.claim.nonce) / "inside").read_text() == "1"
        assert_state(store, stem.uuid, State.FAILED)

    def test_who_comes_too_late_writes_nothing(self, store, invalid):
        # Given a claim that was taken away
        running, record = invalid
        adopt(store, running, "gpu1")
        # When it is set aside, Then it is not
        with pytest.raises(ClaimLost):
            set_aside(store, store.layout.running(running), running.stem, running, record)
        assert_state(store, running.stem.uuid, State.RUNNING)
        assert os.listdir(store.layout.tmp) == []

    @pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO])
    def test_a_lost_reply_is_seen_through(self, store, invalid, code):
        # Given a server whose reply is lost, When a job is set aside, Then it has failed all the same
        running, record = invalid
        store.disk = LostReplies(code)
        set_aside(store, store.layout.running(running), running.stem, running, record)
        assert_state(store, running.stem.uuid, State.FAILED)

    def test_its_record_never_replaces_another(self, store, invalid):
        # Given a record of that KEY that is there already
        running, _record = invalid
        target = store.layout.terminal(State.FAILED, running.stem.key)
        target.write_text("mine")
        final = store.layout.final(str(running))
        final.write_text("other")
        # When another is published, Then the first stays; When there is none to publish, Then that is harmless
        publish_invalid(store, final, running.stem)
        assert target.read_text() == "mine"
        final.unlink()
        publish_invalid(store, final, running.stem)


def test_a_finish_never_replaces_anothers_file(store):
    # Given a terminal file of the same KEY that somebody has put there
    running = claimed(store, submitted(store)).running
    target = store.layout.terminal(State.COMPLETED, running.stem.key)
    target.write_text("mine")
    # When the job is finished
    record = record_for(store, running)
    finish_running(store, running, record)
    # Then its record is where it belongs, and the other file is kept in its run folder
    assert record_of(store, running.stem.uuid) == record
    assert store.layout.run(running.stem.key).displaced(running.claim.nonce).read_text() == "mine"
    assert os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_a_late_owner_never_moves_the_end_that_another_has_made_aside(store, monkeypatch, state):
    # Given a file system without RENAME_NOREPLACE, as NFS is, and an owner whose job another has taken over and ended
    monkeypatch.setattr(files, "_rename_noreplace", lambda _source, _target: False)
    attempt = opened(store, claimed(store, submitted(store)))
    mine = adopt(store, attempt.running, "gpu1")
    outcome = {"completed": "succeeded", "failed": "exit"}[state]
    conclude_as(store, replace(attempt, running=mine), outcome)
    record = record_of(store, mine.stem.uuid)
    # When the owner goes on, Then he is told, and the end stays
    with pytest.raises(ClaimLost):
        conclude_as(store, attempt, outcome)
    assert_state(store, mine.stem.uuid, state)
    assert record_of(store, mine.stem.uuid) == record
    assert os.listdir(store.layout.tmp) == []


def test_a_queued_job_is_finished_by_a_claim_of_its_own(store):
    # Given a queued job, as a cancel finds it
    stem = submitted(store)
    running = Running(stem, new_claim(store.host, "cancel"))
    # When it is finished out of the queue, Then it is cancelled
    finish(store, store.layout.queued(stem), running, record_for(store, running, "cancelled"))
    assert_state(store, stem.uuid, State.CANCELLED)
    assert record_of(store, stem.uuid)["outcome"] == "cancelled"


def test_a_whole_attempt_ends_in_a_whole_record(store):
    # Given an attempt, When its verdict is written, Then the record tells all of it
    attempt = opened(store, claimed(store, submitted(store)))
    conclude_as(store, attempt, "signal", facts={"signal": 9, "exit_code": None, "peak_memory_mib": 1.5})
    record = record_of(store, attempt.running.stem.uuid)
    assert (record["signal"], record["attempt"], record["worker"]) == (9, 1, "host-a.gpu0")
    assert (record["submitted_by"], record["max_attempts"], record["recipe"]) == (os.getuid(), 3, "command")
    assert Entry(State.FAILED, attempt.running.stem).stem.key in record["run_dir"]


@needs_root
def test_what_a_submitter_wrote_into_his_file_is_no_record(public_store):
    # Given a job whose file already says that it has completed, and a finish that is cut off between commit and record
    store, stem = public_store, submitted(public_store)
    path = store.layout.queued(stem)
    running = claimed(store, stem).running
    record = record_for(store, running)
    target = store.layout.terminal(State.COMPLETED, stem.key)
    store.layout.running(running).rename(target)
    target.write_text(json.dumps(record))
    assert path.name.endswith(target.name) and terminal_record(target) == record
    # When it is a stranger's file, Then nobody believes it, neither we nor another reader
    os.chown(target, NOBODY - 1, -1)
    assert terminal_record(target) is None
    assert without_rights(lambda: terminal_record(target)) == "ok: None"
    # and the owner of the spool is believed by everybody
    os.chown(target.parent, NOBODY - 1, -1)
    assert terminal_record(target) == record
    assert without_rights(lambda: terminal_record(target)["outcome"]) == "ok: succeeded"
