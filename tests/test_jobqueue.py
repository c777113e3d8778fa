"""What becomes of jobs and leases whose worker is silent: taken back strictly after their time, never before."""

import os

import pytest

from spoolq import history, pools, remote
from spoolq.claims import claim
from spoolq.errors import ClaimLost
from spoolq.find import find
from spoolq.finish import _write_final
from spoolq.jobqueue import Sweep, Vigil
from spoolq.jobs import describe
from spoolq.sections import JobqueueSection
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import State
from spoolq.workers import Workers
from tests.spooltest.faults import Steps, observed, refuse
from tests.spooltest.jobs import needed, say
from tests.spooltest.shelves import age, holders, stocked
from tests.spooltest.trees import assert_state, record_of
from tests.spooltest.users import in_child

HOUR, TWENTY_MINUTES = 3600.0, 1200.0


class Clock:
    """The observer's own clock, in seconds; the file server's is *ahead* of this host's by as much as it has moved."""

    def __init__(self, store):
        self.now, self.leap = 1000.0, 0.0
        self.began, self.store = self.now, store
        really = store.server_time
        store.server_time = lambda: really() + self.now - self.began + self.leap

    def __call__(self):
        return self.now


@pytest.fixture
def clock(store):
    stocked(store)
    return Clock(store)


@pytest.fixture
def said():
    return []


@pytest.fixture
def workers(store, said):
    return Workers(store, said.append)


@pytest.fixture
def sweep(workers, clock):
    return Sweep(workers, 10.0, clock=clock)


def pass_time(clock, sweep, seconds, step=30.0):
    """Turns of a sweep that looks every *step* seconds; whether any took something back."""
    taken = False
    until = clock.now + seconds
    while clock.now < until:
        clock.now = min(until, clock.now + step)
        taken = sweep.turn() or taken
    return taken


def test_a_silent_workers_job_is_taken_back_after_its_time(store, workers, sweep, clock, said):
    # Given a job whose worker is never heard of again
    stem = needed(store, job="7", attempts_before=1)
    workers.take("w-1")
    # When an hour has passed, Then it has it still; a minute later it waits again, its attempt counted
    assert not pass_time(clock, sweep, HOUR - 5)
    assert_state(store, stem.uuid, State.RUNNING)
    assert pass_time(clock, sweep, 70)
    assert_state(store, stem.uuid, State.QUEUED)
    assert said == ["Job 7 reclaimed after heartbeat timeout (worker=w-1)"]
    assert describe(store, find(store, stem.uuid))["attempt"] == 2
    # and the late worker is told so, and the next one has it
    assert workers.heartbeat("7", "w-1") is False
    with pytest.raises(ClaimLost):
        workers.done("7", "w-1", None, None)
    assert workers.take("w-2").attempt == 3


def test_a_heartbeat_gives_another_hour(store, workers, sweep, clock):
    # Given a job whose worker was heard after 50 minutes
    stem = needed(store, job="7")
    workers.take("w")
    pass_time(clock, sweep, 3000)
    workers.heartbeat("7", "w")
    beat = store.layout.beat(find(store, stem.uuid).running)
    os.utime(beat, (store.server_time(), store.server_time()))
    # When another 50 minutes have passed, Then it has it still
    assert not pass_time(clock, sweep, 3000)
    assert pass_time(clock, sweep, 700)


def test_exactly_the_time_is_not_over_it(store, workers, clock):
    # Given a job whose worker has been silent for exactly as long as it may
    stem = needed(store)
    workers.take("w")
    sweep = Sweep(workers, 10.0, clock=clock)
    clock.now += 10 * HOUR
    sweep.vigil._since, sweep.vigil._looked = clock.now - HOUR, clock.now
    running = store.layout.running(find(store, stem.uuid).running)
    store.server_time = lambda: running.stat().st_ctime + HOUR
    # When it is looked at, Then it keeps it; a moment later not
    assert not sweep.turn()
    sweep.vigil._since -= 1
    store.server_time = lambda: running.stat().st_ctime + HOUR + 0.01
    sweep._due[0] = 0.0
    assert sweep.turn()


