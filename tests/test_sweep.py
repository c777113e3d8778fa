"""One maintenance pass; take-over between hosts is tested with the processes."""

import os
import time

import pytest

from spoolq.claims import claim
from spoolq.find import find
from spoolq.finish import terminal_record
from spoolq.jobs import describe
from spoolq.lock import lock_directory, try_lock
from spoolq.submit import publish
from spoolq.sweep import Sweep
from spoolq.transitions import State
from tests.spooltest.jobs import ended, submitted
from tests.spooltest.trees import record_of

HOUR = 3700


@pytest.fixture
def sweep(store):
    return Sweep(store, frozenset({"all"}), lambda _line: None)


def test_litter_goes_when_it_is_old_and_stays_while_it_is_young(store, sweep, monkeypatch):
    # Given a killed submit, a pruned folder with an old mtime, and a hidden file
    names = [".gitignore", "a.submit", "b.pruned"]
    (store.root / ".tmp" / "a.submit").write_text("{}")
    (store.root / ".tmp" / ".gitignore").write_text("*")
    folder = store.root / ".tmp" / "b.pruned"
    folder.mkdir()
    (folder / "log.txt").write_text("x")
    os.utime(folder, (0, 0))
    # When it is swept at once, all stay: prune may be at work in its folder
    sweep.turn()
    assert sorted(path.name for path in (store.root / ".tmp").iterdir()) == names
    # When it is swept an hour later, by the file server's clock, only what is not ours stays
    monkeypatch.setattr(store, "server_time", lambda: time.time() + HOUR)
    sweep.turn()
    assert [path.name for path in (store.root / ".tmp").iterdir()] == [".gitignore"]


def test_what_a_killed_doctor_left_goes_when_it_is_old(store, sweep, monkeypatch):
    # Given a probe and a beacon of a doctor, which are hidden
    store.layout.probe("0011").mkdir()
    (store.layout.probe("0011") / "lock").touch()
    (store.root / ".tmp" / ".doctor@host-a@boot@nonce@7").touch()
    # When it is swept at once, Then they stay; an hour later they go
    sweep.turn()
    assert len(list(store.layout.tmp.iterdir())) == 2
    monkeypatch.setattr(store, "server_time", lambda: time.time() + HOUR)
    sweep.turn()
    assert list(store.layout.tmp.iterdir()) == []


def test_a_heartbeat_without_a_claim_goes(store, sweep):
    publish(store, {"request": {"command": ["true"]}})
    claimed = claim(store, find(store, "last").stem, "all")
    mine, stray = store.layout.beat(claimed.running), store.root / "running" / ".gone@host-a.all.00000000.beat"
    mine.touch()
    stray.touch()
    sweep.turn()
    assert mine.exists() and not stray.exists()


def test_a_claim_of_a_slot_that_nobody_holds_goes_back(store, sweep, monkeypatch):
    # Given a claim under a slot that is not ours, older than a live owner's could be without a line in its history
    publish(store, {"request": {"command": ["true"]}, "max_attempts": 3})
    claim(store, find(store, "last").stem, "gpu7")
    monkeypatch.setattr(store, "server_time", lambda: time.time() + 60)
    # When somebody holds that slot, it stays
    fd = try_lock(lock_directory(None) / "gpu7.lock")
    sweep.turn()
    assert find(store, "last").state is State.RUNNING
    # When nobody does, it goes back with its attempt burnt
    os.close(fd)
    sweep.turn()
    assert find(store, "last").state is State.QUEUED


def test_a_claim_of_our_own_slot_is_left_to_its_runner(store, sweep, monkeypatch):
    publish(store, {"request": {"command": ["true"]}})
    claim(store, find(store, "last").stem, "all")
    monkeypatch.setattr(store, "server_time", lambda: time.time() + 60)
    sweep.turn()
    assert find(store, "last").state is State.RUNNING


def test_a_folder_in_the_way_does_not_stop_the_sweep(store, sweep, monkeypatch):
    # Given a folder under the name of a resume's mark, which `unlink` does not take, and old litter
    (store.root / "control" / ".resumed.0badcafe").mkdir()
    (store.root / ".tmp" / "a.submit").write_text("{}")
    monkeypatch.setattr(store, "server_time", lambda: time.time() + HOUR)
    # When it is swept, Then both are gone
    sweep.turn()
    assert os.listdir(store.root / "control") == os.listdir(store.root / ".tmp") == []


def test_ended_files_without_a_record_are_settled_when_they_are_old(store, monkeypatch):
    # Given a sweep, a job that ended as it should, and one that was moved to failed/ by hand
    now = [0.0]
    said: list[str] = []
    sweep = Sweep(store, frozenset({"all"}), said.append, clock=lambda: now[0])
    whole, stem = ended(store, submitted(store)), submitted(store)
    before = record_of(store, whole.stem.uuid)
    store.layout.queued(stem).rename(store.layout.terminal(State.FAILED, stem.key))
    # When it is swept at once, Then nothing happens: the writer of its record may live
    sweep.turn()
    assert describe(store, find(store, stem.uuid))["outcome"] is None and said == []
    # When it is swept an hour later, Then it has a record, and somebody is told
    monkeypatch.setattr(store, "server_time", lambda: time.time() + HOUR)
    now[0] = 61.0
    sweep.turn()
    assert record_of(store, stem.uuid)["outcome"] == "lost" and record_of(store, whole.stem.uuid) == before
    assert said == [f"settled {stem.uuid[:8]}: it was in failed/ without a record"]


def test_each_ended_file_is_read_once_and_a_few_at_a_time(store, monkeypatch):
    # Given more ended jobs than one pass may read
    monkeypatch.setattr("spoolq.sweep._SETTLE_AT_ONCE", 2)
    for _ in range(3):
        ended(store, submitted(store))
    read: list[str] = []
    monkeypatch.setattr("spoolq.sweep.terminal_record", lambda path: read.append(path.name) or terminal_record(path))
    now = [0.0]
    sweep = Sweep(store, frozenset(), lambda _line: None, clock=lambda: now[0])
    # When some passes are made, the newest are read first, and none twice
    sweep.turn()
    names = sorted((name for name in store.names(State.COMPLETED)), reverse=True)
    assert read == names[:2]
    sweep.turn()
    assert len(read) == 2
    for now[0] in (61.0, 122.0):
        sweep.turn()
    assert read == names
