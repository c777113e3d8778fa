"""Remote workers: each job to one of them, and only he may say how it ended, whatever is killed."""

import collections
import contextlib
import errno
import os

import pytest

from spoolq import control, errands, history
from spoolq.create import create
from spoolq.errors import ClaimLost
from spoolq.find import find
from spoolq.jobqueue import Sweep
from spoolq.jobs import describe
from spoolq.models import JobInfo
from spoolq.people import cancel, retry
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import State
from spoolq.workers import MAX_ERROR, Workers
from tests.spooltest.crashes import recover
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.jobs import needed, say, submitted
from tests.spooltest.shelves import stocked
from tests.spooltest.trees import assert_state, places, record_of, running_file
from tests.spooltest.users import in_child

CUT = 9


@pytest.fixture
def workers(store):
    stocked(store)
    return Workers(store, say)


def shown(store, stem):
    record = describe(store, find(store, stem.uuid))
    assert set(record) == set(JobInfo.model_fields)
    JobInfo.model_validate(record)
    return record


def beat_of(store, stem):
    return store.layout.beat(find(store, stem.uuid).running)


def test_a_worker_gets_a_job_and_says_that_it_is_done(store, workers):
    # Given a job
    stem = needed(store, "a_1", "7", attempts_before=2)
    # When a worker asks, Then it gets it, and the record says who has it
    given = workers.take("ada-123-uuid")
    assert (given.job_id, given.payload, given.kind, given.attempt) == ("7", {"task": "t"}, "a_1", 3)
    record = shown(store, stem)
    assert (record["status"], record["worker"], record["attempt"]) == ("running", "ada-123-uuid", 3)
    assert record["started_at"] is not None and record["claim"].startswith("ada-123-uuid.worker.")
    # When it says that it is done, Then that is the record
    workers.done("7", "ada-123-uuid", {"score": 1}, {"t": {"acc": 0.5}})
    record = record_of(store, stem.uuid)
    assert (record["status"], record["outcome"], record["worker"]) == ("completed", "succeeded", "ada-123-uuid")
    assert (record["result"], record["metrics"]) == ({"score": 1}, {"t": {"acc": 0.5}})
    assert (record["attempt"], record["external_id"], record["resource_type"]) == (3, "7", "a_1")
    assert (record["recipe"], record["request"], record["error"]) == ("worker", {"task": "t"}, None)
    assert os.listdir(store.layout.state(State.RUNNING)) == []
    assert [event["event"] for event in history.events(store, stem.key)] == ["claimed", "finished"]
    # and there is nothing more
    assert workers.take("ada-123-uuid") is None


def test_done_without_a_result_is_done_all_the_same(store, workers):
    stem = needed(store)
    workers.take("w")
    workers.done(stem.uuid, "w", None, None)
    assert record_of(store, stem.uuid)["result"] == {}


def test_a_paused_queue_gives_nothing(store, workers):
    needed(store)
    control.pause(store, os.getuid())
    assert workers.take("w") is None
    control.resume(store)
    assert workers.take("w") is not None


def test_only_its_worker_may_speak_for_a_job(store, workers):
    # Given a job that a worker has, and another that waits
    stem, other = needed(store, job="7"), needed(store, job="8")
    workers.take("w")
    # When others speak for it, or he for another, or for none, Then nobody listens
    for job, worker in (("7", "v"), ("8", "w"), ("", "w"), ("nothing", "w"), (stem.uuid[:8], "w"), (other.uuid, "w")):
        assert workers.heartbeat(job, worker) is False
        for act in (lambda j, w: workers.done(j, w, None, None), lambda j, w: workers.fail(j, w, "no", None)):
            with pytest.raises(ClaimLost):
                act(job, worker)
    assert_state(store, stem.uuid, State.RUNNING)
    assert not beat_of(store, stem).exists()
    # When he does, by either id, Then they do
    assert workers.heartbeat("7", "w") and workers.heartbeat(stem.uuid, "w")
    workers.done("7", "w", None, None)
    with pytest.raises(ClaimLost):
        workers.done("7", "w", None, None)
    assert workers.heartbeat("7", "w") is False


@pytest.mark.parametrize("worker", ["", "a b", "ü/ñ", "w" * 500, "x@y.z", "\n", "localhost", "-", "a.worker.01234567"])
def test_a_worker_may_be_called_anything(store, workers, worker):
    # Given a worker of any name, When it works, Then under that very name
    stem = needed(store)
    assert workers.take(worker) is not None
    assert workers.heartbeat(stem.uuid, worker)
    assert not workers.heartbeat(stem.uuid, worker + "x")
    assert Workers(store, say).heartbeat_all(worker) == 1
    workers.done(stem.uuid, worker, None, None)
    assert record_of(store, stem.uuid)["worker"] == worker


