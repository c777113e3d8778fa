"""Claim, requeue, reclaim, adopt: into and out of `running/`, with one winner whatever a rename returned."""

import errno
import os

import pytest

from spoolq import history
from spoolq.claims import MAX_CLAIMED, adopt, back, claim, read_claimed, reclaim, requeue, stands
from spoolq.documents import MAX_BYTES
from spoolq.errors import ClaimLost
from spoolq.lock import held
from spoolq.names import Running, is_drop, new_claim, new_stem, parse_running
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import State
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.jobs import REQUEST, claimed, ended, submitted
from tests.spooltest.trees import assert_state, places, queue, running_file
from tests.spooltest.users import NOBODY, needs_root


def put(store, data: bytes = b'{"command": ["true"]}'):
    """A file that was dropped under a STEM of its own."""
    stem = new_stem(store.next_stamp())
    store.layout.queued(stem).write_bytes(data)
    return stem


def test_a_claim_moves_the_file_and_reads_it_once(store):
    # Given a queued job with its own spacing
    stem = put(store, b'{ "command":  ["true"] }')
    # When it is claimed
    taken = claim(store, stem, "gpu0")
    # Then the file stands in running under host, slot and a nonce, byte for byte as it was
    assert (taken.running.stem, taken.running.claim.worker) == (stem, "host-a.gpu0")
    assert (taken.data, taken.uid, taken.fault) == (b'{ "command":  ["true"] }', os.getuid(), None)
    assert store.layout.running(taken.running).read_bytes() == taken.data
    assert_state(store, stem.uuid, State.RUNNING)
    assert stands(store, taken.running)


def test_a_claim_is_on_disk_before_it_is_used(store):
    # Given a disk that tells its steps, When a job is claimed
    stem = submitted(store)
    with observed(store, Steps()) as steps:
        claimed(store, stem)
    # Then the rename is durable in both directories: a power cut does not queue the job again
    assert steps.names == ["rename", "fsync", "fsync"]
    assert {path.name for _, path in steps.seen[1:]} == {"running", "queued"}


def test_a_job_that_is_gone_is_nobodys(store):
    # Given a job that another runner has claimed
    stem = submitted(store)
    claimed(store, stem)
    # When it is claimed again, Then that is no error
    assert claim(store, stem, "gpu1") is None
    assert_state(store, stem.uuid, State.RUNNING)


def test_of_many_runners_exactly_one_gets_a_job(store):
    # Given five jobs and six processes that claim all of them
    stems = [submitted(store) for _ in range(5)]
    gate_out, gate_in = os.pipe()
    children = []
    for number in range(6):
        pid = os.fork()
        if pid == 0:
            os.close(gate_in)
            own = Store(store.root, host=f"host-{number}")
            os.read(gate_out, 1)
            os._exit(sum(claim(own, stem, "gpu0") is not None for stem in stems))
        children.append(pid)
    os.close(gate_in)
    os.close(gate_out)
    won = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    # When all have tried, Then every job was claimed once
    assert sum(won) == 5
    assert all(places(store)[stem.uuid] == [State.RUNNING] for stem in stems)


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ESTALE, errno.EIO])
def test_a_claim_whose_reply_was_lost_is_won_all_the_same(store, code):
    # Given a server that does the rename and a client that reports an error
    stem = submitted(store)
    store.disk = LostReplies(code)
    # When the job is claimed, Then the listing tells that it is ours
    taken = claim(store, stem, "gpu0")
    assert taken is not None and taken.data
    assert_state(store, stem.uuid, State.RUNNING)


def test_a_disk_that_refuses_leaves_the_job_queued(store):
    # Given a disk that refuses the rename, When a job is claimed, Then it stays where it is
    stem = submitted(store)
    with observed(store, Steps(1, refuse(errno.EIO))), pytest.raises(OSError):
        claim(store, stem, "gpu0")
    assert_state(store, stem.uuid, State.QUEUED)


def test_a_runner_goes_on_without_a_lock_that_it_cannot_have(spool_path):
    # Given somebody who holds the spool's lock for ever
    store = Store(spool_path, host="host-a", settings=Settings(lock_timeout=0.0))
    stem = submitted(store)
    said = []
    with held(store.layout.lock, 1):
        # When a runner claims, Then it says so and has the job
        assert claim(store, stem, "gpu0", said.append) is not None
    assert len(said) == 1 and said[0].startswith("going on without the lock: cannot lock")


