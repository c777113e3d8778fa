"""What lmms-eval's dialect forgets: the oldest ended jobs, at each finish; all from records, alike on every server."""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest

from spoolq.find import find
from spoolq.jobs import Entry, blank
from spoolq.names import Stem, format_stamp, new_uuid
from spoolq.people import cancel, retry
from spoolq.server import lmms_kept
from spoolq.server.lmms_kept import Kept
from spoolq.server.view import View
from spoolq.transitions import TERMINAL, State
from tests.server.dialect import REQUEST, entry, taken
from tests.spooltest.jobs import conclude_as, submitted

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def put(store, state: State, minute: float, *, ran: bool = True) -> Entry:
    """An ended job as a record on disk, that ended so many minutes after BEGAN; submitted long before."""
    at = (BEGAN + timedelta(minutes=minute)).isoformat(timespec="microseconds")
    stem = Stem("", format_stamp(BEGAN - timedelta(days=1, minutes=minute)), new_uuid())
    record = {
        **blank(store, state, stem), "request": REQUEST, "recipe": "lmms-eval", "outcome": "succeeded",
        "started_at": at if ran else None, "completed_at": at,
    }  # fmt: skip
    store.layout.terminal(state, stem.key).write_text(json.dumps(record))
    return Entry(state, stem)


def kept(store, most: int | None) -> Kept:
    return Kept(store, View(store), most)


def seen(store, most: int | None, entries: list[Entry]) -> list[bool]:
    """Which of *entries* a server that has just begun finds."""
    visible = kept(store, most).look()
    return [visible.has(entry) for entry in entries]


def test_all_are_found_where_nobody_says_how_many(store):
    entries = [put(store, state, minute) for minute, state in enumerate([*TERMINAL, *TERMINAL])]
    visible = kept(store, None).known()
    assert visible is not None and all(visible.has(entry) for entry in entries)
    assert (visible.completed, visible.failed, visible.forgotten()) == (2, 2, [])


def test_the_newest_by_their_end_are_found(store):
    # Given ends out of the order of submission
    entries = [put(store, State.COMPLETED, minute) for minute in (5, 1, 4, 2, 3)]
    # When two are kept, Then they are those that ended last
    assert seen(store, 2, entries) == [True, False, True, False, False]
    visible = kept(store, 2).look()
    assert (visible.completed, visible.failed) == (2, 0)
    assert visible.forgotten() == [entries[1], entries[3], entries[4]]


def test_all_three_states_count_and_only_two_are_counted_out(store):
    entries = [put(store, state, minute) for minute, state in enumerate([*TERMINAL, *TERMINAL])]
    # When five of six are kept, Then the oldest has gone from the counts too
    visible = kept(store, 5).look()
    assert [visible.has(entry) for entry in entries] == [False] + [True] * 5
    assert (visible.completed, visible.failed) == (1, 2)


def test_a_cancel_of_a_queued_job_forgets_nothing_until_the_next_finish(store):
    # Given five cancels of queued jobs while one runs
    cancels = [put(store, State.CANCELLED, minute, ran=False) for minute in range(1, 6)]
    # When two are kept, Then all five are found: nothing has finished
    assert seen(store, 2, cancels) == [True] * 5
    # When the running one finishes, Then it and the newest cancel are left
    finish = put(store, State.FAILED, 10)
    assert seen(store, 2, [*cancels, finish]) == [False] * 4 + [True, True]
    # When more are cancelled after that, Then they are found beside
    later = [put(store, State.CANCELLED, minute, ran=False) for minute in (11, 12, 13)]
    assert seen(store, 2, [*cancels, finish, *later]) == [False] * 4 + [True] * 5
    # until the next finish
    last = put(store, State.COMPLETED, 20)
    assert seen(store, 2, [*cancels, finish, *later, last]) == [False] * 8 + [True, True]


def test_a_job_that_was_cancelled_while_it_ran_has_finished(store):
    entries = [put(store, State.CANCELLED, minute, ran=True) for minute in (1, 2, 3)]
    assert seen(store, 1, entries) == [False, False, True]


def test_ends_of_the_same_moment_have_an_order(store):
    entries = [put(store, State.COMPLETED, 1) for _ in range(4)]
    found = seen(store, 2, entries)
    assert sorted(found) == [False, False, True, True] and found == seen(store, 2, entries)