def test_heartbeats_touch_what_a_worker_has(store, workers):
    # Given two jobs of one worker, one of another
    mine = [needed(store, job=str(n)) for n in range(2)]
    assert [workers.take("w").job_id for _ in range(2)] == ["0", "1"]
    theirs = needed(store, job="2")
    workers.take("v")
    # When it beats for one, Then for that one; for all, Then for both
    assert workers.heartbeat("0", "w")
    assert [beat_of(store, stem).exists() for stem in (*mine, theirs)] == [True, False, False]
    os.utime(beat_of(store, mine[0]), (1, 1))
    assert workers.heartbeat_all("w") == 2
    assert [beat_of(store, stem).exists() for stem in (*mine, theirs)] == [True, True, False]
    assert beat_of(store, mine[0]).stat().st_mtime > 1
    assert workers.heartbeat_all("nobody") == 0
    assert shown(store, mine[0])["heartbeat_at"] is not None


def test_two_jobs_of_one_id_are_two_jobs(store, workers):
    # Given two jobs of one id, both a worker's, and a third that waits
    first, second, third = (needed(store, job="7") for _ in range(3))
    workers.take("w")
    workers.take("w")
    # When it beats, Then for both; when it says done, Then each time for one, the older first
    assert workers.heartbeat("7", "w")
    held = [stem for stem in (first, second, third) if find(store, stem.uuid).state is State.RUNNING]
    assert all(beat_of(store, stem).exists() for stem in held) and len(held) == 2
    workers.done("7", "w", {"n": 1}, None)
    workers.done("7", "w", {"n": 2}, None)
    assert [record_of(store, stem.uuid)["result"]["n"] for stem in held] == [1, 2]
    with pytest.raises(ClaimLost):
        workers.done("7", "w", None, None)


def test_a_job_that_fails_ends_or_runs_again_as_its_policy_says(store, workers):
    # Given a job that may be tried twice after an exit, and one that may not
    again = needed(store, job="1", retry_on=["exit"], max_attempts=2, attempts_before=9)
    once = needed(store, job="2", priority="low")
    # When their worker says that they failed, Then the first waits again, and the second has ended
    assert workers.take("w").job_id == "1"
    assert workers.fail("1", "w", "no scores", 3) is State.QUEUED
    assert shown(store, again)["attempt"] == 10
    assert workers.take("w").attempt == 11
    assert workers.fail("1", "w", "no scores\x1b[2J", 3) is State.FAILED
    record = record_of(store, again.uuid)
    assert (record["outcome"], record["exit_code"], record["attempt"]) == ("exit", 3, 11)
    assert record["error"].startswith("no scores") and "\x1b" not in record["error"]
    workers.take("w")
    assert workers.fail("2", "w", "e" * 99_999, None) is State.FAILED
    assert len(record_of(store, once.uuid)["error"]) == MAX_ERROR
    # When a person retries it, Then a worker gets it again
    retry(store, find(store, once.uuid))
    assert workers.take("w").job_id == "2"


def test_a_cancel_of_a_workers_job_is_done_at_once_and_fences_it(store, workers):
    # Given a job that a worker has and has been heard of
    stem = needed(store, job="7", attempts_before=1)
    workers.take("w")
    workers.heartbeat("7", "w")
    beat = beat_of(store, stem)
    # When a person cancels it, Then it is cancelled, as what it was
    assert cancel(store, find(store, stem.uuid)) == "cancelled"
    record = record_of(store, stem.uuid)
    assert (record["status"], record["outcome"], record["worker"], record["attempt"]) == (
        "cancelled",
        "cancelled",
        "w",
        2,
    )
    assert record["started_at"] is not None and ".cancel." in record["claim"] and not beat.exists()
    # and its worker is told at his next word
    assert workers.heartbeat("7", "w") is False
    with pytest.raises(ClaimLost):
        workers.done("7", "w", None, None)
    assert history.events(store, stem.key)[-1]["outcome"] == "cancelled"
    # When it is retried, Then it goes to whoever asks
    retry(store, find(store, stem.uuid))
    assert workers.take("v").job_id == "7"
    assert workers.heartbeat("7", "w") is False


def test_a_members_cancel_of_a_workers_job_is_the_watchers_errand(store, workers):
    # Given a request to cancel a job that a worker has, as a member of a shared spool makes it
    stem = needed(store)
    workers.take("w")
    control.request(store, "cancel", stem.key)
    # When the watcher looks, Then it is done
    errands.turn(store, say)
    assert_state(store, stem.uuid, State.CANCELLED)
    assert control.read(store).asked == ()


