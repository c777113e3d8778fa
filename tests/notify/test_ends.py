"""What has ended since the last look."""

import pytest

from spoolq.notify.ends import Ends, is_idle, is_recent
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, opened, retried, submitted


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ends(store, clock):
    return Ends(store, 30.0, clock)


def test_each_end_is_seen_once(store, ends):
    # Given ends before the first look, and one after it
    first = ended(store, submitted(store), "succeeded")
    second = ended(store, submitted(store), "exit")
    assert sorted(ends.look()) == [["completed", f"{first.stem.key}.json"], ["failed", f"{second.stem.key}.json"]]
    third = ended(store, submitted(store), "cancelled")
    # When it looks again and again, Then each is seen once
    assert ends.look() == [["cancelled", f"{third.stem.key}.json"]]
    assert ends.look() == ends.look() == []


def test_names_that_are_no_jobs_are_not_seen(store, ends):
    for name in ("notes.txt", ".hidden.json", "x.json"):
        (store.layout.state(State.FAILED) / name).write_text("{}")
    assert ends.look() == []


def test_a_job_that_was_retried_and_ended_between_two_looks_is_seen_again(store, ends):
    # Given a job that has failed and was seen
    entry = ended(store, submitted(store), "exit")
    assert len(ends.look()) == 1
    # When it is retried and fails again before the next look
    ended(store, retried(store, entry), "exit")
    # Then it is seen again, under the same name
    assert ends.look() == [["failed", f"{entry.stem.key}.json"]]


def test_what_came_within_one_tick_is_seen_in_the_next_look(store, ends, monkeypatch):
    # Given directories whose mtime tells nothing any more after the first change
    ends.look()
    ended(store, submitted(store), "exit")
    monkeypatch.setattr("spoolq.notify.ends._mtime", lambda _directory: 7)
    assert len(ends.look()) == 1
    # When another job ends in the same tick, Then it is seen all the same
    second = ended(store, submitted(store), "exit")
    assert ends.look() == [["failed", f"{second.stem.key}.json"]]


def test_the_timer_lists_whatever_the_mtimes_say(store, ends, clock, monkeypatch):
    monkeypatch.setattr("spoolq.notify.ends._mtime", lambda _directory: 7)
    for _ in range(3):
        ends.look()
    entry = ended(store, submitted(store), "exit")
    assert ends.look() == []
    clock.now += 31
    assert ends.look() == [["failed", f"{entry.stem.key}.json"]]


def test_idle_is_when_nothing_waits_and_nothing_runs(store):
    assert is_idle(store)
    stem = submitted(store)
    assert not is_idle(store)
    taken = claimed(store, stem)
    opened(store, taken)
    assert not is_idle(store)
    (store.layout.state(State.QUEUED) / ".hidden.json").write_text("{}")


def test_a_drop_that_is_not_admitted_yet_is_not_idle(store):
    store.layout.drop("x.json").write_text("{")
    assert not is_idle(store)


def test_recent_is_what_was_written_within_the_limit_and_an_hour(store):
    import os

    entry = ended(store, submitted(store), "exit")
    name = f"{entry.stem.key}.json"
    assert is_recent(store, State.FAILED, name, 60)
    old = store.clock() - 3700
    os.utime(store.layout.terminal(State.FAILED, entry.stem.key), (old, old))
    assert not is_recent(store, State.FAILED, name, 60)
    assert is_recent(store, State.FAILED, name, 600)
    assert not is_recent(store, State.FAILED, "gone.json", 60)
