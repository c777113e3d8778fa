"""Finishes that were killed half-way: published when their job waits for them, kept while somebody may need them."""

import contextlib
import json
import os
import time
from dataclasses import replace

import pytest

from spoolq.admit import invalid_record
from spoolq.claims import adopt, reclaim
from spoolq.errors import ClaimLost
from spoolq.finish import finish, set_aside, terminal_record
from spoolq.jobs import Entry, describe, finals
from spoolq.names import Running, new_claim
from spoolq.people import cancel, retry
from spoolq.replay import LITTER_AGE_S, is_old, replay, settle_recordless
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.faults import Steps, observed
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, retried, submitted
from tests.spooltest.trees import assert_state, places, record_of
from tests.spooltest.users import in_child


def killed_before(store: Store, path_part: str, act, nth: int = 1) -> None:
    """Do *act* in a process that is killed before its *nth* rename to a path that has *path_part* in it."""

    def run() -> None:
        renames = []

        def step(name, path):
            if name == "rename" and path_part in str(path):
                renames.append(path)
                if len(renames) == nth:
                    os._exit(9)

        own = Store(store.root, host=store.host)
        own.disk.step = step
        act(own)

    assert in_child(run) == 9


def later(store: Store) -> Store:
    """The same spool when all that lies in it now has lain there for longer than the age of litter."""
    aged = Store(store.root, host=store.host)
    now = aged.server_time
    aged.server_time = lambda: now() + LITTER_AGE_S + 60
    return aged


@pytest.fixture
def attempt(store):
    return opened(store, claimed(store, submitted(store)))


def test_a_clean_spool_has_nothing_to_replay(store):
    # Given a job that ended as it should, When it is replayed, Then nothing happens
    ended(store, submitted(store))
    assert replay(store) == 0


@pytest.mark.parametrize("outcome", ["succeeded", "exit", "cancelled"])
def test_a_record_left_by_a_killed_finish_is_published(store, attempt, outcome):
    # Given a runner that was killed between its commit and its record
    job = attempt.running.stem.uuid
    state = {"succeeded": State.COMPLETED, "exit": State.FAILED, "cancelled": State.CANCELLED}[outcome]
    killed_before(store, f"/{state}/", lambda own: conclude_as(own, attempt, outcome), nth=2)
    target = store.layout.terminal(state, attempt.running.stem.key)
    assert_state(store, job, state)
    assert terminal_record(target) is None
    # When somebody looks already, Then he is shown the record that waits
    assert describe(store, Entry(state, attempt.running.stem))["outcome"] == outcome
    # When it is replayed, Then it is in its place, and once more changes nothing
    assert replay(store) == 1
    assert record_of(store, job)["outcome"] == outcome
    assert replay(store) == 0
    assert os.listdir(store.layout.tmp) == []


def test_a_queued_job_whose_cancel_was_killed_is_published_too(store):
    # Given a cancel that was killed before its record, When it is replayed, Then the record is there
    stem = submitted(store)
    killed_before(store, "/cancelled/", lambda own: cancel(own, Entry(State.QUEUED, stem)), nth=2)
    assert replay(store) == 1
    assert record_of(store, stem.uuid)["outcome"] == "cancelled"


def test_the_second_end_of_a_retried_job_is_not_taken_for_its_first(store):
    # Given a job that failed and was retried: its file is the record of its first end
    stem = submitted(store)
    entry = ended(store, stem, "exit")
    again = opened(store, claimed(store, retried(store, entry)))
    # When it fails in another way, and the runner is killed between commit and record
    killed_before(store, "/failed/", lambda own: conclude_as(own, again, "timed_out"), nth=2)
    # Then neither whoever looks nor the replay takes the old record for the new end
    assert describe(store, entry)["outcome"] == "timed_out"
    assert replay(store) == 1
    assert record_of(store, stem.uuid)["outcome"] == "timed_out"
    assert record_of(store, stem.uuid)["attempt"] == 2


def test_a_record_that_stands_is_never_replaced_by_a_late_one(store, attempt):
    # Given a runner that was killed before its commit, and another that took the job over and ended it
    killed_before(store, "/completed/", lambda own: conclude_as(own, attempt, "succeeded"))
    mine = adopt(store, attempt.running, "gpu1")
    reclaim(store, mine, "lost", nonce=attempt.origin, attempt=1)
    ended(store, attempt.running.stem, "exit")
    assert len(finals(store)) == 1
    # When what the first one left is replayed, Then the second one's record stays, and the litter goes
    assert replay(store) == 0
    assert record_of(store, attempt.running.stem.uuid)["outcome"] == "exit"
    assert os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize("_time", range(6))  # a directory lists its files in any order