def test_what_is_no_regular_file_is_claimed_with_its_fault(store):
    # Given entries of every kind under a job's name
    def make(kind):
        stem = new_stem(store.next_stamp())
        path = store.layout.queued(stem)
        if kind == "directory":
            path.mkdir()
            (path / "x").write_text("1")
        elif kind == "symbolic link":
            path.symlink_to("/etc/passwd")
        else:
            os.mkfifo(path)
        return stem

    for kind in ("directory", "symbolic link", "FIFO"):
        # When it is claimed, Then nothing was read or followed, and the fault says what it is
        taken = claim(store, make(kind), "gpu0")
        assert (taken.data, taken.fault) == (b"", f"it is a {kind}, not a regular file")


def test_a_file_beyond_the_limit_is_claimed_with_its_fault(store):
    # Given files around the limit, which is above that of a submission: a retried record holds more than its request
    assert MAX_CLAIMED > MAX_BYTES
    taken = claim(store, put(store, b"x" * (MAX_CLAIMED + 1)), "gpu0")
    # When they are claimed, Then only what is beyond it has a fault
    assert (taken.data, taken.fault) == (b"", f"it is larger than {MAX_CLAIMED} bytes")
    assert claim(store, put(store, b"x" * MAX_CLAIMED), "gpu0").fault is None


@needs_root
def test_the_owner_of_the_file_is_the_submitter(store):
    # Given a file of another user, When it is claimed, Then he is who asked
    stem = put(store)
    os.chown(store.layout.queued(stem), NOBODY, -1)
    assert claim(store, stem, "gpu0").uid == NOBODY


@pytest.mark.parametrize("outcome", ["succeeded", "exit", "cancelled"])
def test_a_second_job_of_an_ended_ones_name_is_a_fault(store, outcome):
    # Given a file dropped under the name of a job that has ended
    entry = ended(store, submitted(store), outcome)
    publish_again = store.layout.queued(entry.stem)
    publish_again.write_bytes(b'{"command": ["true"]}')
    # When it is claimed, Then it is not taken for that job
    taken = claim(store, entry.stem, "gpu0")
    assert taken.fault == f"there is a job of that name in {entry.state} already; submit it under a name of its own"


def test_a_second_job_of_a_running_ones_name_is_a_fault(store):
    # Given a running job, and a copy of its file in queued at another priority
    taken = claimed(store, submitted(store))
    copy = taken.running.stem.with_priority("low")
    store.layout.queued(copy).write_bytes(taken.data)
    # When the copy is claimed, Then it is told apart, and the first one is not disturbed
    assert "running already" in claim(store, copy, "gpu1").fault
    assert store.layout.running(taken.running).read_bytes() == taken.data


def test_reading_a_claim_that_was_taken_away(store):
    # Given a claim whose file is gone, When it is read, Then the owner is told that he has lost it
    taken = claimed(store, submitted(store))
    running_file(store, taken.running.stem.uuid).unlink()
    with pytest.raises(ClaimLost):
        read_claimed(store, taken.running)


@pytest.mark.parametrize("started", [False, True])
def test_a_requeued_job_is_where_it_was_byte_for_byte(store, started):
    # Given three queued jobs of which the first is claimed
    stems = [submitted(store), submitted(store), submitted(store)]
    before = store.layout.queued(stems[0]).read_bytes()
    taken = claimed(store, stems[0])
    history.record(store, stems[0].key, "claimed", nonce=taken.running.claim.nonce)
    store.layout.beat(taken.running).touch()
    # When it is given back
    requeue(store, taken.running, "stopped", nonce=taken.running.claim.nonce, started=started)
    # Then it is the first again, unchanged, without a heartbeat, and an attempt only if it was started
    assert queue(store) == [stem.uuid for stem in stems]
    assert store.layout.queued(stems[0]).read_bytes() == before
    assert os.listdir(store.layout.state(State.RUNNING)) == []
    assert history.attempts(history.events(store, stems[0].key)) == int(started)


