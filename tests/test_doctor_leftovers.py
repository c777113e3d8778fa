"""What was left behind is told, and removed only where that is certainly safe."""

import json
import os
import time

import pytest

from spoolq.claims import claim
from spoolq.doctor import leftovers
from spoolq.doctor.patient import Patient
from spoolq.find import find
from spoolq.jobs import Entry
from spoolq.layout import PROBE
from spoolq.names import Running, new_claim
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, submitted
from tests.spooltest.trees import record_of

HOUR = 3700.0


@pytest.fixture
def later(monkeypatch):
    """The file server's clock, an hour and more ahead: what has been made by now is old."""
    server_time = Store.server_time
    monkeypatch.setattr(Store, "server_time", lambda self: server_time(self) + HOUR)


def patient(store):
    return Patient(store.root, "host-a")


def one(check, store):
    (found,) = check(patient(store))
    return found


class TestLitter:
    def test_none(self, store):
        assert one(leftovers.check_litter, store).verdict == "ok"

    def test_young_files_are_somebodys(self, store):
        (store.layout.tmp / "a.submit").write_text("{}")
        (store.root / "completed" / f"{PROBE}.00").touch()
        assert one(leftovers.check_litter, store).verdict == "ok"

    def test_old_ones_go(self, store, later):
        # Given a killed submit, a folder of a prune, a probe of a killed doctor, and what is not ours
        (store.layout.tmp / "a.submit").write_text("{}")
        (store.layout.tmp / "b.pruned").mkdir()
        (store.layout.tmp / "b.pruned" / "log.txt").write_text("x")
        store.layout.probe("00").mkdir()
        (store.root / "completed" / f"{PROBE}.00").touch()
        (store.layout.tmp / ".gitignore").touch()
        # When they are an hour old, Then they are told
        found = one(leftovers.check_litter, store)
        assert (found.verdict, found.numbers["count"]) == ("note", 4)
        # When it is mended, Then they are gone, and what is not ours is there
        assert found.mend() == "removed 4 entries"
        assert os.listdir(store.layout.tmp) == [".gitignore"]
        assert os.listdir(store.root / "completed") == []
        assert one(leftovers.check_litter, store).verdict == "ok"

    def test_what_may_not_be_removed_is_told(self, store, later, monkeypatch):
        (store.layout.tmp / "a.submit").write_text("{}")

        def refuse(_store, path):
            raise PermissionError(1, "no", str(path))

        monkeypatch.setattr(leftovers, "remove", refuse)
        assert one(leftovers.check_litter, store).mend() == "removed 0 entries; 1 belong to somebody else"


class TestFinals:
    def left(self, store):
        """A job that was ended, but for its record, which waits in .tmp/."""
        job = ended(store, submitted(store)).stem
        record = record_of(store, job.uuid)
        path = store.layout.terminal(State.COMPLETED, job.key)
        running = Running(job, new_claim("host-a", "gpu0"))
        store.layout.final(str(running)).write_text(json.dumps({**record, "claim": str(running.claim)}))
        path.write_text('{"command": ["true"]}')
        return job, running

    def test_none(self, store):
        assert one(leftovers.check_finals, store).verdict == "ok"

    def test_one_that_is_being_written_is_its_owners(self, store):
        self.left(store)
        assert one(leftovers.check_finals, store).verdict == "ok"

    def test_one_that_was_left_is_published(self, store, later):
        # Given an end that was cut short after its commit
        job, _ = self.left(store)
        found = one(leftovers.check_finals, store)
        assert (found.verdict, found.numbers["count"]) == ("warning", 1)
        # When it is mended, Then its record is in place
        assert found.mend() == "published 1 record, removed 0"
        assert record_of(store, job.uuid)["outcome"] == "succeeded"
        assert one(leftovers.check_finals, store).verdict == "ok"

    def test_one_of_a_standing_claim_is_left_alone(self, store, later):
        # Given a claim that stands, with the record of an end under way
        taken = claimed(store, submitted(store))
        store.layout.final(str(taken.running)).write_text("{}")
        assert one(leftovers.check_finals, store).verdict == "ok"

    def test_a_torn_one_stays_and_is_told(self, store, later):
        # Given an ended job without a record, whose .final is torn
        _, running = self.left(store)
        store.layout.final(str(running)).write_text('{"job_id"')
        found = one(leftovers.check_finals, store)
        assert found.numbers["torn"] == 1
        # When it is mended, Then nothing is thrown away
        assert found.mend() == "published 0 records, removed 0"
        assert store.layout.final(str(running)).exists()