def test_of_two_that_failed_the_one_that_committed_is_published(store, attempt, _time):
    # Given a runner that was killed before its commit to failed
    job = attempt.running.stem.uuid
    killed_before(store, "/failed/", lambda own: conclude_as(own, attempt, "exit"))
    mine = adopt(store, attempt.running, "gpu1")
    reclaim(store, mine, "lost", nonce=attempt.origin, attempt=1)
    # and the next attempt's runner, which was killed between its commit to failed and its record
    second = opened(store, claimed(store, attempt.running.stem))
    killed_before(store, "/failed/", lambda own: conclude_as(own, second, "timed_out"), nth=2)
    # When both are there to be replayed, Then the record is that of the attempt that committed
    replay(store)
    replay(store)
    assert record_of(store, job)["outcome"] == "timed_out"
    assert record_of(store, job)["attempt"] == 2
    assert os.listdir(store.layout.tmp) == []


def test_a_late_owner_with_a_fast_clock_does_not_get_his_record_on_anothers_end(store, attempt):
    # Given an owner who judged his attempt, and was taken for dead: another has run the job again, and was killed
    # between its commit to failed and its record
    job = attempt.running.stem.uuid
    mine = adopt(store, attempt.running, "gpu1")
    reclaim(store, mine, "lost", nonce=attempt.origin, attempt=1)
    second = opened(store, claimed(store, attempt.running.stem))
    killed_before(store, "/failed/", lambda own: conclude_as(own, second, "timed_out"), nth=2)
    # When the owner goes on, on a host whose clock is a day ahead, and what both have left is looked at and replayed
    late = Store(store.root, host="host-b", clock=lambda: time.time() + 86400)
    with pytest.raises(ClaimLost):
        conclude_as(late, attempt, "exit")
    assert len(finals(store)) == 2
    assert describe(store, Entry(State.FAILED, attempt.running.stem))["outcome"] == "timed_out"
    replay(store)
    replay(store)
    # Then the record is that of the attempt that committed
    assert (record_of(store, job)["outcome"], record_of(store, job)["attempt"]) == ("timed_out", 2)
    assert os.listdir(store.layout.tmp) == []


def test_a_replay_that_is_overtaken_by_a_retry_makes_no_second_job(store, attempt):
    # Given an ended job, and a record that a late owner has left
    mine = adopt(store, attempt.running, "gpu1")
    conclude_as(store, replace(attempt, running=mine), "exit")
    final = store.layout.final(str(attempt.running))
    final.write_bytes(store.layout.terminal(State.FAILED, attempt.running.stem.key).read_bytes())
    # When the job goes back into the queue after a replay has listed the directories
    listed = store.names

    def names(state):
        found = listed(state)
        if state is State.CANCELLED:
            os.rename(store.layout.terminal(State.FAILED, mine.stem.key), store.layout.queued(mine.stem))  # noqa: PTH104
        return found

    store.names = names
    assert replay(store) == 0
    # Then it is in the queue, and nowhere else
    assert_state(store, mine.stem.uuid, State.QUEUED)


def test_a_standing_claims_record_belongs_to_its_owner(store, attempt):
    # Given a runner that was killed between writing its record and the commit
    killed_before(store, "/completed/", lambda own: conclude_as(own, attempt, "succeeded"))
    (left,) = os.listdir(store.layout.tmp)
    # When it is replayed, Then it is left for whoever recovers the claim, however old it is
    assert replay(later(store)) == 0
    assert os.listdir(store.layout.tmp) == [left]
    assert_state(store, attempt.running.stem.uuid, State.RUNNING)


def test_a_young_record_of_a_queued_job_may_have_a_living_writer(store):
    # Given a canceller that stands between his record and his rename
    stem = submitted(store)
    killed_before(store, "/cancelled/", lambda own: cancel(own, Entry(State.QUEUED, stem)))
    (left,) = os.listdir(store.layout.tmp)
    # When it is replayed, Then it stays, until it is so old that nobody can be writing
    assert replay(store) == 0 and os.listdir(store.layout.tmp) == [left]
    assert replay(later(store)) == 0 and os.listdir(store.layout.tmp) == []
    assert_state(store, stem.uuid, State.QUEUED)


