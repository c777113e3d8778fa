"""What happened to a job, a line an event; attempts are counted from it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq import history
from tests.spooltest.users import close, without_rights

KEY = "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


def claimed(nonce: str) -> dict:
    return {"event": "claimed", "nonce": nonce}


def requeued(nonce: str, started: bool) -> dict:
    return {"event": "requeued", "nonce": nonce, "started": started}


def test_events_are_read_back_in_their_order(store):
    # Given a job without a run folder
    history.record(store, KEY, "admitted", dropped="ü.json", uid=7)
    # When two things happen to it
    history.record(store, KEY, "claimed", sync=True, nonce="a")
    # Then both are there, each with the moment
    first, second = history.events(store, KEY)
    assert (first["event"], first["dropped"], first["uid"]) == ("admitted", "ü.json", 7)
    assert (second["event"], second["nonce"]) == ("claimed", "a")
    assert first["at"] <= second["at"] and first["at"].endswith("+00:00")


def test_a_job_without_history_has_no_events(store):
    # Given a job without a run folder, When its events are asked for, Then there are none
    assert history.events(store, KEY) == []


def test_what_is_no_event_is_left_out(store):
    # Given a history with a torn line at its end, and lines that are no objects
    history.record(store, KEY, "claimed", nonce="a")
    with store.layout.run(KEY).history.open("ab") as file:
        file.write(b'[1]\n\n\xff\n"x"\n{"event": "star')
    # When it is read, Then only the whole events come
    assert [event["event"] for event in history.events(store, KEY)] == ["claimed"]


def test_a_torn_line_swallows_no_later_one(store):
    # Given a history whose last line a crash or a full disk has cut
    history.record(store, KEY, "claimed", nonce="a")
    with store.layout.run(KEY).history.open("ab") as file:
        file.write(b'{"event": "star')
    # When the next event is written, Then it can be read
    history.record(store, KEY, "adopted", nonce="b", of="a")
    assert [event["event"] for event in history.events(store, KEY)] == ["claimed", "adopted"]


def test_a_history_that_cannot_be_written_is_an_error(public_store):
    # Given a spool whose runs may not be written, When an event is recorded, Then the caller is told
    close(public_store.root)
    said = without_rights(lambda: history.record(public_store, KEY, "claimed", nonce="a"))
    assert said.startswith("PermissionError") and KEY in said


@pytest.mark.parametrize(
    ("past", "standing", "count"),
    [
        ([], None, 0),
        ([], "a", 1),
        ([claimed("a")], None, 1),
        ([claimed("a")], "a", 1),
        ([claimed("a")], "b", 2),
        ([claimed("a"), requeued("a", False)], None, 0),
        ([claimed("a"), requeued("a", False)], "b", 1),
        ([claimed("a"), requeued("a", True)], None, 1),
        ([requeued("a", False)], None, 0),
        ([claimed("a"), {"event": "reclaimed", "nonce": "a"}], None, 1),
        ([{"event": "reclaimed", "nonce": "a"}], None, 1),
        ([claimed("a"), {"event": "reclaimed", "nonce": "a"}, claimed("b")], "b", 2),
        ([claimed("a"), {"event": "adopted", "nonce": "b", "of": "a"}], None, 1),
        ([{"event": "started", "nonce": "a"}, {"event": "finished", "nonce": "a"}], None, 0),
    ],
)
def test_attempts_are_the_claims_less_those_given_back_unstarted(past, standing, count):
    # Given a history, When attempts are counted, Then a claim is one unless nothing was started
    assert history.attempts(past, standing) == count


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.sampled_from("abcde"))
def test_a_standing_claim_is_always_an_attempt(nonces, standing):
    # Given any claims, written down once or twice
    past = [claimed(nonce) for nonce in nonces]
    # When one stands, Then it counts once, whether its line was written or not
    assert history.attempts(past, standing) == len({*nonces, standing})


def test_the_newest_event_of_a_name_or_of_a_claim():
    # Given events of two claims, When the last is asked for, Then it is the newest that fits
    past = [
        {"event": "started", "nonce": "a", "pid": 1},
        {"event": "started", "nonce": "b", "pid": 2},
        {"event": "finished", "nonce": "b"},
    ]
    assert history.last(past, "started")["pid"] == 2
    assert history.last(past, "started", "a")["pid"] == 1
    assert history.last(past, "started", "c") is None
    assert history.last(past, "admitted") is None


def test_only_what_followed_the_last_retry_counts():
    # Given two retries, When attempts are counted since, Then only what followed the second counts
    past = [claimed("a"), {"event": "retried"}, claimed("b"), {"event": "retried"}, claimed("c")]
    assert history.since_retry(past) == past[3:]
    assert history.attempts(history.since_retry(past)) == 1
    assert history.since_retry(past[:1]) == past[:1]


def test_an_attempt_is_known_by_its_first_nonce_through_all_adoptions():
    # Given an attempt that was adopted twice, and another one beside it
    past = [
        claimed("a"),
        {"event": "adopted", "nonce": "b", "of": "a"},
        claimed("x"),
        {"event": "adopted", "nonce": "c", "of": "b"},
    ]
    # When its beginning is asked for, Then it is the nonce that its end record has
    assert history.origin(past, "c") == history.origin(past, "b") == history.origin(past, "a") == "a"
    assert history.origin(past, "x") == "x"


def test_lines_are_plain_json(store):
    # Given a reason with quotes and a newline, When it is recorded, Then it is one line of JSON
    history.record(store, KEY, "requeued", reason='a "b"\nc')
    (row,) = store.layout.run(KEY).history.read_text().splitlines()
    assert json.loads(row)["reason"] == 'a "b"\nc'