def test_a_reclaimed_job_has_burnt_an_attempt(store):
    # Given a claim that is lost, When the job is taken back, Then its history says so, and counts it
    taken = claimed(store, submitted(store, "high"))
    reclaim(store, taken.running, "lost", nonce=taken.running.claim.nonce, attempt=1)
    past = history.events(store, taken.running.stem.key)
    assert (past[-1]["event"], past[-1]["reason"], past[-1]["worker"]) == ("reclaimed", "lost", "host-a.gpu0")
    assert history.attempts(past) == 1
    assert queue(store) == [taken.running.stem.uuid]


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO])
def test_giving_back_with_a_lost_reply_succeeds_at_the_latest_when_tried_again(store, code):
    # Given a claim, and a server whose reply is lost
    taken = claimed(store, submitted(store))
    store.disk = LostReplies(code)
    # When it is given back, and again after an error
    try:
        back(store, taken.running)
    except OSError:
        back(store, taken.running)
    # Then the job is queued, once
    assert_state(store, taken.running.stem.uuid, State.QUEUED)


def test_a_claim_that_was_taken_away_cannot_be_given_back(store):
    # Given a claim that somebody else has taken over
    taken = claimed(store, submitted(store))
    mine = adopt(store, taken.running, "gpu1")
    # When its first owner gives it back, Then he is told, and the job stays with the other
    with pytest.raises(ClaimLost):
        back(store, taken.running)
    assert stands(store, mine)
    assert_state(store, taken.running.stem.uuid, State.RUNNING)


def test_giving_back_never_replaces_a_queued_file(store):
    # Given a claimed job, and a file that was dropped under its name meanwhile
    taken = claimed(store, submitted(store))
    target = store.layout.queued(taken.running.stem)
    target.write_text("other")
    # When the claim is given back
    back(store, taken.running)
    # Then the job has its place, and the other file waits for admission under a name that is no job's
    assert target.read_bytes() == taken.data
    (drop,) = [path for path in target.parent.iterdir() if path != target]
    assert is_drop(drop.name) and drop.read_text() == "other"
    assert not stands(store, taken.running)


def test_an_adopted_claim_has_a_new_nonce_and_a_traceable_origin(store):
    # Given a dead owner's claim with its heartbeat
    taken = claimed(store, submitted(store))
    store.layout.beat(taken.running).touch()
    # When it is adopted, twice
    mine = adopt(store, taken.running, "gpu1")
    last = adopt(store, mine, "gpu2")
    # Then it stands under the last nonce only, and its beginning is known
    assert os.listdir(store.layout.state(State.RUNNING)) == [f"{last}.json"]
    assert last.claim.worker == "host-a.gpu2" and last.stem == taken.running.stem
    past = history.events(store, last.stem.key)
    assert history.origin(past, last.claim.nonce) == taken.running.claim.nonce


def test_of_two_adopters_one_is_told_that_he_lost(store):
    # Given a dead owner's claim, When two adopt it, Then the second is told, and there is one claim
    taken = claimed(store, submitted(store))
    adopt(store, taken.running, "gpu0")
    with pytest.raises(ClaimLost):
        adopt(store, taken.running, "gpu1")
    assert len(os.listdir(store.layout.state(State.RUNNING))) == 1


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO])
def test_an_adoption_whose_reply_was_lost_is_won(store, code):
    # Given a server whose reply is lost, When a claim is adopted, Then the listing tells that it is ours
    taken = claimed(store, submitted(store))
    store.disk = LostReplies(code)
    assert stands(store, adopt(store, taken.running, "gpu0"))


def test_a_disk_that_refuses_an_adoption_leaves_the_claim(store):
    # Given a disk that refuses the rename, When a claim is adopted, Then it stands as it was
    taken = claimed(store, submitted(store))
    with observed(store, Steps(3, refuse(errno.EIO))), pytest.raises(OSError):
        adopt(store, taken.running, "gpu0")
    assert stands(store, taken.running)


def test_a_claim_that_never_was_does_not_stand(store):
    # Given a queued job, When a claim of it is looked for, Then there is none
    stem = publish(store, REQUEST)
    assert not stands(store, Running(stem, new_claim("host-a", "gpu0")))
    assert parse_running(f"{stem}.json") is None


def test_a_second_link_under_a_jobs_name_is_no_job_in_a_shared_spool(store):
    # Given a link to somebody's file under a STEM
    stem = submitted(store)
    os.link(store.layout.queued(stem), store.root / "other")
    (store.root / "queued").chmod(0o3770)
    # When it is claimed, Then it is at fault; a spool of one's own takes it
    taken = claimed(store, stem)
    assert taken.fault is not None and "second link" in taken.fault and taken.data == b""
    (store.root / "queued").chmod(0o700)
    assert read_claimed(store, taken.running).fault is None
