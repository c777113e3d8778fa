"""What people do to jobs: cancel, retry, a new priority; what is refused, and with which words."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from spoolq import control, history, requests
from spoolq.admit import Admission
from spoolq.claims import claim
from spoolq.errors import ClaimLost, LockTimeout, NotAllowed, SpoolUnusable
from spoolq.find import find
from spoolq.jobs import Entry, describe
from spoolq.lock import held
from spoolq.people import cancel, prioritise, retry
from spoolq.replay import replay
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.jobs import STATE_OF, claimed, conclude_as, ended, opened, submitted
from tests.spooltest.trees import assert_state, queue, record_of
from tests.spooltest.users import NOBODY, close, in_child, needs_root, without_rights


def queued(store, priority: str = "normal", **policy) -> Entry:
    return Entry(State.QUEUED, submitted(store, priority, **policy))


class TestCancel:
    def test_a_queued_job_is_cancelled_at_once(self, store):
        # Given a queued job with a policy
        entry = queued(store, "high", timeout=60, max_attempts=2)
        # When it is cancelled
        assert cancel(store, entry) == "cancelled"
        # Then it has ended, and its record keeps what a retry needs
        assert_state(store, entry.stem.uuid, State.CANCELLED)
        record = record_of(store, entry.stem.uuid)
        assert (record["outcome"], record["status"], record["priority"]) == ("cancelled", "cancelled", "high")
        assert (record["request"], record["timeout"], record["max_attempts"]) == ({"command": ["true"]}, 60, 2)
        assert (record["attempt"], record["position_in_queue"], record["submitted_by"]) == (0, None, os.getuid())
        assert os.listdir(store.layout.tmp) == []

    def test_a_running_job_is_asked_to_stop(self, store):
        # Given a running job
        taken = claimed(store, submitted(store))
        entry = find(store, taken.running.stem.uuid)
        # When it is cancelled, Then its runner is asked, and the job itself is not touched
        assert cancel(store, entry) == "requested"
        assert control.read(store).cancels(entry.stem.key, None)
        assert_state(store, entry.stem.uuid, State.RUNNING)
        # and asking again is harmless
        assert cancel(store, entry) == "requested"

    @pytest.mark.parametrize("outcome", ["succeeded", "exit", "cancelled"])
    def test_an_ended_job_cannot_be_cancelled(self, store, outcome):
        # Given an ended job, When it is cancelled, Then that is refused, and its record stays
        entry = ended(store, submitted(store), outcome)
        with pytest.raises(NotAllowed, match=f"it is {entry.state}"):
            cancel(store, entry)
        assert record_of(store, entry.stem.uuid)["outcome"] == outcome

    def test_a_job_that_is_claimed_meanwhile_is_not_lost(self, store):
        # Given a job that a runner claims just before the cancel's commit
        entry = queued(store)
        other = Store(store.root, host="host-b")
        with observed(store, Steps()) as steps:
            cancel(store, queued(store))
        commit = steps.names.index("rename") + 1
        store.locked = lambda **_kwargs: _no_lock()
        with observed(store, Steps(commit, lambda: claim(other, entry.stem, "gpu0"))), pytest.raises(ClaimLost):
            # When it is cancelled, Then the caller is told to look again, and the runner has it
            cancel(store, entry)
        assert_state(store, entry.stem.uuid, State.RUNNING)
        assert os.listdir(store.layout.tmp) == []

    def test_a_job_that_is_gone_already_says_so(self, store):
        # Given a listing that is out of date, When the job is cancelled, Then the caller is told to look again
        entry = queued(store)
        claimed(store, entry.stem)
        with pytest.raises(ClaimLost):
            cancel(store, entry)

    def test_a_spool_whose_lock_is_held_is_tried_again_later(self, spool_path):
        # Given somebody who holds the lock
        store = Store(spool_path, host="host-a", settings=Settings(lock_timeout=0.0))
        entry = queued(store)
        with held(store.layout.lock, 1), pytest.raises(LockTimeout):
            # When a person cancels, Then he is told, and the job is as it was
            cancel(store, entry)
        assert_state(store, entry.stem.uuid, State.QUEUED)

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
    def test_a_full_disk_is_said_to_be_one(self, store, code):
        # Given a disk that refuses the record, When a job is cancelled, Then the error says why, and it is as it was
        entry = queued(store)
        with observed(store, Steps(2, refuse(code))), pytest.raises(SpoolUnusable) as caught:
            cancel(store, entry)
        assert os.strerror(code) in str(caught.value) and entry.stem.uuid in str(caught.value)
        assert_state(store, entry.stem.uuid, State.QUEUED)

    @pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO])
    def test_a_lost_reply_leaves_no_job_without_its_record(self, store, code):
        # Given a server that moves the job while its client reports an error
        entry = queued(store)
        store.disk = LostReplies(code)
        # When it is cancelled, Then it is cancelled, and its record is there after a sweep, whatever the caller is told
        with contextlib.suppress(ClaimLost):
            cancel(store, entry)
        replay(store)
        assert_state(store, entry.stem.uuid, State.CANCELLED)
        assert record_of(store, entry.stem.uuid)["outcome"] == "cancelled"

    def test_who_may_not_write_is_told_whom_to_ask(self, public_store):
        # Given a spool of another user's, When his job is cancelled, Then the error says whom to ask
        entry = queued(public_store)
        close(public_store.root)
        said = without_rights(lambda: cancel(public_store, entry))
        assert said.startswith("NotAllowed: cannot cancel job") and "Ask" in said
        assert_state(public_store, entry.stem.uuid, State.QUEUED)


def _no_lock():
    import contextlib

    return contextlib.nullcontext()


class TestRetry:
    @pytest.mark.parametrize("outcome", [outcome for outcome in STATE_OF if outcome != "succeeded"])
    def test_an_ended_job_goes_back_to_its_old_place(self, store, outcome):
        # Given a job that did not complete, submitted before another
        stem = submitted(store, "high", timeout=60)
        ended(store, stem, outcome)
        later = submitted(store, "high")
        record = record_of(store, stem.uuid)
        # When it is retried
        assert retry(store, find(store, stem.uuid)) == "queued"
        # Then it is queued before the other, at its priority, and what it was asked to do is unchanged
        assert queue(store) == [stem.uuid, later.uuid]
        job = requests.read(store.layout.queued(stem).read_bytes(), os.getuid(), store.settings)
        assert (job.request, job.timeout, job.recipe.name) == (record["request"], 60, "command")

    def test_a_cancelled_job_that_never_ran_can_be_retried(self, store):
        # Given a job that was cancelled in the queue, When it is retried, Then it is where it was
        entry = queued(store, "low")
        cancel(store, entry)
        retry(store, find(store, entry.stem.uuid))
        assert find(store, entry.stem.uuid) == entry

    def test_a_retry_forgives_the_attempts_before_it(self, store):
        # Given a job that has used all of its attempts
        entry = ended(store, submitted(store, max_attempts=1), "lost")
        # When it is retried and claimed, Then it is its second attempt, and the first since it was asked for
        retry(store, entry)
        attempt = opened(store, claimed(store, find(store, entry.stem.uuid).stem))
        past = history.events(store, entry.stem.key)
        assert attempt.number == 2
        assert history.attempts(history.since_retry(past)) == 1
        # and its end replaces the first record
        conclude_as(store, attempt, "timed_out")
        record = record_of(store, entry.stem.uuid)
        assert (record["outcome"], record["attempt"]) == ("timed_out", 2)

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.COMPLETED])
    def test_only_failed_and_cancelled_jobs_can_be_retried(self, store, state):
        # Given a job in another state, When it is retried, Then that is refused, and it stays
        stem = submitted(store)
        if state is State.RUNNING:
            claimed(store, stem)
        elif state is State.COMPLETED:
            ended(store, stem)
        with pytest.raises(NotAllowed, match=f"cannot retry job {stem.uuid}: it is {state}"):
            retry(store, find(store, stem.uuid))
        assert_state(store, stem.uuid, state)

    def test_what_never_was_a_job_cannot_be_retried(self, store):
        # Given a drop that was rejected
        store.layout.drop("job.json").write_text('{"command": []}')
        Admission(store, lambda document, uid: requests.accept(document, uid, store.settings)).turn()
        entry = find(store, "job.json")
        # When it is retried, Then the error says what is wrong with it
        with pytest.raises(NotAllowed, match=r"no valid request \(cannot take 'job.json': field `command`"):
            retry(store, entry)
        assert_state(store, entry.stem.uuid, State.FAILED)

    def test_an_end_that_is_being_written_comes_first(self, store):
        # Given a failed job whose record is not there, nor on its way
        stem = submitted(store)
        store.layout.queued(stem).rename(store.layout.terminal(State.FAILED, stem.key))
        # When it is retried, Then it is refused for now
        with pytest.raises(NotAllowed, match="its end is being written"):
            retry(store, find(store, stem.uuid))

    def test_an_end_that_was_cut_short_is_written_first(self, store):
        # Given a runner that was killed between moving the job and writing its record
        attempt = opened(store, claimed(store, submitted(store, timeout=60)))
        stem = attempt.running.stem

        killed = Store(store.root, host="host-a")

        def die_at_the_record() -> None:
            renames = Steps()

            def step(name: str, path: Path) -> None:
                renames(name, path)
                if renames.names.count("rename") == 2:
                    os._exit(9)

            killed.disk.step = step
            conclude_as(killed, attempt, "timed_out")

        assert in_child(die_at_the_record) == 9
        assert os.listdir(store.layout.tmp) != []
        # When the job is retried, Then it is, with the record of that end, and the attempt that it was
        retry(store, find(store, stem.uuid))
        assert_state(store, stem.uuid, State.QUEUED)
        assert describe(store, find(store, stem.uuid))["timeout"] == 60
        assert os.listdir(store.layout.tmp) == []

    def test_another_job_of_its_name_is_never_replaced(self, store):
        # Given a failed job, and a file that was dropped under its name
        entry = ended(store, submitted(store), "exit")
        store.layout.queued(entry.stem).write_text("other")
        with pytest.raises(NotAllowed, match="there is another of that name"):
            retry(store, entry)
        assert store.layout.queued(entry.stem).read_text() == "other"

    def test_a_job_that_is_gone_says_so(self, store):
        # Given a job that was retried already, When it is retried by an old listing, Then that is refused
        entry = ended(store, submitted(store), "exit")
        retry(store, entry)
        with pytest.raises((ClaimLost, NotAllowed)):
            retry(store, entry)

    def test_a_cancel_that_came_too_late_does_not_stop_the_retry(self, store):
        # Given a job that ended while somebody asked for its cancel
        entry = ended(store, submitted(store), "exit")
        control.request(store, "cancel", entry.stem.key)
        # When it is retried, Then nobody wants it cancelled any more
        retry(store, entry)
        assert not control.read(store).cancels(entry.stem.key, os.getuid())

    @needs_root
    def test_a_retried_job_stays_its_submitters(self, store):
        # Given a job of another user, whose record is the runner's file
        stem = submitted(store)
        os.chown(store.layout.queued(stem), NOBODY, -1)
        cancel(store, Entry(State.QUEUED, stem))
        assert record_of(store, stem.uuid)["submitted_by"] == NOBODY
        # When it is retried, Then it is shown, and judged, as his
        retry(store, find(store, stem.uuid))
        assert describe(store, find(store, stem.uuid))["submitted_by"] == NOBODY
        # and also when it is cancelled and retried again
        cancel(store, find(store, stem.uuid))
        assert record_of(store, stem.uuid)["submitted_by"] == NOBODY

    @needs_root
    def test_a_claimed_retry_is_shown_as_its_submitters(self, store):
        # Given another user's job that is retried and claimed, When it is described, Then it is his
        stem = submitted(store)
        os.chown(store.layout.queued(stem), NOBODY, -1)
        cancel(store, Entry(State.QUEUED, stem))
        retry(store, find(store, stem.uuid))
        claimed(store, stem)
        assert describe(store, find(store, stem.uuid))["submitted_by"] == NOBODY

    def test_a_retry_is_on_disk_when_it_returns(self, store):
        # Given a disk that tells its steps, When a job is retried, Then both directories are synced after the rename
        entry = ended(store, submitted(store), "exit")
        with observed(store, Steps()) as steps:
            retry(store, entry)
        rename = steps.names.index("rename")
        assert [path.name for _, path in steps.seen[rename + 1 :]] == ["queued", "failed"]
        assert set(steps.names[rename + 1 :]) == {"fsync"}


class TestPrioritise:
    @pytest.mark.parametrize("level", ["urgent", "high", "normal", "low"])
    def test_a_new_priority_is_a_new_place(self, store, level):
        # Given a queue of four priorities, and one more
        others = {name: submitted(store, name) for name in ("urgent", "high", "normal", "low")}
        entry = queued(store)
        before = store.layout.queued(entry.stem).read_bytes()
        # When it gets a priority
        stem = prioritise(store, entry, level)
        # Then it stands behind all of that level, under the same KEY, byte for byte as it was
        assert (stem.priority, stem.key) == (level, entry.stem.key)
        assert store.layout.queued(stem).read_bytes() == before
        order = queue(store)
        assert order[order.index(stem.uuid) - 1] == others[level].uuid
        assert_state(store, stem.uuid, State.QUEUED)

    def test_the_same_priority_moves_nothing(self, store):
        # Given a job of a priority, When it is given that one, Then the disk is not touched
        entry = queued(store, "high")
        with observed(store, Steps()) as steps:
            assert prioritise(store, entry, "high") == entry.stem
        assert steps.seen == []

    def test_a_level_that_does_not_exist_names_those_that_do(self, store):
        # Given a queued job, When it is given no level, Then the error lists them
        entry = queued(store)
        with pytest.raises(NotAllowed, match="Known are urgent, high, normal, low"):
            prioritise(store, entry, "soon")

    @pytest.mark.parametrize("outcome", [None, "succeeded", "exit", "cancelled"])
    def test_only_a_queued_job_has_a_place_to_change(self, store, outcome):
        # Given a job that runs or has ended, When it is given a priority, Then that is refused
        stem = submitted(store)
        if outcome is None:
            claimed(store, stem)
        else:
            ended(store, stem, outcome)
        with pytest.raises(NotAllowed, match="Only queued jobs have a place"):
            prioritise(store, find(store, stem.uuid), "high")

    def test_a_job_that_is_claimed_meanwhile_says_so(self, store):
        # Given a listing that is out of date, When the job is given a priority, Then the caller is told to look again
        entry = queued(store)
        claimed(store, entry.stem)
        with pytest.raises(ClaimLost):
            prioritise(store, entry, "high")
        assert_state(store, entry.stem.uuid, State.RUNNING)

    def test_a_priority_lasts_through_a_run_and_a_retry(self, store):
        # Given a job that was made urgent, and failed
        entry = queued(store, "low")
        stem = prioritise(store, entry, "urgent")
        failed = ended(store, stem, "exit")
        assert record_of(store, stem.uuid)["priority"] == "urgent"
        # When it is retried, Then it is urgent again
        retry(store, failed)
        assert find(store, stem.uuid) == Entry(State.QUEUED, stem)