def test_who_looks_anew_waits_a_whole_time(store, workers, clock):
    # Given a worker that could not be heard for two hours, since no server was up
    needed(store)
    workers.take("w")
    clock.now += 2 * HOUR
    # When one comes up, Then it takes nothing away before it has looked for an hour itself
    sweep = Sweep(workers, 10.0, clock=clock)
    assert not pass_time(clock, sweep, HOUR - 10)
    assert pass_time(clock, sweep, 90)


def test_who_stood_still_has_heard_nobody(store, workers, sweep, clock):
    # Given an observer that was stopped for two hours itself
    needed(store)
    workers.take("w")
    pass_time(clock, sweep, 100)
    clock.now += 2 * HOUR
    # When it goes on, Then it waits a whole time again
    assert not pass_time(clock, sweep, HOUR - 10)
    assert pass_time(clock, sweep, 200)


def test_a_clock_that_leaps_takes_nothing_away(store, workers, sweep, clock):
    # Given a file server whose clock is set two hours ahead
    needed(store)
    workers.take("w")
    pass_time(clock, sweep, 100)
    clock.leap = 2 * HOUR
    # When it goes on, Then nobody was silent for longer than we have been looking since
    assert not pass_time(clock, sweep, HOUR - 200)
    assert pass_time(clock, sweep, 400)


def test_a_watcher_is_more_patient_than_a_server(store, workers, clock):
    # Given a sweep that is there in case that there is no server
    needed(store)
    workers.take("w")
    sweep = Sweep(workers, 10.0, patience=2.0, clock=clock)
    # When twice the time has passed, Then not before
    assert not pass_time(clock, sweep, 2 * HOUR - 10)
    assert pass_time(clock, sweep, 100)


def test_a_network_mount_is_given_more_time(store, workers):
    # Given short time-outs, on a network mount, where what is known of a file may be three minutes old
    store.settings = Settings(jobqueue=JobqueueSection(job_heartbeat_timeout=1.0, resource_heartbeat_timeout=1.0))
    assert Sweep(workers, 1.0).job_limit == 1.0
    store.network = True
    assert (Sweep(workers, 1.0).job_limit, Sweep(workers, 1.0).lease_limit) == (180.0, 180.0)


@pytest.mark.parametrize(("policy", "times"), [({"max_attempts": 2}, 2), ({"retry_on": []}, 1), ({}, 3)])
def test_attempts_are_limited(store, workers, sweep, clock, said, policy, times):
    # Given a job with so many attempts, of which an older queue had counted more
    stem = needed(store, job="7", attempts_before=9, **policy)
    # When its worker is lost each time, Then it ends after the last
    for number in range(1, times + 1):
        assert workers.take("w").attempt == 9 + number
        assert pass_time(clock, sweep, HOUR + 70)
    record = record_of(store, stem.uuid)
    assert (record["status"], record["outcome"], record["attempt"]) == ("failed", "lost", 9 + times)
    assert record["worker"] == "w" and "no attempt is left" in record["error"]
    assert said[-1].startswith("Job 7 failed after heartbeat timeout")


def test_a_claim_of_which_nobody_was_told_goes_back_at_once(store, workers, sweep, clock):
    # Given a server that was killed between its claim and the line that says whose it is
    stem = needed(store)
    claim(store, stem, "worker", host="w")
    # When a moment has passed, Then it may yet write it; after some more the job waits again, unburnt
    assert not sweep.turn()
    clock.now += 61
    assert sweep.turn()
    assert_state(store, stem.uuid, State.QUEUED)
    assert history.attempts(history.events(store, stem.key)) == 0


def test_an_end_that_was_cut_short_is_the_end(store, workers, sweep, clock):
    # Given a worker that has said done to a server that was killed before that was so
    stem = needed(store)
    workers.take("w")
    record = describe(store, find(store, stem.uuid))
    running = find(store, stem.uuid).running

    def die():
        own = Store(store.root)
        own.disk.step = Steps(5, lambda: os._exit(9))
        remote.end(own, running, record, State.COMPLETED, "succeeded", result={"n": 1})

    with observed(store, Steps()):
        assert in_child(die) == 9
    assert_state(store, stem.uuid, State.RUNNING)
    # When its worker is not heard of any more, Then that is its end
    assert pass_time(clock, sweep, HOUR + 70)
    assert record_of(store, stem.uuid)["result"] == {"n": 1}
    assert os.listdir(store.layout.tmp) == []


