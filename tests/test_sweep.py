"""One maintenance pass; take-over between hosts is tested with the processes."""

import os

import pytest

from spoolq.claims import claim
from spoolq.find import find
from spoolq.lock import lock_directory, try_lock
from spoolq.submit import publish
from spoolq.sweep import Sweep
from spoolq.transitions import State

HOUR = 3700


@pytest.fixture
def sweep(store):
    return Sweep(store, frozenset({"all"}), lambda _line: None)


def test_litter_goes_when_it_is_old_and_stays_while_it_is_young(store, sweep):
    # Given a killed submit, young and old, a pruned folder, and a hidden file
    young, old, folder = (store.root / ".tmp" / name for name in ("a.submit", "b.submit", "c.pruned"))
    young.write_text("{}")
    old.write_text("{}")
    folder.mkdir()
    (folder / "log.txt").write_text("x")
    (store.root / ".tmp" / ".gitignore").write_text("*")
    for path in (old, folder, store.root / ".tmp" / ".gitignore"):
        os.utime(path, (os.stat(path).st_mtime - HOUR,) * 2)  # noqa: PTH116
    # When it is swept
    sweep.turn()
    # Then only what is old and ours is gone
    assert sorted(path.name for path in (store.root / ".tmp").iterdir()) == [".gitignore", "a.submit"]


def test_a_heartbeat_without_a_claim_goes(store, sweep):
    publish(store, {"request": {"command": ["true"]}})
    claimed = claim(store, find(store, "last").stem, "all")
    mine, stray = store.layout.beat(claimed.running), store.root / "running" / ".gone@host-a.all.00000000.beat"
    mine.touch()
    stray.touch()
    sweep.turn()
    assert mine.exists() and not stray.exists()


def test_a_claim_of_a_slot_that_nobody_holds_goes_back(store, sweep):
    # Given a claim under a slot that is not ours, older than a live owner's could be without a line in its history
    publish(store, {"request": {"command": ["true"]}, "max_attempts": 3})
    claim(store, find(store, "last").stem, "gpu7")
    store.clock = lambda: __import__("time").time() + 60
    # When somebody holds that slot, it stays
    fd = try_lock(lock_directory(None) / "gpu7.lock")
    sweep.turn()
    assert find(store, "last").state is State.RUNNING
    # When nobody does, it goes back with its attempt burnt
    os.close(fd)
    sweep.turn()
    assert find(store, "last").state is State.QUEUED


def test_a_claim_of_our_own_slot_is_left_to_its_runner(store, sweep):
    publish(store, {"request": {"command": ["true"]}})
    claim(store, find(store, "last").stem, "all")
    store.clock = lambda: __import__("time").time() + 60
    sweep.turn()
    assert find(store, "last").state is State.RUNNING
