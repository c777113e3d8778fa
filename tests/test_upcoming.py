"""What a runner claims next: the scan is the truth, a name that arrives is a hint."""

import pytest

from spoolq.names import parse_queued
from spoolq.upcoming import Upcoming


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def _name(number, priority=""):
    return f"{priority}20261120T12073{number}.000000Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca42{number}.json"


def _put(store, *names):
    for name in names:
        (store.root / "queued" / name).write_text("{}")


def test_names_come_in_order_of_service_and_what_is_no_stem_never(store, clock):
    _put(store, _name(2), _name(1), _name(3, "0-"), _name(0, "9-"), "drop.json", ".hidden.json", "notes.txt")
    upcoming = Upcoming(store, clock)
    order = [_name(3, "0-"), _name(1), _name(2), _name(0, "9-")]
    assert [upcoming.next() for _ in order] == [parse_queued(name) for name in order]


def test_a_name_that_arrives_takes_its_place_without_a_scan(store, clock):
    # Given a queue that has been read, and may not be read again soon
    upcoming = Upcoming(store, clock)
    _put(store, _name(1), _name(2), _name(5))
    assert upcoming.next() == parse_queued(_name(1))
    upcoming._scan_cost = 1e9
    # When three arrive: an urgent one, one between, one that is known; and what is no job
    upcoming.stale = True
    for name in (_name(3, "0-"), _name(4), _name(2), "drop.json", "", _name(1)[:-9]):
        upcoming.hint(name)
    # Then each stands in its place, once
    (store.root / "queued" / _name(1)).unlink()
    heads = [upcoming.next() for _ in range(4)]
    assert heads == [parse_queued(n) for n in (_name(3, "0-"), _name(2), _name(4), _name(5))]


def test_a_hint_beyond_what_was_read_waits_for_the_scan(store, clock):
    # Given a list of one that ends before the hint: there may be others between
    upcoming = Upcoming(store, clock)
    _put(store, _name(1), _name(2))
    upcoming.next()
    _put(store, _name(3), _name(4))
    upcoming.hint(_name(4))
    # Then the order is the directory's
    (store.root / "queued" / _name(1)).unlink()
    assert upcoming.next() == parse_queued(_name(2))
    (store.root / "queued" / _name(2)).unlink()
    assert upcoming.next() == parse_queued(_name(3))


def test_a_wake_up_rescans_only_when_the_last_scan_has_paid_for_itself(store, clock):
    # Given a scan that cost a second
    upcoming = Upcoming(store, clock)
    _put(store, _name(1), _name(2))
    upcoming.next()
    upcoming._scan_cost = 1.0
    _put(store, _name(0))
    upcoming.stale = True
    # When less than twenty seconds have passed, the next comes from the list
    clock.now += 19.9
    assert upcoming.next() == parse_queued(_name(2))
    # And after that, from the directory; a list that has run out is filled at once
    upcoming.hint(_name(0))
    assert upcoming.next() == parse_queued(_name(0))


def test_what_is_forgotten_is_read_again(store, clock):
    upcoming = Upcoming(store, clock)
    _put(store, _name(1), _name(2))
    assert upcoming.next() == parse_queued(_name(1))
    upcoming.forget()
    assert upcoming.next() == parse_queued(_name(1))
