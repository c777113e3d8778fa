"""Running jobs that stand still, by a clock that the test turns."""

import os

import pytest

from spoolq.notify.standing import Standing
from tests.notify.test_ends import Clock
from tests.spooltest.jobs import claimed, opened, submitted


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def running(store):
    taken = claimed(store, submitted(store))
    opened(store, taken)
    store.layout.beat(taken.running).touch()
    store.layout.run(taken.running.stem.key).log.write_text("begin\n")
    return taken.running


def test_a_heartbeat_that_stands_still_for_half_of_the_timeout_is_told_once(store, clock, running):
    # Given a running job, and the default heartbeat_timeout of 300 s
    standing = Standing(store, None, clock)
    assert standing.look() == []
    # When its heartbeat has not changed for less than half of that, Then nothing is told
    clock.now += 149
    assert standing.look() == []
    # When for more, Then that is told, once
    clock.now += 10
    assert standing.look() == [[str(running), "its heartbeat has stood still for 2m39s"]]
    clock.now += 100
    assert standing.look() == []


def test_a_heart_that_beats_is_not_told(store, clock, running):
    standing = Standing(store, None, clock)
    for beat in range(10):
        os.utime(store.layout.beat(running), (beat, beat))
        assert standing.look() == []
        clock.now += 100


def test_a_log_that_does_not_grow_is_told_only_if_asked_for(store, clock, running):
    silent, asked = Standing(store, None, clock), Standing(store, 60.0, clock)
    for beat in range(3):
        os.utime(store.layout.beat(running), (beat, beat))
        assert silent.look() == asked.look() == []
        clock.now += 25
    os.utime(store.layout.beat(running), (9, 9))
    assert silent.look() == []
    assert asked.look() == [[str(running), "its log has not grown for 1m15s"]]


@pytest.mark.parametrize("how", ["grows", "is another file"])
def test_a_log_that_moves_begins_anew(store, clock, running, how):
    standing = Standing(store, 60.0, clock)
    log = store.layout.run(running.stem.key).log
    standing.look()
    clock.now += 50
    if how == "grows":
        log.write_text("begin\nmore\n")
    else:
        other = log.with_name("other")
        other.write_text("begin\n")
        other.rename(log)
    standing.look()
    clock.now += 50
    assert standing.look() == []


def test_a_claim_that_is_gone_is_forgotten(store, clock, running):
    standing = Standing(store, 60.0, clock)
    standing.look()
    store.layout.running(running).unlink()
    clock.now += 1000
    assert standing.look() == [] and not standing._seen


def test_it_looks_no_oftener_than_it_needs_to(store, clock, running, monkeypatch):
    standing = Standing(store, 60.0, clock)
    looks = []
    monkeypatch.setattr(type(store), "names", lambda *given: looks.append(given) or [])
    for _ in range(10):
        standing.look()
        clock.now += 1
    assert len(looks) == 2
