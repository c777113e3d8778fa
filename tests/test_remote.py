"""Which jobs are remote workers', and how runners leave them alone."""

import os

import pytest

from spoolq import remote, upcoming
from spoolq.claims import claim
from spoolq.doctor.patient import Patient
from spoolq.doctor.places import why_dead
from spoolq.find import find
from spoolq.history import attempts, events
from spoolq.names import Claim, is_workers_claim
from spoolq.pools import acquire
from spoolq.recover import claims_of, recover
from spoolq.status import status
from spoolq.stock import add, drain
from spoolq.sweep import Sweep
from spoolq.transitions import State
from spoolq.upcoming import Upcoming
from spoolq.workers import Workers
from tests.spooltest.jobs import claimed, needed, say, submitted
from tests.spooltest.shelves import stocked
from tests.spooltest.trees import assert_state
from tests.verbs.program import spoolq


def test_a_file_says_what_its_job_needs(store):
    # Given a worker's job, When its file is read, Then there is what it needs, and when it was last moved
    stem = needed(store, "a_1", "7", attempts_before=2)
    need = remote.need_of(store.layout.queued(stem))
    assert (need.kind, need.external_id, need.attempts_before) == ("a_1", "7", 2)
    assert need.stamp == store.layout.queued(stem).stat().st_ctime_ns
    assert remote.is_workers(store, f"{stem}.json")


@pytest.mark.parametrize(
    "text",
    [
        '{"command": ["true"]}',
        '{"command": ["true"], "resource_type": "a_1"}',
        '{"request": {}, "resource_type": "../x"}',
        '{"request": {}, "resource_type": 7}',
        '{"request": {}, "resource_type": null}',
        "{",
        "",
        "[]",
    ],
)
def test_another_job_needs_nothing(store, text):
    # Given any other file under a job's name, When it is asked, Then it is no worker's
    stem = submitted(store)
    store.layout.queued(stem).write_text(text)
    assert not remote.is_workers(store, f"{stem}.json")


def test_what_is_gone_is_nobodys(store):
    stem = needed(store)
    store.layout.queued(stem).unlink()
    assert not remote.is_workers(store, f"{stem}.json")
    assert not remote.is_workers(store, "drop.json")


def test_a_queue_is_all_foreign_only_while_nothing_else_is_in_it(store):
    # Given workers' jobs alone
    foreign = remote.Foreign(store)
    assert foreign.are_all([])
    names = [f"{needed(store)}.json" for _ in range(3)]
    assert foreign.are_all(names)
    # When their files cannot be read any more, Then it is still known
    for name in names:
        store.layout.drop(name).write_text("{")
    assert foreign.are_all(names)
    # When an ordinary job, or a drop, comes, Then not any more
    assert not foreign.are_all([*names, f"{submitted(store)}.json"])
    assert not foreign.are_all([*names, "drop.json"])
    assert foreign.are_all(names)


def picks_of(store, said=None):
    return Upcoming(store, "gpu0", print if said is None else said.append)


def test_a_runner_passes_workers_jobs_over_where_there_is_a_pool(store):
    # Given a pool, and workers' jobs before and after an ordinary one
    stocked(store)
    needed(store, "a_1")
    needed(store, "b_1", priority="urgent")
    mine = submitted(store)
    needed(store, "a_1")
    # When a runner claims, Then it has the ordinary one, and then nothing
    picks = picks_of(store)
    assert picks.claim().running.stem == mine
    assert picks.claim() is None
    assert len(store.names(State.QUEUED)) == 3
    # and they are not read again
    for name in store.names(State.QUEUED):
        store.layout.drop(name).chmod(0o600)
        store.layout.drop(name).write_text('{"command": ["true"]}')
    picks._scanned_at = float("-inf")
    assert picks.claim() is None


def test_without_a_pool_nothing_is_read(store, monkeypatch):
    # Given a spool without pools, When a runner claims, Then it reads no file before
    monkeypatch.setattr(upcoming, "is_workers", None)
    stem = submitted(store)
    assert picks_of(store).claim().running.stem == stem


def test_a_workers_job_that_was_claimed_unseen_goes_back_unburnt_and_is_not_claimed_again(store):
    # Given a worker's job that a runner has claimed, since there was no pool, and another behind it
    stem, picks = needed(store), picks_of(store)
    needed(store)
    taken = picks.claim()
    assert taken.running.stem == stem
    # When it is left, Then it waits as before, without an attempt, and the other is seen
    assert picks.leave(taken.running) == float("inf")
    assert picks.claim() is None
    assert_state(store, stem.uuid, State.QUEUED)
    assert attempts(events(store, stem.key)) == 0
    picks._scanned_at = float("-inf")
    assert picks.claim() is None
    # and those that come later are seen
    needed(store)
    mine = submitted(store)
    picks._scanned_at = float("-inf")
    assert picks.claim().running.stem == mine