def test_what_is_moved_is_seen_by_a_server_that_has_looked(store):
    # Given a server that has looked at three, and keeps two
    entries = [entry(store, "exit") for _ in range(3)]
    server = kept(store, 2)
    assert [server.look().has(job) for job in entries] == [False, True, True]
    # When the oldest is retried and ends anew, Then it is the newest
    retry(store, entries[0])
    assert [server.look().has(job) for job in entries[1:]] == [True, True]
    conclude_as(store, taken(store), "exit")
    assert [server.look().has(job) for job in entries] == [True, False, True]


def test_a_record_that_is_read_once_is_read_no_more(store, monkeypatch):
    # Given a server that has looked at a hundred
    for minute in range(100):
        put(store, State.COMPLETED, minute)
    server = kept(store, 10)
    read: list[str] = []
    real = lmms_kept.terminal_record
    monkeypatch.setattr(lmms_kept, "terminal_record", lambda path: read.append(path.name) or real(path))
    server.look()
    assert len(read) == 100
    # When one more ends, Then that alone is read
    new = put(store, State.FAILED, 200)
    assert server.look().has(new)
    assert read[100:] == [f"{new.stem.key}.json"]


def test_an_end_whose_record_is_not_written_has_not_happened(store):
    # Given a file that was moved, and whose record is still under way
    older = [put(store, State.COMPLETED, minute) for minute in (1, 2)]
    stem = submitted(store)
    path = store.layout.terminal(State.COMPLETED, stem.key)
    store.layout.queued(stem).rename(path)
    # When one is kept, Then the newest record decides, and that job is found
    assert seen(store, 1, [*older, Entry(State.COMPLETED, stem)]) == [False, True, True]


def test_ten_thousand_are_looked_through_in_no_time_once_they_are_read(store):
    # Given many ended jobs
    template = put(store, State.COMPLETED, 0)
    text = store.layout.terminal(State.COMPLETED, template.stem.key).read_text()
    for minute in range(10_000):
        stem = Stem("", format_stamp(BEGAN + timedelta(seconds=minute)), new_uuid())
        store.layout.terminal(State.COMPLETED, stem.key).write_text(text.replace(template.stem.uuid, stem.uuid))
    server = kept(store, 100)
    visible = server.look()
    assert visible.completed == 100
    # When nothing changes, Then to look again is a matter of a few system calls: a thousand looks in a second at most
    time.sleep(0.05)
    server.look()
    began = time.perf_counter()
    for _ in range(1000):
        assert server.known() is not None
    assert time.perf_counter() - began < 1.0
    shutil.rmtree(store.root)


@pytest.mark.parametrize("most", [1, 2])
def test_two_servers_and_a_new_one_agree(lmms_servers, store, most):
    # Given two servers of a spool, a running job, and five that are cancelled meanwhile
    one, two = lmms_servers(max_completed_jobs=most), lmms_servers(max_completed_jobs=most)
    running = one.submit()
    attempt = taken(store)
    cancelled = [two.submit() for _ in range(5)]
    for job in cancelled:
        one.cancel(job)
    # When they are asked before the running one ends, Then all five are found on both
    assert one.found(cancelled) == two.found(cancelled) == [True] * 5
    conclude_as(store, attempt, "succeeded")
    # and after it, the same few on both and on a third that knew nothing before
    expected = [False] * (6 - most) + [True] * (most - 1)
    three = lmms_servers(max_completed_jobs=most)
    for server in (one, two, three):
        assert server.found(cancelled) == expected
        assert server.job(running)["status"] == "completed"
        assert server.queue()["completed_jobs"] == 1
    # What is forgotten cannot be cancelled either, and is on disk all the same.
    assert one.cancel(cancelled[0], 404) == {"detail": f"Job {cancelled[0]} not found"}
    assert find(store, cancelled[0]).state is State.CANCELLED


def test_what_is_forgotten_is_still_the_operators(lmms_servers, store):
    lmms = lmms_servers(max_completed_jobs=1)
    old, new = entry(store, "exit"), entry(store, "exit")
    assert lmms.found([old.stem.uuid, new.stem.uuid]) == [False, True]
    assert lmms.queue()["failed_jobs"] == 1
    # When it is retried, Then it is a queued job again, and found
    retry(store, old)
    assert lmms.job(old.stem.uuid)["status"] == "queued"
    cancel(store, find(store, old.stem.uuid))
    assert lmms.job(old.stem.uuid)["status"] == "cancelled"
