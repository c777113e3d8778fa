"""Remote workers' jobs beside real runners: they are left alone, and dead workers do not keep them for ever."""

from spoolq.history import attempts, events
from spoolq.transitions import State
from spoolq.workers import Workers
from tests.processes.conftest import wait_for
from tests.spooltest.jobs import needed, say
from tests.spooltest.shelves import stocked
from tests.spooltest.trees import assert_state


def test_runners_leave_workers_jobs_alone(queue):
    # Given a pool, workers' jobs round an ordinary one, and one that a worker has
    store = queue.spool.store
    stocked(store)
    theirs = [needed(store, "a_1"), needed(store, "none", priority="urgent")]
    mine = queue.command("true")
    theirs.append(needed(store, "a_1"))
    given = Workers(store, say).take("w")
    # When a run drains the queue, Then it does not wait for them, and has not touched them
    assert queue.run("--drain").wait(30) == 0
    assert queue.spool.get(mine).status == "completed"
    for stem in theirs:
        assert_state(store, stem.uuid, State.RUNNING if stem.uuid == given.job_id else State.QUEUED)
        assert attempts(events(store, stem.key)) == (stem.uuid == given.job_id)


def test_a_runner_that_has_claimed_one_unseen_gives_it_back(queue):
    # Given no pool, and workers' jobs before an ordinary one
    store = queue.spool.store
    theirs = [needed(store) for _ in range(3)]
    mine = queue.command("true")
    # When a run drains the queue, Then the ordinary one has run, and of theirs at most the first was touched, unburnt
    assert queue.run("--drain").wait(30) == 0
    assert queue.spool.get(mine).status == "completed"
    for stem in theirs:
        assert_state(store, stem.uuid, State.QUEUED)
        assert attempts(events(store, stem.key)) == 0
    assert events(store, theirs[1].key) == events(store, theirs[2].key) == []


def test_a_job_that_comes_among_workers_jobs_is_run_at_once(queue):
    # Given a runner that has nothing but workers' jobs before it
    store = queue.spool.store
    stocked(store)
    for _ in range(50):
        needed(store)
    queue.start()
    # When an ordinary one comes, Then it runs
    assert queue.ended(queue.command("true")).status == "completed"
    assert len(store.names(State.QUEUED)) == 50


def test_a_spool_without_a_server_keeps_no_dead_workers_job(queue):
    # Given a worker that has a job, and is never heard of again
    queue.settings(
        'poll = "100ms"\n[jobqueue]\njob_heartbeat_timeout = "200ms"\njob_sweep_interval = "100ms"\n'
        'resource_heartbeat_timeout = "200ms"\nresource_sweep_interval = "100ms"\n'
    )
    store = queue.spool.store
    stocked(store)
    stem = needed(store, job="7")
    Workers(store, say).take("w")
    # When a run looks after the spool, Then the job waits again
    queue.start()
    wait_for(lambda: "Job 7 reclaimed after heartbeat timeout (worker=w)" in queue.said(), what="the job")
    assert_state(store, stem.uuid, State.QUEUED)
