"""Who is where: what is in two places, in none of its places, and with nobody to look after it."""

import os

import pytest

from spoolq import control, history, process
from spoolq.claims import claim
from spoolq.doctor import places
from spoolq.doctor.patient import Patient
from spoolq.lock import lock_directory, try_lock
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, opened, submitted

HOUR = 3700.0


@pytest.fixture
def later(monkeypatch):
    server_time = Store.server_time
    monkeypatch.setattr(Store, "server_time", lambda self: server_time(self) + HOUR)


def one(check, store, host="host-a"):
    (found,) = check(Patient(store.root, host))
    return found


def test_a_job_in_two_states_is_a_fault(store):
    # Given an ended job whose file stands in queued/ too
    first, second = submitted(store), submitted(store, "high")
    (store.root / "failed" / f"{second.key}.json").write_text("{}")
    # When it is looked at, Then it is named with both
    found = one(places.check_twice, store)
    assert (found.verdict, found.numbers["twice"]) == ("fault", {second.key: ["queued", "failed"]})
    assert first.uuid[:8] not in found.measured and found.mend is None


def test_a_job_under_two_priorities_is_a_fault(store):
    stem = submitted(store)
    store.layout.queued(stem.with_priority("high")).write_text("{}")
    assert one(places.check_twice, store).verdict == "fault"


def test_a_job_that_moves_while_we_look_is_none(store, monkeypatch):
    # Given a job that is met in queued/ and, claimed a moment later, in running/
    stem = submitted(store)
    names = Store.names

    def moving(self, state):
        found = names(self, state)
        if state is State.QUEUED and any(str(stem) in name for name in found):
            claim(store, stem, "gpu0")
        return found

    monkeypatch.setattr(Store, "names", moving)
    # When it is looked at, Then the second look finds it in one place
    assert one(places.check_twice, store).verdict == "ok"


def test_each_job_in_one_state(store):
    ended(store, submitted(store))
    claimed(store, submitted(store))
    submitted(store)
    assert one(places.check_twice, store).verdict == "ok"


@pytest.mark.parametrize(
    ("state", "name"), [("queued", "job.yaml"), ("queued", "folder"), ("running", "mine.json"), ("failed", "x.json")]
)
def test_names_that_nobody_takes_are_told(store, state, name):
    (store.root / state / name).touch()
    found = one(places.check_foreign, store)
    assert (found.verdict, found.numbers["foreign"]) == ("warning", [f"{state}/{name}"])


def test_drops_and_hidden_names_are_not_foreign(store):
    submitted(store)
    (store.root / "queued" / "job.json").touch()
    (store.root / "queued" / ".job.json.swp").touch()
    assert one(places.check_foreign, store).verdict == "ok"


class TestDrops:
    def test_a_fresh_one_waits(self, store):
        (store.root / "queued" / "job.json").write_text("{}")
        found = one(places.check_drops, store)
        assert (found.verdict, found.numbers["waiting"]) == ("ok", 1)

    def test_an_old_one_is_nobodys(self, store, later):
        (store.root / "queued" / "job.json").write_text("{}")
        submitted(store)
        found = one(places.check_drops, store)
        assert (found.verdict, found.numbers["old"]) == ("warning", ["job.json"])


class TestRequests:
    def test_none(self, store):
        assert one(places.check_requests, store).verdict == "ok"

    def test_one_that_nobody_took(self, store, later):
        stem = submitted(store)
        control.request(store, "cancel", stem.key)
        found = one(places.check_requests, store)
        assert found.verdict == "warning" and f"cancel {stem.uuid[:8]}" in found.measured

    def test_a_young_one_may_be_taken_yet(self, store):
        control.request(store, "cancel", submitted(store).key)
        assert one(places.check_requests, store).verdict == "ok"

    def test_a_pause_is_told(self, store):
        control.pause(store, os.getuid(), "driver update")
        found = places.check_requests(Patient(store.root, "host-a"))
        assert [finding.verdict for finding in found] == ["note", "ok"] and "driver update" in found[0].measured


class TestClaims:
    def test_none(self, store):
        assert one(places.check_claims, store).verdict == "ok"

    def test_one_whose_slot_is_held(self, store, later):
        # Given a claim without a line, as old as one can be, whose slot somebody holds
        claimed(store, submitted(store), "gpu7")
        fd = try_lock(lock_directory(None) / "gpu7.lock")
        # When it is looked at, Then its owner lives
        assert one(places.check_claims, store).verdict == "ok"
        # When nobody holds it, Then nobody looks after the job
        os.close(fd)
        found = one(places.check_claims, store)
        assert found.verdict == "warning" and "its slot is free" in found.measured
        assert one(places.check_twice, store).verdict == "ok"

    def test_one_that_was_just_made(self, store):
        claimed(store, submitted(store), "gpu7")
        assert one(places.check_claims, store).verdict == "ok"

    def test_one_whose_processes_are_dead(self, store, later):
        # Given a claim whose history names a runner that is gone
        taken = claimed(store, submitted(store))
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        facts = {"pid": pid, "pid_start": 1, "shim": pid, "shim_start": 1, "boot": process.boot_id()}
        history.record(store, taken.running.stem.key, "claimed", nonce=taken.running.claim.nonce, **facts)
        assert "runner and shim are dead" in one(places.check_claims, store).measured

    def test_one_whose_runner_lives_with_another_lock_directory(self, store, later):
        # Given a claim whose history names a process that lives, and a slot lock that we cannot see
        taken = claimed(store, submitted(store))
        parent = os.getppid()
        facts = {"pid": parent, "pid_start": process.start_time(parent), "shim": 1, "shim_start": 1}
        facts["boot"] = process.boot_id()
        history.record(store, taken.running.stem.key, "claimed", nonce=taken.running.claim.nonce, **facts)
        assert one(places.check_claims, store).verdict == "ok"

    def test_one_of_another_host_is_judged_by_its_heartbeat(self, store, later):
        # Given a claim of another host that has just beaten, by the file server's clock
        attempt = opened(store, claimed(store, submitted(store)))
        beat = store.layout.beat(attempt.running)
        beat.touch()
        os.utime(beat, (store.server_time(),) * 2)
        assert one(places.check_claims, store, "host-b").verdict == "ok"
        # When it has not for longer than heartbeat_timeout, Then it looks dead
        os.utime(beat, (store.server_time() - 301,) * 2)
        found = one(places.check_claims, store, "host-b")
        assert found.verdict == "warning" and "no heartbeat for 5m" in found.measured

    def test_one_of_another_host_that_never_beat(self, store, later):
        claimed(store, submitted(store))
        assert "no heartbeat for 1h" in one(places.check_claims, store, "host-b").measured

    def test_a_short_job_of_another_host_has_no_heartbeat(self, store):
        claimed(store, submitted(store))
        assert one(places.check_claims, store, "host-b").verdict == "ok"