def test_an_invalid_job_is_rejected_and_the_next_one_served(store, workers):
    # Given a job whose policy nobody can take, before a good one
    bad, good = needed(store, job="1", max_attempts="many"), needed(store, job="2")
    # When a worker asks, Then it gets the good one, and the other has ended as invalid
    assert workers.take("w").job_id == "2"
    assert record_of(store, bad.uuid)["outcome"] == "invalid"
    assert_state(store, good.uuid, State.RUNNING)


def test_what_came_under_a_known_name_and_is_no_workers_goes_back(store, workers, monkeypatch):
    # Given a queue that was read, in which one file is another by now
    stem = needed(store, job="1")
    assert workers.waiting() == {"a_1": 1}
    path = store.layout.queued(stem)
    path.write_text('{"command": ["true"]}')
    monkeypatch.setattr(workers.schedule, "_is_current", lambda _name: True)
    # When a worker asks, Then it gets nothing, and the job waits for a runner
    assert workers.take("w") is None
    assert_state(store, stem.uuid, State.QUEUED)
    assert history.attempts(history.events(store, stem.key)) == 0


def test_a_claim_that_was_taken_away_at_once_is_nobodys(store, workers, monkeypatch):
    # Given a server that was so slow with its line that a sweep gave the claim back
    stem = needed(store, job="1")
    record = history.record

    def slow(own, key, event, **facts):
        record(own, key, event, **facts)
        if event == "claimed":
            running_file(store, stem.uuid).rename(store.layout.queued(stem))

    monkeypatch.setattr(history, "record", slow)
    # When the worker asks, Then it is given nothing
    assert workers.take("w") is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_gives_the_job_to_nobody(store, workers, code):
    # Given a disk that refuses one of the calls of a claim
    stem = needed(store, job="1")
    with observed(store, Steps()) as steps:
        workers.take("w")
    store.disk.rename(running_file(store, stem.uuid), store.layout.queued(stem))
    for number in range(1, len(steps.seen) + 1):
        with observed(store, Steps(number, refuse(code))), contextlib.suppress(OSError):
            assert workers.take("w") is not None
            break  # what comes after the line is on disk cannot fail
        # Then somebody else gets it, once the claim that the disk kept, if any, is given back
        for path in store.layout.state(State.RUNNING).glob("*.json"):
            path.rename(store.layout.queued(stem))
        assert workers.take("v").job_id == "1"
        store.disk.rename(running_file(store, stem.uuid), store.layout.queued(stem))


def test_a_lost_reply_is_no_lost_end(store, workers):
    # Given a client that is told that the renames of its end were not done, although they were
    stem = needed(store)
    workers.take("w")
    store.disk = LostReplies(errno.ENOENT)
    workers.done(stem.uuid, "w", {"n": 1}, None)
    assert record_of(store, stem.uuid)["result"] == {"n": 1}


def given_to(store, worker):
    found = Workers(store, say).take(worker)
    assert found is not None
    return found