def test_a_torn_end_is_none(store, workers, sweep, clock):
    # Given a record under way that is torn, or of somebody else, When its worker is silent, Then the job runs again
    stem = needed(store)
    for content in ({"claim": "somebody"}, None):
        workers.take("w")
        running = find(store, stem.uuid).running
        final = store.layout.final(str(running))
        if content is None:
            final.write_text("{")
        else:
            _write_final(store, final, content)
        assert pass_time(clock, sweep, HOUR + 70)
        assert_state(store, stem.uuid, State.QUEUED)


def test_one_bad_entry_does_not_keep_the_others_from_being_judged(store, workers, sweep, clock, said):
    # Given two silent workers' jobs, the first of which the disk will not have moved
    stems = [needed(store, job=str(number)) for number in range(2)]
    workers.take("w")
    workers.take("v")
    pass_time(clock, sweep, HOUR - 5)
    with observed(store, Steps(4, refuse(5))):  # after the three of asking for the time
        assert pass_time(clock, sweep, 60, step=60)
    assert sum(find(store, stem.uuid).state is State.QUEUED for stem in stems) == 1
    assert any("Trying again later" in line for line in said)
    assert pass_time(clock, sweep, 70)


def test_leases_run_out_after_their_own_time(store, workers, sweep, clock, said):
    # Given two leases, one of which is beaten for after ten minutes
    pools.acquire(store, "a_1", "w", "1")
    pools.acquire(store, "a_1", "v", "2")
    assert not pass_time(clock, sweep, 600, step=10)
    pools.heartbeat(store, "a_1", "w", "1", 0)
    age(store, clock.began - clock.now, numbers=[0])
    # When twenty minutes have passed, Then the other is free again
    assert not pass_time(clock, sweep, TWENTY_MINUTES - 600 - 10, step=10)
    assert pass_time(clock, sweep, 30, step=10)
    assert holders(store) == {0: ("w", "1"), 1: None}
    assert said == ["Resource a_1[1] freed (heartbeat timeout)"]


def test_leases_wait_for_who_looks_anew_too(store, workers, clock):
    # Given a lease that was not heard of for an hour, since no server was up, When one comes, Then it waits
    pools.acquire(store, "a_1", "w", "1")
    age(store, HOUR)
    sweep = Sweep(workers, 10.0, clock=clock)
    assert not pass_time(clock, sweep, TWENTY_MINUTES - 10, step=10)
    assert pass_time(clock, sweep, 30, step=10)


def test_a_spool_without_workers_is_not_written_to(store, sweep, clock):
    # Given neither workers' jobs nor leases, When it is swept, Then nothing is written to learn the time
    with observed(store, Steps()) as steps:
        assert not pass_time(clock, sweep, 300)
    assert steps.seen == []


def test_intervals_are_kept(store, workers, clock):
    # Given intervals of a minute for jobs and ten seconds for leases
    sweep = Sweep(workers, 1.0, clock=clock)
    seen = []
    sweep._jobs = lambda: seen.append("jobs")
    sweep._leases = lambda: seen.append("leases")
    # When a minute passes second by second, Then each is looked at when it is due
    for _ in range(61):
        sweep.turn()
        clock.now += 1
    assert (seen.count("jobs"), seen.count("leases")) == (2, 7)


def test_a_vigil_is_broken_by_a_gap():
    # Given a vigil, When its observer looks often, Then it lasts; after a gap it begins anew
    now = [0.0]
    vigil = Vigil(10.0, lambda: now[0])
    for _ in range(5):
        now[0] += 9
        vigil.look()
    assert vigil.lasted(500.0) == 45.0
    now[0] += 11
    vigil.look()
    assert vigil.lasted(511.0) == 0.0
    # and small steps of the server's clock do not matter
    now[0] += 5
    assert vigil.lasted(517.0) == 5.0
    assert vigil.lasted(600.0) == 0.0


def test_the_lines_are_said_to_whoever_listens(store):
    assert Sweep(Workers(store, say), 1.0).say is say
