"""Jobs that a gate holds are passed over, asked about again when that is worth it, and given back when claimed."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from spoolq import gates, history
from spoolq.attempt import accept
from spoolq.find import find
from spoolq.gate import Gate
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import State
from spoolq.upcoming import Upcoming
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, submitted


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Barrier(Gate):
    """A gate that a test opens and closes; it counts how often it is asked."""

    keys = ("num_gpus",)

    def __init__(self, shut=True):
        self.shut, self.asked = shut, 0

    def why_not(self, stem, document):
        self.asked += 1
        return f"waiting for {document['num_gpus']} GPUs" if self.shut else None


def taken(picks):
    found = picks.claim()
    return found and found.running.stem


def picks_of(store, *more, clock=time.monotonic):
    return Upcoming(store, "gpu0", print, clock, gates=gates.of(store, *more))


def woken(picks):
    """Something has happened, and what asking has cost is paid for."""
    picks.stale, picks._asked_until = True, 0.0


def in_a_while(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_job_that_is_held_is_passed_over_and_has_its_turn_when_the_gate_opens(store):
    # Given a job that a gate holds, and one behind it
    barrier = Barrier()
    picks = picks_of(store, barrier)
    first, second = submitted(store, num_gpus=2), submitted(store)
    # When they are claimed, Then the second is had, and then none; the first is still first
    assert [taken(picks), taken(picks)] == [second, None]
    assert store.names(State.QUEUED) == [f"{first}.json"]
    # When the gate opens and somebody wakes the runner, Then it is had
    barrier.shut = False
    woken(picks)
    assert taken(picks) == first


def test_a_job_that_no_gate_is_about_is_not_asked_about(store):
    # Given plain jobs, an envelope without the key, and one with it as null
    barrier = Barrier()
    picks = picks_of(store, barrier)
    stems = [submitted(store), submitted(store, timeout=3), submitted(store, num_gpus=None)]
    # When they are claimed, Then the gate was never asked
    assert [taken(picks) for _ in stems] == stems
    assert barrier.asked == 0


def test_a_key_that_is_written_with_escapes_counts(store):
    # Given an envelope whose key hides from who looks for its letters
    stem = submitted(store, num_gpus=2)
    path = store.layout.queued(stem)
    path.write_text(path.read_text().replace("num_gpus", "num\\u005fgpus"))
    # When it is asked for, Then it is held all the same
    assert taken(picks_of(store, Barrier())) is None


def test_a_bare_request_has_no_policy(store):
    # Given a bare request with a field of a gate's name
    stem = submitted(store)
    store.layout.queued(stem).write_text('{"command": ["true"], "num_gpus": 2}')
    # When it is asked for, Then it is claimed: whether the recipe takes that field is another matter
    assert taken(picks_of(store, Barrier())) == stem


def test_a_gate_that_asks_about_every_job_is_asked(store):
    # Given a gate without keys
    barrier = Barrier()
    barrier.keys, barrier.why_not = (), lambda stem, document: f"no slot {dict(document)}"
    submitted(store)
    # When a plain job is asked for, Then it holds it
    picks = picks_of(store, barrier)
    assert taken(picks) is None
    assert picks.gates.hold(find(store, "last").stem).why == "no slot {}"


def test_the_file_of_a_held_job_is_read_once(store, monkeypatch):
    # Given a held job that has been asked about
    barrier = Barrier()
    picks = picks_of(store, barrier)
    stem = submitted(store, num_gpus=2)
    assert taken(picks) is None
    # When its file cannot be read any more, Then it is held as before
    store.layout.queued(stem).chmod(0)
    monkeypatch.setattr(gates, "read_regular", None)
    woken(picks)
    assert taken(picks) is None
    assert barrier.asked == 2


def test_more_held_jobs_than_are_remembered_are_read_again(store, monkeypatch):
    # Given room for two
    monkeypatch.setattr(gates, "_REMEMBERED", 2)
    picks = picks_of(store, Barrier())
    for _ in range(5):
        submitted(store, num_gpus=2)
    # When five are held, twice, Then all are, and two are remembered
    for _ in range(2):
        woken(picks)
        assert taken(picks) is None
        assert len(picks.gates._held) == 2


def test_held_jobs_beyond_what_is_read_ahead_do_not_hide_those_behind(store, monkeypatch):
    # Given more held jobs than are read ahead
    monkeypatch.setattr("spoolq.upcoming._KEEP", 3)
    picks = picks_of(store, Barrier())
    for _ in range(10):
        submitted(store, num_gpus=2)
    last = submitted(store)
    # When one is claimed, Then it is the one behind them
    assert [taken(picks), taken(picks)] == [last, None]


def test_asking_again_may_cost_a_share_of_the_time_only(store):
    # Given held jobs that took a second to ask about
    clock = Clock()
    barrier = Barrier()
    slow = barrier.why_not
    barrier.why_not = lambda stem, document: (setattr(clock, "now", clock.now + 0.5), slow(stem, document))[1]
    picks = picks_of(store, barrier, clock=clock)
    held = [submitted(store, num_gpus=2) for _ in range(2)]
    assert taken(picks) is None
    # When wake-ups come one after another, Then they are not asked about again before twenty seconds have passed
    for _ in range(5):
        picks.stale = True
        assert taken(picks) is None
    assert barrier.asked == 2
    assert picks.patience() == pytest.approx(20.0)
    # but what arrives meanwhile is had at once
    stem = submitted(store)
    picks.stale = True
    assert taken(picks) == stem
    clock.now += 20.0
    barrier.shut = False
    assert [taken(picks) for _ in held] == held


def test_who_waits_for_a_time_is_woken_then_and_not_before(store):
    # Given a job that is not to run before a moment, and a runner that has looked
    stem = submitted(store, not_before=in_a_while(0.2))
    picks = picks_of(store)
    assert taken(picks) is None
    # When it asks how long to wait, Then until then
    patience = picks.patience()
    assert 0 < patience <= 0.2
    time.sleep(0.05)
    assert taken(picks) is None
    # When that has passed, Then the job is had, without a wake-up
    while (found := taken(picks)) is None:
        time.sleep(min(0.05, picks.patience()))
    assert found == stem
    assert store.clock() >= datetime.fromisoformat(_not_before(store, stem)).timestamp()


def _not_before(store, stem):
    from spoolq.jobs import describe

    return describe(store, find(store, stem.uuid))["not_before"]


def test_a_paused_runner_is_not_woken_for_what_is_held(store):
    # Given a held job whose time has come, while nothing is claimed because the queue is paused
    clock = Clock()
    submitted(store, not_before=in_a_while(10))
    picks = picks_of(store, clock=clock)
    assert taken(picks) is None
    assert picks.patience() < 11
    clock.now += 20
    # When the runner asks how long to wait, Then as long as it likes: it must not spin
    assert picks.patience() == float("inf")


def test_a_held_job_that_was_claimed_unseen_goes_back_unburnt_and_is_held(store):
    # Given a job that was claimed while its gate was open
    barrier = Barrier(shut=False)
    picks = picks_of(store, barrier)
    stem = submitted(store, num_gpus=2)
    found = picks.claim()
    # When the gate has shut before it is run, Then it is back in its place, its attempt not burnt
    barrier.shut = True
    assert picks.left(found.running, accept(store, found)) == float("inf")
    assert store.names(State.QUEUED) == [f"{stem}.json"]
    past = history.events(store, stem.key)
    assert history.attempts(past) == 0
    assert past[-1]["reason"] == "waiting for 2 GPUs"
    # and it is not claimed again while it is held
    assert taken(picks) is None
    barrier.shut = False
    woken(picks)
    assert taken(picks) == stem


def test_a_job_that_nothing_holds_is_kept(store):
    picks = picks_of(store)
    submitted(store)
    found = picks.claim()
    assert picks.left(found.running, accept(store, found)) is None


def test_a_hint_about_a_held_job_changes_nothing(store):
    # Given a held job, and others behind it that have been read
    barrier = Barrier()
    picks = picks_of(store, barrier)
    held, *rest = submitted(store, num_gpus=1), submitted(store), submitted(store), submitted(store)
    assert taken(picks) == rest[0]
    # When its name is told, Then it is not asked about again
    picks.hint(f"{held}.json")
    assert [taken(picks), taken(picks), taken(picks)] == [*rest[1:], None]
    assert barrier.asked == 1


def test_an_end_on_this_slot_lets_a_waiting_job_go_first(store):
    # Given a parent, its child, and another job, all read ahead
    picks = picks_of(store)
    parent = submitted(store)
    child, other = submitted(store, after=[parent.uuid]), submitted(store)
    third = submitted(store)
    first = picks.claim()
    assert first.running.stem == parent
    assert taken(picks) == other
    # When the parent has completed, Then the child goes before those behind it
    conclude_as(store, opened(store, first), "succeeded")
    picks.finished()
    picks._cost = picks._asked_until = 0.0
    assert [taken(picks), taken(picks)] == [child, third]


class TestReason:
    def test_a_plain_job_waits_for_its_turn_only(self, store):
        stem = submitted(store)
        assert gates.reason(store, stem, {"request": {}}) is None

    def test_it_names_the_moment(self, store):
        stem = submitted(store, not_before="2999-01-01T00:00:00+01:00")
        document = {"not_before": "2999-01-01T00:00:00+01:00"}
        assert gates.reason(store, stem, document) == "not before 2999-01-01T00:00:00+01:00"

    def test_it_takes_a_record(self, store):
        from spoolq.jobs import describe

        parent = submitted(store)
        child = submitted(store, after=[parent.uuid])
        record = describe(store, find(store, child.uuid))
        assert gates.reason(store, child, record) == f"after {parent.uuid[:8]} (queued)"
        claimed(store, parent)
        assert gates.reason(store, child, record) == f"after {parent.uuid[:8]} (running)"

    def test_a_parent_that_is_done_is_not_named(self, store):
        done, waiting, other = (submitted(store) for _ in range(3))
        ended(store, done)
        document = {"after": [done.uuid, waiting.uuid, other.uuid]}
        child = submitted(store, **document)
        assert gates.reason(store, child, document) == f"after {waiting.uuid[:8]} (queued) and 1 more"

    def test_it_says_when_the_next_attempt_is_due(self, store):
        stem = submitted(store, backoff=90)
        due = in_a_while(90)
        history.record(store, stem.key, "reclaimed", nonce="ab", attempt=1, reason="exit", due=due)
        assert gates.reason(store, stem, {"backoff": 90.0}) in ("retry in 1m30s", "retry in 1m29s")

    def test_a_persons_retry_is_at_once(self, store):
        stem = submitted(store, backoff=90)
        history.record(store, stem.key, "reclaimed", nonce="ab", attempt=1, reason="exit", due=in_a_while(90))
        history.record(store, stem.key, "retried", by=os.getuid(), of="x")
        assert gates.reason(store, stem, {"backoff": 90.0}) is None

    def test_where_the_operator_sets_a_pause_each_history_is_looked_at(self, store):
        stem = submitted(store)
        history.record(store, stem.key, "reclaimed", nonce="ab", attempt=1, reason="exit", due=in_a_while(90))
        assert gates.reason(store, stem, {}) is None
        strict = Store(store.root, settings=Settings(backoff=60.0))
        assert gates.reason(strict, stem, {}).startswith("retry in 1m")

    @pytest.mark.parametrize("value", ["soon", 3, "2999-01-01T00:00:00", ["x"], ""])
    def test_what_is_no_moment_holds_nothing(self, store, value):
        # Given a file of the drop box, When its gate is asked, Then it opens: the claim refuses the file
        assert gates.reason(store, submitted(store), {"not_before": value}) is None

    def test_a_directory_that_is_gone_is_a_reason(self, store):
        child = submitted(store, after=[submitted(store).uuid])
        store.layout.state(State.COMPLETED).rmdir()
        document = {"after": ["1b4e28ba-2fa1-4d2b-883f-0016d3cca427"]}
        assert gates.reason(store, child, document) == "its parents cannot be looked for"
