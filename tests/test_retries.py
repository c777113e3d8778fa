"""Which outcomes are tried again, how often, and after what pause."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq import history
from spoolq.attempt import conclude_once
from spoolq.find import find
from spoolq.jobs import describe
from spoolq.orders import End
from spoolq.people import retry
from spoolq.retries import MOST_BACKOFF_S, due_at, is_covered, moment, pause_before
from spoolq.transitions import RETRY_ON, State, is_retry_on
from tests.spooltest.jobs import claimed, opened, say, submitted


def _end(attempt, **facts):
    now = datetime.now(UTC).isoformat()
    return End(attempt.origin, now, now, **facts)


@pytest.mark.parametrize(
    ("retry_on", "outcome", "code", "covered"),
    [
        (["lost"], "lost", None, True),
        (["lost"], "exit", 1, False),
        (["exit"], "exit", 1, True),
        (["exit"], "exit", 2, False),  # it was called wrongly
        (["exit:2"], "exit", 2, True),
        (["exit:75"], "exit", 75, True),
        (["exit:75"], "exit", 7, False),
        (["exit:75"], "signal", 75, False),
        (["oom"], "oom", 1, True),
        (["exit", "signal"], "oom", 1, False),
        (["idle"], "idle", None, True),
        (list(RETRY_ON), "invalid", None, False),
        (list(RETRY_ON), "dependency_failed", None, False),
        (list(RETRY_ON), "cancelled", None, False),
        ([], "lost", None, False),
    ],
)
def test_what_retry_on_covers(retry_on, outcome, code, covered):
    assert is_covered(retry_on, outcome, code) is covered


@given(st.integers(-10, 1000))
def test_an_exit_code_that_can_be_listed_is_one_that_a_failed_process_can_have(code):
    assert is_retry_on(f"exit:{code}") is (1 <= code <= 255)


@pytest.mark.parametrize("text", ["", "exit:", "exit:075", "exit:7 ", "exit:७", "Exit:7", "done", 7, None, ["exit"]])
def test_nothing_else_can_be_listed(text):
    assert not is_retry_on(text)


@given(st.floats(0, 1e9), st.integers(0, 10**6))
def test_a_pause_doubles_and_is_capped(backoff, attempts):
    # Given a first pause and a number of attempts, When the next pause is asked for
    pause = pause_before(backoff, attempts)
    # Then it is the first one doubled that often, never over an hour unless the first one is
    assert backoff <= pause <= max(backoff, MOST_BACKOFF_S)
    assert pause_before(backoff, attempts + 1) >= pause
    if attempts == 2 and backoff * 2 <= MOST_BACKOFF_S:
        assert pause == 2 * backoff


def test_the_moment_is_kept_in_the_history_and_doubles(store):
    # Given a job that failed and may run again after a pause
    stem = submitted(store, max_attempts=3, retry_on=["exit"], backoff=100)
    pauses = []
    for _ in range(2):
        attempt = opened(store, claimed(store, stem))
        before = time.time()
        assert conclude_once(store, attempt, _end(attempt, exit_code=1), say) is None
        pauses.append(due_at(history.events(store, stem.key)).timestamp() - before)
    # Then the second pause is twice the first
    assert pauses == pytest.approx([100, 200], abs=5)
    # and after the third attempt it has failed
    attempt = opened(store, claimed(store, stem))
    assert conclude_once(store, attempt, _end(attempt, exit_code=1), say).outcome == "exit"
    # When a person asks for a retry, Then there is no pause, and the count begins anew
    retry(store, find(store, stem.uuid))
    assert due_at(history.events(store, stem.key)) is None
    attempt = opened(store, claimed(store, stem))
    before = time.time()
    assert conclude_once(store, attempt, _end(attempt, exit_code=1), say) is None
    assert due_at(history.events(store, stem.key)).timestamp() - before == pytest.approx(100, abs=5)


def test_without_a_pause_the_history_says_nothing_of_one(store):
    stem = submitted(store, max_attempts=2, retry_on=["exit"])
    attempt = opened(store, claimed(store, stem))
    assert conclude_once(store, attempt, _end(attempt, exit_code=1), say) is None
    assert "due" not in history.events(store, stem.key)[-1]
    assert due_at(history.events(store, stem.key)) is None


def test_a_code_that_is_listed_is_tried_again_and_others_are_not(store):
    # Given a job that is tried again after 75 only
    stem = submitted(store, max_attempts=5, retry_on=["exit:75"])
    attempt = opened(store, claimed(store, stem))
    assert conclude_once(store, attempt, _end(attempt, exit_code=75), say) is None
    # When it exits with another code, Then it has failed
    attempt = opened(store, claimed(store, stem))
    assert conclude_once(store, attempt, _end(attempt, exit_code=1), say).outcome == "exit"
    assert describe(store, find(store, stem.uuid))["status"] == State.FAILED


@pytest.mark.parametrize("outcome", ["idle", "oom"])
def test_the_newer_outcomes_are_tried_again(store, outcome):
    stem = submitted(store, max_attempts=2, retry_on=[outcome], idle_timeout=60)
    attempt = opened(store, claimed(store, stem))
    if outcome == "oom":
        store.layout.run(stem.key).log.write_text("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate\n")
    facts = {"stopped": "idle", "signal": 15} if outcome == "idle" else {"exit_code": 1}
    assert conclude_once(store, attempt, _end(attempt, **facts), say) is None
    assert history.events(store, stem.key)[-1]["reason"] == outcome


@pytest.mark.parametrize("text", [None, 3, "", "soon", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_what_is_no_moment(text):
    assert moment(text) is None


def test_a_moment_has_an_offset():
    assert moment("2026-01-01T00:00:00Z").timestamp() == moment("2026-01-01T01:00:00+01:00").timestamp()