MOVES = {
    "take": (lambda store: None, lambda store: Workers(store, say).take("w"), {State.QUEUED, State.RUNNING}),
    "done": (
        lambda store: given_to(store, "w"),
        lambda store: Workers(store, say).done("7", "w", {"n": 1}, None),
        {State.RUNNING, State.COMPLETED},
    ),
    "fail": (
        lambda store: given_to(store, "w"),
        lambda store: Workers(store, say).fail("7", "w", "no", 1),
        {State.RUNNING, State.FAILED},
    ),
    "cancel": (
        lambda store: (given_to(store, "w"), Workers(store, say).heartbeat("7", "w")),
        lambda store: cancel(store, find(store, "last")),
        {State.RUNNING, State.CANCELLED},
    ),
    "heartbeat": (
        lambda store: given_to(store, "w"),
        lambda store: Workers(store, say).heartbeat("7", "w"),
        {State.RUNNING},
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_kill_at_any_step_loses_nothing(tmp_path, name):
    # Given a move of a worker's, or about its job
    before, act, after = MOVES[name]

    def fresh(folder):
        create(tmp_path / folder)
        store = Store(tmp_path / folder, host="host-a")
        stocked(store)
        stem = needed(store, job="7", max_attempts=5)
        before(store)
        return store, stem

    whole, _ = fresh("whole")
    with observed(whole, Steps()) as steps:
        act(whole)
    for number in range(1, len(steps.seen) + 1):
        store, stem = fresh(f"cut{number}")

        def run(at=number, root=store.root):
            own = Store(root, host="host-a")
            own.disk.step = Steps(at, lambda: os._exit(CUT))
            act(own)

        # When it is killed before one of its calls, and what a watcher does has been done
        assert in_child(run) == CUT
        recovered = recover(store.root)
        # Then the job is in one place, and what has ended has its record
        (states,) = places(recovered).values()
        assert len(states) == 1 and states[0] in after, (number, states)
        if states[0] not in (State.QUEUED, State.RUNNING):
            record_of(recovered, stem.uuid)
            continue
        if name != "take":
            # and whoever asks again gets the same answer
            act(recovered)
            continue
        # A claim of which nobody was told is given back, and the attempt is not burnt.
        if states[0] is State.RUNNING and history.last(history.events(store, stem.key), "claimed") is None:
            Sweep(Workers(recovered, say), 1.0).turn()
            assert_state(recovered, stem.uuid, State.QUEUED)
        if find(recovered, stem.uuid).state is State.QUEUED:
            assert Workers(recovered, say).take("v").attempt == 1


def test_every_job_goes_to_one_worker_whoever_asks_at_once(tmp_path, store):
    # Given jobs, an ordinary one among them, and servers that all ask for workers at once
    stocked(store, count=3)
    jobs = {str(number): needed(store, job=str(number)) for number in range(40)}
    plain = submitted(store)
    told = tmp_path / "told"
    told.touch()

    def play(number):
        own = Workers(Store(store.root, host="host-a", settings=Settings(durability="process")), say)
        with told.open("ab", buffering=0) as log:
            while (given := own.take(f"w{number}")) is not None:
                log.write(f"{given.job_id} w{number}\n".encode())
                own.heartbeat(given.job_id, f"w{number}")
                if int(given.job_id) % 2:
                    own.done(given.job_id, f"w{number}", None, None)

    pids = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                play(number)
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    # When all have been served
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    # Then each was given once, and is where its worker has brought it
    lines = [line.split() for line in told.read_text().splitlines()]
    assert collections.Counter(job for job, _ in lines) == collections.Counter(list(jobs))
    for job, worker in lines:
        state = State.COMPLETED if int(job) % 2 else State.RUNNING
        assert_state(store, jobs[job].uuid, state)
        assert shown(store, jobs[job])["worker"] == worker
    assert_state(store, plain.uuid, State.QUEUED)


def test_a_worker_that_ends_its_job_and_a_person_who_cancels_it_agree(tmp_path, store):
    # Given a job that its worker ends in the moment that a person cancels it, again and again
    stocked(store)
    seen = collections.Counter()
    for number in range(12):
        stem = needed(store, job=str(number))
        Workers(store, say).take("w")

        def end(job=str(number)):
            with contextlib.suppress(ClaimLost):
                Workers(Store(store.root), say).done(job, "w", None, None)
                os._exit(3)

        def stop(uuid=stem.uuid):
            with contextlib.suppress(Exception):
                cancel(Store(store.root), find(store, uuid))
                os._exit(4)

        pids = []
        for act in (end, stop):
            pid = os.fork()
            if pid == 0:
                try:
                    act()
                finally:
                    os._exit(0)
            pids.append(pid)
        codes = {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids}
        # Then one of them was first, the other was told so, and the record is the first one's
        status = record_of(store, stem.uuid)["status"]
        seen[status] += 1
        assert codes == ({0, 3} if status == "completed" else {0, 4})
    assert set(seen) <= {"completed", "cancelled"}


def test_a_child_whose_parent_failed_ends_and_is_given_to_nobody(store, workers):
    # Given a worker's job that comes after one that was cancelled
    stocked(store)
    parent = needed(store)
    cancel(store, find(store, parent.uuid))
    child = needed(store, after=[parent.uuid])
    # When a worker asks, Then there is nothing for it, and the child has ended
    assert workers.take("w") is None
    assert describe(store, find(store, child.uuid))["outcome"] == "dependency_failed"


def test_a_job_whose_gate_shut_as_it_was_claimed_goes_back_unburnt(store, workers, monkeypatch):
    # Given a job that waits for another, which nobody saw before the claim
    stocked(store)
    parent = submitted(store)
    child = needed(store, after=[parent.uuid])
    monkeypatch.setattr(workers.schedule, "_is_held", lambda name: False)
    # When a worker asks, Then it has nothing, and the job waits with all its attempts
    assert workers.take("w") is None
    assert find(store, child.uuid).state is State.QUEUED
    assert history.attempts(history.events(store, child.key)) == 0
    assert workers.on_offer() == 1


def test_nothing_is_on_offer_while_all_is_held(store, workers):
    stocked(store)
    needed(store, after=[submitted(store).uuid])
    assert workers.on_offer() == 0
    assert workers.waiting() == {"a_1": 1}


def test_a_failed_job_pauses_before_its_next_attempt(store, workers):
    # Given a job that may run twice, with a pause
    stocked(store)
    stem = needed(store, retry_on=["exit:7"], max_attempts=2, backoff=600)
    workers.take("w")
    # When its worker says that it failed with that code, Then it waits, and is not on offer
    assert workers.fail(stem.uuid, "w", "no", 7) is State.QUEUED
    assert "due" in history.events(store, stem.key)[-1]
    assert workers.take("w") is None
