"""Listings that are made anew when a directory has changed, and never believed against the disk."""

import os
import threading
from collections import Counter

import pytest

from spoolq.errors import JobNotFound
from spoolq.names import new_stem
from spoolq.people import cancel
from spoolq.server import view
from spoolq.server.view import View
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, submitted
from tests.spooltest.waiting import wait_for


@pytest.fixture
def looks(store, monkeypatch) -> Counter:
    """How often each directory is listed."""
    counted: Counter = Counter()
    names = store.names

    def counting(state: State) -> list[str]:
        counted[state] += 1
        return names(state)

    monkeypatch.setattr(store, "names", counting)
    return counted


def rested(store, state: State = State.QUEUED) -> None:
    """Wait until the directory's mtime is old enough to prove that nothing has changed since."""
    import time

    wait_for(lambda: time.time() - store.layout.state(state).stat().st_mtime > 2 * view._RACY_S)


def test_one_listing_serves_all_who_ask_while_nothing_changes(store, looks):
    # Given a queue that rests
    stems = [submitted(store) for _ in range(3)]
    rested(store)
    seen = View(store)
    # When its listing and positions are asked for many times
    for _ in range(50):
        assert seen.listing(State.QUEUED).names == [f"{stem}.json" for stem in stems]
        assert [seen.position(stem) for stem in stems] == [0, 1, 2]
    # Then the directory was listed once
    assert looks[State.QUEUED] == 1


def test_what_somebody_else_queues_is_seen_at_the_next_look(store):
    # Given a view that has listed the queue
    seen = View(store)
    for count in range(1, 20):
        # When another process queues a job, within the same tick of the clock or not
        stem = submitted(store)
        # Then it is there as soon as the short memory of a listing is over
        wait_for(lambda stem=stem: stem.uuid in seen.listing(State.QUEUED).places, 1)
        assert len(seen.listing(State.QUEUED).names) == count


def test_a_fresh_look_is_fresh_at_once(store):
    seen = View(store)
    for _ in range(20):
        seen.listing(State.QUEUED)
        stem = submitted(store)
        assert stem.uuid in seen.listing(State.QUEUED, fresh=True).places


def test_a_job_is_found_wherever_it_has_gone_since_the_listing(store):
    # Given a view that believes a job queued
    seen, stem = View(store), submitted(store)
    assert seen.find(stem.uuid).state is State.QUEUED
    # When it is claimed and ends, Then it is found there, also by who asks for an id that the listing never had
    taken = claimed(store, stem)
    seen.moved()
    assert seen.find(stem.uuid).claim == taken.running.claim
    other = submitted(store)
    assert seen.find(other.uuid).stem == other
    cancel(store, seen.find(other.uuid))
    seen.moved()
    assert seen.find(other.uuid).state is State.CANCELLED
    third = ended(store, submitted(store))
    assert seen.find(third.stem.uuid).state is State.COMPLETED


def test_only_a_fresh_look_says_that_there_is_no_such_job(store, looks):
    seen = View(store)
    rested(store)
    with pytest.raises(JobNotFound):
        seen.find("1b4e28ba-2fa1-4d2b-883f-0016d3cca427")
    assert all(looks[state] >= 2 for state in State)


def test_a_job_of_our_own_has_its_place_without_a_listing(store, looks):
    # Given a queue with one job before and one behind
    first, last = submitted(store), submitted(store, "low")
    seen = View(store)
    seen.listing(State.QUEUED)
    # When we queue one and say so
    mine = submitted(store)
    assert seen.added(mine) == 1
    assert seen.added(mine) == 1
    # Then nothing was listed for that, and the next listing agrees
    assert looks[State.QUEUED] == 1
    names = [f"{stem}.json" for stem in (first, mine, last)]
    assert seen.listing(State.QUEUED).names == names
    assert seen.listing(State.QUEUED, fresh=True).names == names


def test_names_that_are_no_jobs_are_not_listed(store):
    for name in ("drop.json", ".hidden.json", "x.txt"):
        (store.layout.state(State.QUEUED) / name).write_text("{}")
    assert View(store).listing(State.QUEUED).names == []


def test_many_who_ask_at_once_share_a_look(store, looks):
    # Given a slow listing that eight threads ask for at once
    names, began = store.names, threading.Barrier(8)

    def slow(state: State) -> list[str]:
        threading.Event().wait(0.02)
        return names(state)

    store.names = slow
    seen = View(store)

    def ask() -> None:
        began.wait()
        seen.listing(State.QUEUED, fresh=True)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then the first look serves who came before it began, and one more all others
    assert looks[State.QUEUED] <= 2


def test_a_deep_queue_that_keeps_changing_costs_a_share_of_the_time(store, looks):
    # Given a queue whose listing takes a second by the view's clock
    now = [0.0]
    seen = View(store, lambda: now[0])
    names = store.names

    def slow(state: State) -> list[str]:
        now[0] += 1.0
        return names(state)

    store.names = slow
    seen.listing(State.QUEUED)
    # When it changes, Then it is listed again only after five times as long
    os.close(os.open(store.layout.queued(new_stem(store.next_stamp())), os.O_CREAT | os.O_WRONLY))
    now[0] += 3.9
    assert seen.listing(State.QUEUED).names == []
    now[0] += 0.2
    assert len(seen.listing(State.QUEUED).names) == 1


def test_the_first_job_that_a_view_hears_of_has_its_place(store):
    # Given a queue of two, and a view that has looked at nothing yet, When we queue one, Then it knows the two
    submitted(store), submitted(store)
    assert View(store).added(submitted(store)) == 2


def test_all_five_are_seen_in_the_order_of_a_jobs_life(store):
    # Given a job that is claimed just after `queued` was read, and a view that has seen `running` before
    seen, stem = View(store), submitted(store)
    seen.listing(State.RUNNING)
    names = store.names

    def late(state):
        found = names(state)
        if state is State.QUEUED:
            store.names = names
            claimed(store, stem)
        return found

    store.names = late
    # When all five are looked at, Then it is in two of them, and never in none
    found = seen.all()
    assert [state for state in State if stem.uuid in found[state].places] == [State.QUEUED, State.RUNNING]


def test_all_five_are_as_they_are_now(store):
    seen = View(store)
    for count in range(1, 30):
        submitted(store)
        assert len(seen.all()[State.QUEUED].names) == count


def test_all_five_of_a_deep_spool_cost_a_share_of_the_time(store, looks, monkeypatch):
    # Given looks that cost a tenth of a second each, by the processor's clock
    spent, now = [0.0], [0.0]
    monkeypatch.setattr(view.time, "thread_time", lambda: spent.__setitem__(0, spent[0] + 0.1) or spent[0])
    seen = View(store, lambda: now[0])
    seen.all()
    # When jobs come all the while, Then it looks again when half a second is over, or when the job is our own
    now[0] = 0.4
    submitted(store)
    assert seen.all()[State.QUEUED].names == []
    now[0] = 0.6
    assert len(seen.all()[State.QUEUED].names) == 1
    now[0] = 0.7
    seen.added(submitted(store))
    assert len(seen.all()[State.QUEUED].names) == 2
    seen.moved()
    submitted(store)
    assert len(seen.all()[State.QUEUED].names) == 3