def test_an_invalid_job_that_was_set_aside_gets_its_record(store):
    # Given an admission that was killed between moving the original and publishing its record
    stem = submitted(store)
    running = claimed(store, stem).running
    record = invalid_record(store, running, 7, "no")
    killed_before(store, "/failed/", lambda own: set_aside(own, own.layout.running(running), stem, running, record))
    assert places(store) == {}
    # When it is replayed, Then the job is where it should be
    assert replay(store) == 1
    assert record_of(store, stem.uuid)["outcome"] == "invalid"
    assert os.listdir(store.layout.tmp) == []


def test_a_rejection_that_moved_nothing_is_litter(store):
    # Given an admission that was killed before it moved the original
    stem = submitted(store)
    running = Running(stem, new_claim(store.host, "admit"))
    record = invalid_record(store, running, 7, "no")
    store.layout.queued(stem).rename(store.layout.drop("x.json"))
    killed_before(store, "/runs/", lambda own: set_aside(own, own.layout.drop("x.json"), stem, running, record))
    assert len(os.listdir(store.layout.tmp)) == 1
    # When it is replayed, Then nothing is published, and it goes when it is old
    assert replay(store) == 0 and places(store) == {}
    assert replay(later(store)) == 0 and os.listdir(store.layout.tmp) == []
    assert store.layout.drop("x.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_torn_record_is_never_published(store, attempt, content):
    # Given a record that a power cut has torn, of a job that has ended and of one that is nowhere
    ended_job = ended(store, submitted(store))
    for stem in (ended_job.stem, attempt.running.stem.with_priority("low")):
        final = store.layout.final(str(Running(stem, new_claim("host-b", "gpu0"))))
        final.write_bytes(content)
    # When it is replayed, Then nothing is published or lost
    assert replay(store) == 0
    assert record_of(store, ended_job.stem.uuid)["outcome"] == "succeeded"
    assert_state(store, attempt.running.stem.uuid, State.RUNNING)


def test_other_files_in_tmp_are_not_its_business(store):
    # Given old files of other kinds, When it is replayed, Then they stay
    for name in ("x.submit", "x.final", ".final", "notes.txt"):
        store.layout.temporary(name).write_text("{}")
    assert replay(later(store)) == 0
    assert len(os.listdir(store.layout.tmp)) == 4


def finish_with(store, attempt, at_the_record) -> dict:
    """Finish an attempt without the lock, as a runner that cannot have it; *at_the_record* happens just before that."""
    record = {
        **describe(store, Entry(State.RUNNING, attempt.running.stem, attempt.running.claim)),
        "status": "failed",
        "outcome": "exit",
        "completed_at": store.now(),
    }
    store.locked = lambda **_options: contextlib.nullcontext()
    renames = Steps()

    def step(name, path):
        renames(name, path)
        if name == "rename" and renames.names.count("rename") == 2:
            at_the_record(Store(store.root, host="host-b"))

    store.disk.step = step
    finish(store, store.layout.running(attempt.running), attempt.running, record)
    return record


def test_a_sweep_that_is_faster_than_the_owner_is_harmless(store, attempt):
    # Given an owner between his commit and his record, and a sweep that publishes it for him
    record = finish_with(store, attempt, replay)
    # When the owner goes on, Then the record is there, whole
    assert record_of(store, attempt.running.stem.uuid) == record
    assert os.listdir(store.layout.tmp) == []


def test_an_owner_who_is_overtaken_by_a_retry_does_not_bring_the_job_back(store, attempt):
    # Given an owner between his commit and his record, a sweep that publishes it, and a person who retries
    entry = Entry(State.FAILED, attempt.running.stem)
    finish_with(store, attempt, lambda other: (replay(other), retry(other, entry)))
    # When the owner goes on, Then the job is where the retry put it, and nowhere else
    assert_state(store, attempt.running.stem.uuid, State.QUEUED)
    assert os.listdir(store.layout.tmp) == []


def test_an_owner_who_is_overtaken_by_the_next_end_leaves_that(store, attempt):
    # Given the same, and that the job has run again and failed in another way, all before the owner goes on
    entry = Entry(State.FAILED, attempt.running.stem)

    def run_again(other) -> None:
        replay(other)
        ended(other, retried(other, entry), "timed_out")

    finish_with(store, attempt, run_again)
    # When he does, Then the record is that of the second end
    assert record_of(store, attempt.running.stem.uuid)["outcome"] == "timed_out"
    assert os.listdir(store.layout.tmp) == []


def test_age_is_judged_by_the_file_servers_clock_since_the_file_came(spool_path):
    # Given a host whose clock is ten years ahead, and a file of last year that was moved in just now
    store = Store(spool_path, host="host-a", clock=lambda: time.time() + 3e8)
    path = store.layout.temporary("x.pruned")
    (spool_path / "old").mkdir()
    os.utime(spool_path / "old", (time.time() - 3e7, time.time() - 3e7))
    (spool_path / "old").rename(path)
    # When its age is asked for, Then it is young; When it has lain there for an hour, Then it is old
    assert not is_old(store, path.name)
    assert is_old(later(store), path.name)
    assert not is_old(store, "none.submit")
    # and asking leaves nothing behind
    assert os.listdir(store.layout.tmp) == [path.name]


def test_nothing_is_written_when_nothing_waits(store):
    # Given nothing in .tmp, When it is replayed, Then the disk is not touched
    with observed(store, Steps()) as steps:
        replay(store)
    assert steps.seen == []


@pytest.fixture
def by_hand(store) -> Entry:
    """A queued job that somebody has moved to ``cancelled/`` with `mv`."""
    stem = submitted(store)
    store.layout.queued(stem).rename(store.layout.terminal(State.CANCELLED, stem.key))
    return Entry(State.CANCELLED, stem)


def test_a_file_moved_by_hand_gets_a_record_when_it_has_lain_for_an_hour(store, by_hand):
    # Given a young one, When it is settled, Then nothing happens: its end may be on the way
    assert settle_recordless(store, by_hand) is None
    # When it is old, Then its record says what was done
    record = settle_recordless(later(store), by_hand)
    assert record == record_of(store, by_hand.stem.uuid) and record["outcome"] == "cancelled"
    assert os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize(
    "content", [b"{", b'{"status": "failed", "outcome": "exit"}'], ids=["torn", "of another state"]
)
def test_an_old_final_that_can_be_no_record_of_it_keeps_nobody_from_settling(store, by_hand, content):
    # Given that file, and a `.final` of its job that nobody can publish
    store.layout.final(str(Running(by_hand.stem, new_claim("host-b", "gpu0")))).write_bytes(content)
    # When it is young, Then its writer may live
    aged = later(store)
    aged.server_time = lambda: time.time() + LITTER_AGE_S - 5
    assert settle_recordless(aged, by_hand) is None
    # When it is old, Then the job gets its record, and the next replay takes the `.final` away
    assert settle_recordless(later(store), by_hand) is not None
    replay(store)
    assert record_of(store, by_hand.stem.uuid)["outcome"] == "cancelled" and os.listdir(store.layout.tmp) == []


def test_an_old_final_that_is_its_record_is_left_to_the_replay(store, by_hand):
    # Given that file, and the `.final` of the cancel that moved it
    final = store.layout.final(str(Running(by_hand.stem, new_claim("host-b", "cancel"))))
    shown = describe(store, by_hand)
    final.write_text(json.dumps({**shown, "outcome": "cancelled", "completed_at": store.now(), "error": "by me"}))
    # When it is settled, Then it is not overwritten; When it is replayed, Then it is published
    assert settle_recordless(later(store), by_hand) is None
    assert replay(store) == 1 and record_of(store, by_hand.stem.uuid)["error"] == "by me"


@pytest.mark.parametrize("gone_on", [False, True], ids=["settled", "settled and retried"])
def test_of_two_that_settle_one_file_the_later_does_nothing(store, by_hand, gone_on):
    # Given one who is about to write his record, when another has settled the file, and perhaps a person has retried it
    slow, faster = later(store), []

    def step(_name, path):
        if path.suffix == ".final" and not faster:
            faster.append(settle_recordless(later(Store(store.root, host="host-b")), by_hand))
            if gone_on:
                retry(store, by_hand)

    slow.disk.step = step
    # When he goes on, Then nothing comes of it: the job is where the others have put it, and nowhere else
    assert settle_recordless(slow, by_hand) is None and faster[0] is not None
    assert_state(store, by_hand.stem.uuid, State.QUEUED if gone_on else State.CANCELLED)
    assert gone_on or record_of(store, by_hand.stem.uuid) == faster[0]
    assert os.listdir(store.layout.tmp) == []