def test_a_claim_that_was_taken_away_is_left_too(store):
    picks = picks_of(store)
    needed(store)
    taken = picks.claim()
    store.layout.running(taken.running).unlink()
    assert picks.leave(taken.running) == float("inf")


def test_a_disk_that_refuses_has_it_recovered_later(store, monkeypatch):
    # Given a disk that is full, When a claim is left, Then it stands, and somebody says so
    said = []
    picks = picks_of(store, said)
    needed(store)
    taken = picks.claim()

    def refuse(*_given, **_named):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(remote.history, "record", refuse)
        assert picks.leave(taken.running) < float("inf")
    assert "cannot give" in said[0]
    assert_state(store, taken.running.stem.uuid, State.RUNNING)
    # When its slot is recovered, Then it goes back unburnt
    store.server_time = lambda: store.layout.running(taken.running).stat().st_ctime + 60
    assert recover(store, "gpu0", say) == 0
    assert_state(store, taken.running.stem.uuid, State.QUEUED)
    past = events(store, taken.running.stem.key)
    assert attempts(past) == 0


def test_a_scan_in_vain_is_not_repeated_at_every_wake_up(store):
    # Given nothing but workers' jobs, and a look that took a second
    stocked(store)
    needed(store)

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    clock = Clock()
    picks = Upcoming(store, "gpu0", print, clock)
    assert picks.claim() is None
    picks._cost = 1.0
    # When something arrives a moment later, Then the next look waits until it may cost as much, and says so
    mine = submitted(store)
    clock.now += 5
    picks.stale = True
    assert picks.claim() is None
    assert picks.patience() == pytest.approx(15.0)
    clock.now += 15.1
    assert picks.claim().running.stem == mine
    assert picks.patience() == float("inf")


def test_claims_of_workers_are_nobodys_slot(store):
    # Given a worker that is named like this host, and its claim
    running = claim(store, needed(store), "worker", host=store.host).running
    assert running.claim == Claim(store.host, "worker", running.claim.nonce)
    assert is_workers_claim(f"{running}.json")
    assert not is_workers_claim(f"{claimed(store, submitted(store)).running}.json")
    assert not is_workers_claim("x.json")
    # When this host's claims are looked for, and a sweep is made, Then it is none of them, however old
    assert running not in claims_of(store)
    store.server_time = lambda: store.layout.running(running).stat().st_ctime + 1e6
    Sweep(store, frozenset(), say).turn()
    assert_state(store, running.stem.uuid, State.RUNNING)


def test_a_workers_claim_is_not_taken_over_as_a_dead_hosts(store):
    # Given a claim of a worker elsewhere whose heartbeat stands still
    running = claim(store, needed(store), "worker", host="w-1").running
    now = [0.0]
    sweep = Sweep(store, frozenset(), say, clock=lambda: now[0])
    sweep.turn()
    # When a host's would be taken over, Then it is not
    now[0] = 1e6
    sweep.turn()
    assert f"{running}.json" in os.listdir(store.layout.state(State.RUNNING))


def test_a_workers_name_is_harmless_on_a_terminal(store):
    # Given a worker whose name holds what a terminal obeys, When the queue is looked at, Then that is gone
    stocked(store)
    needed(store)
    assert Workers(store, say).take("w\x1b[2J\nx") is not None
    for argv in (["status"], ["list"], ["show", "last"]):
        assert "\x1b" not in spoolq(*argv, "--spool", store.root).out


def test_the_doctor_judges_a_workers_claim_by_its_own_time(store):
    # Given a worker's claim that has been silent for longer than a host may be
    stocked(store)
    stem = needed(store)
    Workers(store, say).take("w")
    running = find(store, stem.uuid).running
    patient = Patient(store.root)
    beat = store.layout.beat(running)
    beat.touch()
    # When it is examined, Then its owner may live; after an hour not
    for silent, dead in ((3000, False), (4000, True)):
        os.utime(beat, (patient.server_now - silent,) * 2)
        assert bool(why_dead(patient, running)) is dead


def test_status_says_what_a_workers_job_waits_for(store):
    # Given a worker's job without its type, When status is asked, Then it says how to get some
    needed(store, "a_1")
    assert reason(store) == "no resources of type a_1: add some with `spoolq pool add a_1`"
    # When there is one, leased or not, Then it waits for a worker
    add(store, "a_1", {})
    assert reason(store) == "waits for a worker (resource type a_1)"
    acquire(store, "a_1", "w", "j")
    assert reason(store) == "waits for a worker (resource type a_1)"
    # When it is being drained, Then for that
    drain(store, "a_1")
    assert reason(store) == "no new leases of type a_1: it is being drained"


def reason(store):
    return status(store)["waiting"][0]["reason"]