def test_a_heartbeat_without_a_claim_goes(store):
    # Given a heartbeat of a claim that stands, and one of none
    taken = claimed(store, submitted(store))
    store.layout.beat(taken.running).touch()
    stray = store.root / "running" / ".gone@host-a.all.00000000.beat"
    stray.touch()
    # When it is mended, Then the second is gone
    found = one(leftovers.check_beats, store)
    assert (found.verdict, found.numbers["stray"]) == ("note", 1)
    found.mend()
    assert store.layout.beat(taken.running).exists() and not stray.exists()
    assert one(leftovers.check_beats, store).verdict == "ok"


def test_a_run_folder_without_a_job_is_told_and_kept(store):
    # Given a run folder with a job, and one whose job was removed by hand two hours ago
    ended(store, submitted(store))
    gone = ended(store, submitted(store)).stem
    store.layout.terminal(State.COMPLETED, gone.key).unlink()
    assert one(leftovers.check_orphan_runs, store).verdict == "ok", "young: a job may come in a moment"
    os.utime(store.layout.run(gone.key).path, (time.time() - 2 * HOUR,) * 2)
    # When it is looked at, Then it is told, with the command that removes it, and offered to nobody's --fix
    found = one(leftovers.check_orphan_runs, store)
    assert (found.verdict, found.numbers["orphans"], found.mend) == ("note", [gone.key], None)
    assert "spoolq prune --keep 1000000" in found.next_step


def test_silly_renames_are_told(store):
    # Given .nfs files in a state and in a run folder
    job = ended(store, submitted(store)).stem
    (store.root / "queued" / ".nfs000000000000001").touch()
    (store.layout.run(job.key).path / ".nfs000000000000002").touch()
    # When it is looked at, Then both are told
    found = one(leftovers.check_nfs_files, store)
    assert (found.verdict, len(found.numbers["files"]), found.numbers["looked_at"]) == ("note", 2, 1)


def test_no_silly_renames(store):
    assert one(leftovers.check_nfs_files, store).verdict == "ok"


class TestRecords:
    def test_whole_ones(self, store):
        ended(store, submitted(store))
        found = one(leftovers.check_records, store)
        assert (found.verdict, found.numbers["looked_at"]) == ("ok", 1)

    def test_one_that_was_moved_by_hand_gets_a_record(self, store, later):
        # Given a job that somebody has moved to cancelled/ over an hour ago
        stem = submitted(store)
        store.layout.queued(stem).rename(store.layout.terminal(State.CANCELLED, stem.key))
        found = one(leftovers.check_records, store)
        assert (found.verdict, found.numbers["without"]) == ("warning", [f"cancelled/{stem.uuid[:8]}"])
        # When it is mended, Then it has ended for everybody
        assert found.mend() == "wrote 1 record"
        assert record_of(store, stem.uuid)["outcome"] == "cancelled"
        assert one(leftovers.check_records, store).verdict == "ok"

    def test_one_that_does_not_parse(self, store, later):
        # Given a record that a power cut has emptied
        entry = ended(store, submitted(store))
        store.layout.terminal(State.COMPLETED, entry.stem.key).write_bytes(b"")
        assert one(leftovers.check_records, store).verdict == "warning"

    def test_one_that_is_young_is_being_written(self, store):
        stem = submitted(store)
        store.layout.queued(stem).rename(store.layout.terminal(State.CANCELLED, stem.key))
        assert one(leftovers.check_records, store).verdict == "ok"


def test_a_claim_is_no_leftover(store, later):
    # Given a job at work, When everything that can be mended is, Then it is at work still
    stem = submitted(store)
    taken = claim(store, stem, "gpu0")
    for check in (leftovers.check_litter, leftovers.check_finals, leftovers.check_beats, leftovers.check_records):
        for finding in check(patient(store)):
            assert finding.mend is None
    assert find(store, stem.uuid) == Entry(State.RUNNING, stem, taken.running.claim)
