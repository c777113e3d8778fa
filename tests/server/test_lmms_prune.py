"""`spoolq serve --prune`: what lmms-eval's dialect has forgotten goes from the disk, and nothing else."""

import os

from spoolq.api import Spool
from spoolq.transitions import State
from tests.server.dialect import REQUEST, Lmms, entry, taken
from tests.spooltest.jobs import conclude_as
from tests.spooltest.trees import places
from tests.spooltest.waiting import wait_for


def test_what_is_forgotten_is_removed_with_its_run(lmms_servers, store):
    # Given three ended jobs with runs, before the server starts
    jobs = [entry(store) for _ in range(3)]
    lmms = lmms_servers(max_completed_jobs=2, prune=True)
    # When it runs, Then the oldest goes, with its folder
    wait_for(lambda: len(places(store)) == 2, 10, "the first removal")
    assert set(places(store)) == {job.stem.uuid for job in jobs[1:]}
    assert set(os.listdir(store.layout.runs)) == {job.stem.key for job in jobs[1:]}
    # When another job ends, Then the next goes, whoever ended it
    last = lmms.submit()
    conclude_as(store, taken(store), "exit")
    wait_for(lambda: jobs[1].stem.uuid not in places(store), 10, "the second removal")
    assert set(places(store)) == {jobs[2].stem.uuid, last}
    assert lmms.queue()["completed_jobs"] == 1


def test_what_was_cancelled_since_the_last_finish_stays(lmms_servers, store):
    # Given a server that prunes, and cancels after the last finish
    done = entry(store)
    lmms = lmms_servers(max_completed_jobs=1, prune=True)
    cancelled = [lmms.submit() for _ in range(3)]
    for job in cancelled:
        lmms.cancel(job)
    # When another job finishes, Then they go; until then they were found
    assert lmms.found([done.stem.uuid, *cancelled]) == [True] * 4
    newest = lmms.submit()
    conclude_as(store, taken(store), "succeeded")
    wait_for(lambda: len(places(store)) == 1, 10, "the removal")
    assert places(store) == {newest: [State.COMPLETED]}


def test_without_prune_nothing_is_removed(lmms_servers, store):
    jobs = [entry(store) for _ in range(3)]
    lmms = lmms_servers(max_completed_jobs=1)
    assert lmms.found([job.stem.uuid for job in jobs]) == [False, False, True]
    assert len(places(store)) == 3


def test_two_servers_that_prune_do_not_hinder_each_other(lmms_servers, store, caplog):
    # Given many to remove, and two servers
    for _ in range(60):
        entry(store)
    servers: list[Lmms] = [lmms_servers(max_completed_jobs=5, prune=True) for _ in range(2)]
    # When both run, Then the five newest are left, and neither complains
    wait_for(lambda: len(places(store)) == 5, 30, "the removals")
    assert all(server.queue()["completed_jobs"] == 5 for server in servers)
    assert len(os.listdir(store.layout.runs)) == 5
    assert "cannot prune" not in caplog.text


def test_a_disk_that_refuses_does_not_end_it(lmms_servers, store, caplog):
    # Given a lock that nobody can have
    jobs = [entry(store) for _ in range(3)]
    store.layout.lock.unlink(missing_ok=True)
    store.layout.lock.mkdir()
    lmms = lmms_servers(max_completed_jobs=2, prune=True)
    wait_for(lambda: "cannot prune" in caplog.text, 10, "a complaint")
    assert len(places(store)) == 3
    # When it can be had again, Then the next change removes what is due
    store.layout.lock.rmdir()
    lmms.submit()
    wait_for(lambda: jobs[0].stem.uuid not in places(store), 10, "the removal")


def test_a_real_server_prunes(serving):
    # Given `spoolq serve --max-completed-jobs 1 --prune` on a spool with two ended jobs
    store = serving.store
    old, new = entry(store), entry(store)
    serving.start("--max-completed-jobs", "1", "--prune")
    wait_for(lambda: set(places(store)) == {new.stem.uuid}, 10, "the removal")
    with serving.client() as client:
        assert client.get(f"/jobs/{old.stem.uuid}").status_code == 404
        assert client.post("/evaluate", json=REQUEST).status_code == 200
    assert Spool(serving.path).status()["queue_size"] == 1
    assert "Traceback" not in serving.said()
