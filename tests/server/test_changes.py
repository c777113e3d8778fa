"""Which jobs have changed, and in which order: looks at the directories."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

from spoolq.find import find
from spoolq.people import cancel, prioritise
from spoolq.prune import prune
from spoolq.server.changes import Changes
from spoolq.server.facts import path_of
from spoolq.server.view import View
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, retried, submitted
from tests.spooltest.waiting import wait_for


def watched(store, written=lambda _entry: True, **options):
    return Changes(View(store), written, **options)


def told(changes):
    """What is told by looks until nothing waits: (id, state) in order."""
    found = [(change.entry.stem.uuid, change.entry.state) for change in changes.look()]
    while changes.waiting:
        found += [(change.entry.stem.uuid, change.entry.state) for change in changes.look()]
    return found


def test_what_was_there_before_is_not_told(store):
    submitted(store), ended(store, submitted(store))
    assert told(watched(store)) == []


def test_every_move_is_told_once_with_its_time(store):
    # Given a job that is watched from before it is there
    changes, stem = watched(store), submitted(store)
    assert told(changes) == [(stem.uuid, State.QUEUED)]
    # When it is reordered, claimed, ends and is retried, Then each is told, and nothing twice
    stem = prioritise(store, find(store, stem.uuid), "high")
    assert told(changes) == [(stem.uuid, State.QUEUED)]
    entry = ended(store, stem, "exit")
    assert told(changes) == [(stem.uuid, State.FAILED)]
    stem = retried(store, entry)
    assert told(changes) == [(stem.uuid, State.QUEUED)]
    claimed(store, stem)
    changes.look()
    (change,) = changes.look()
    assert change.entry.state is State.RUNNING
    assert change.at == path_of(store, change.entry).lstat().st_ctime_ns
    assert told(changes) == []


def test_what_a_look_finds_is_told_after_the_next_one(store):
    changes, stem = watched(store), submitted(store)
    assert changes.look() == []
    assert changes.waiting
    assert [change.entry.stem for change in changes.look()] == [stem]
    assert not changes.waiting


def test_a_job_that_the_look_missed_is_told_before_one_that_moved_later(store):
    # Given a look that reads `queued` before the first job comes, and `completed` after a second has ended
    first, second, early = None, submitted(store), View(store)
    changes = Changes(early, lambda _entry: True)
    proven = early.proven

    def slow(state):
        nonlocal first
        listing = proven(state)
        if state is State.QUEUED and first is None:
            first = submitted(store)
            ended(store, second)
        return listing

    early.proven = slow
    # When what it found is told, Then the first is told too, and before the second
    assert changes.look() == []
    early.proven = proven
    assert [change.entry.stem.uuid for change in changes.look()] == [first.uuid, second.uuid]


def test_the_order_is_that_of_the_moves(store):
    changes, stems = watched(store), [submitted(store) for _ in range(20)]
    told(changes)
    random.Random(7).shuffle(stems)
    for stem in stems:
        cancel(store, find(store, stem.uuid))
    times = {stem.uuid: path_of(store, find(store, stem.uuid)).lstat().st_ctime_ns for stem in stems}
    order = [uuid for uuid, _ in told(changes)]
    assert sorted(order) == sorted(times)
    assert [times[uuid] for uuid in order] == sorted(times.values())


def test_an_end_is_told_when_its_record_is_there(store):
    # Given an ended job whose record is not written yet
    whole = set()
    changes, stem = watched(store, lambda entry: entry.stem.uuid in whole), submitted(store)
    told(changes)
    ended(store, stem)
    # When looks are made, Then it is told only once the record is there
    assert [changes.look() for _ in range(5)] == [[]] * 5
    whole.add(stem.uuid)
    assert told(changes) == [(stem.uuid, State.COMPLETED)]


def test_an_end_whose_record_never_comes_is_told_all_the_same(store):
    now = [0.0]
    changes = watched(store, lambda _entry: False, clock=lambda: now[0])
    stem = ended(store, submitted(store)).stem
    assert [changes.look() for _ in range(3)] == [[]] * 3
    now[0] = 2.5
    assert told(changes) == [(stem.uuid, State.COMPLETED)]


def test_since_tells_each_job_once_as_it_is_now(store):
    # Given jobs that moved at three times
    old = ended(store, submitted(store)).stem
    changes, first = watched(store), submitted(store)
    changes.look()
    (change,) = changes.look()
    later = ended(store, submitted(store)).stem
    cancel(store, find(store, first.uuid))
    told(changes)
    # When what changed since the first is asked for
    found = [(change.entry.stem.uuid, change.entry.state) for change in changes.since(change.at)]
    # Then it is there as it is now, with what came after it, in the order of the changes
    assert found == [(later.uuid, State.COMPLETED), (first.uuid, State.CANCELLED)]
    # And a server that begins now tells the same, and all of it from the beginning
    fresh = watched(store)
    fresh.look()
    assert [(change.entry.stem.uuid, change.entry.state) for change in fresh.since(change.at)] == found
    assert next(change.entry.stem.uuid for change in fresh.since(0)) == old.uuid
    # And what was pruned meanwhile is no longer told
    prune(store, keep=0)
    told(fresh)
    assert fresh.since(0) == []


def test_begun_is_before_all_that_comes_after(store):
    for _ in range(20):
        changes, stem = watched(store), submitted(store)
        assert path_of(store, find(store, stem.uuid)).lstat().st_ctime_ns >= changes.begun


def test_nothing_is_missed_while_others_move(store):
    # Given a thread that submits jobs and ends them as fast as it can
    changes, seen, stop = watched(store), {}, threading.Event()

    def busy():
        while not stop.is_set():
            ended(store, submitted(store), "exit")

    # When looks go on meanwhile, and until nothing waits
    with ThreadPoolExecutor(1) as others:
        moves = others.submit(busy)
        try:
            wait_for(lambda: seen.update(told(changes)) or len(seen) > 30)
        finally:
            stop.set()
        moves.result()
    seen.update(told(changes))
    # Then every job was told as what it is
    assert {uuid: state for state in State for uuid in View(store).listing(state).places} == seen
