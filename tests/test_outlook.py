"""What is expected of a queue with jobs that are held, that are others', or behind those that are read."""

import pytest

from spoolq.jobs import Entry, describe
from spoolq.names import key_names
from spoolq.outlook import Outlook
from spoolq.took import Past
from spoolq.transitions import State
from tests.spooltest.jobs import needed, submitted
from tests.spooltest.past import completed

_FAR = "2100-01-01T00:00:00+00:00"


@pytest.fixture
def past(store):
    """A spool in which one job has taken a minute."""
    completed(store, 60, recipe="command", request={"command": ["true"]})
    past = Past(store)
    past.refresh(key_names(store.names(State.COMPLETED)))
    return past


def records(store, *stems):
    found = [describe(store, Entry(State.QUEUED, stem)) for stem in stems]
    return [{**record, "position_in_queue": place} for place, record in enumerate(found)]


def look(store, past, first, *, depth=None, idle=1, paused=False):
    return Outlook(store, past, [], first, depth=depth or len(first), idle=idle, paused=paused)


def starts(ahead, *records):
    """Seconds from the first one's start to that of each; None where nothing is expected."""
    from datetime import datetime

    spans = [ahead.facts(record)["expected_start"] for record in records]
    moments = [datetime.fromisoformat(span["p50"]).timestamp() if span else None for span in spans]
    first = next((moment for moment in moments if moment is not None), 0)
    return [None if moment is None else moment - first for moment in moments]


def test_who_is_held_is_left_out_and_those_behind_go_on(store, past):
    # Given jobs that wait for a moment, for a remote worker, and for nothing
    held, broken = submitted(store, not_before=_FAR), submitted(store)
    store.layout.queued(broken).write_text("{")
    jobs = records(store, submitted(store), held, needed(store), broken, submitted(store))
    ahead = look(store, past, jobs)
    # Then only those that are held by nothing are expected, one after the other
    assert starts(ahead, *jobs) == [0, None, None, None, 60]
    assert ahead.why_held(jobs[1]) == f"not before {_FAR}" and ahead.why_held(jobs[0]) is None
    assert ahead.done is not None


def test_a_queue_that_is_paused_gets_nowhere(store, past):
    jobs = records(store, submitted(store))
    ahead = look(store, past, jobs, paused=True)
    assert starts(ahead, *jobs) == [None] and ahead.done is None


def test_without_a_runner_nothing_begins(store, past):
    jobs = records(store, submitted(store))
    assert starts(look(store, past, jobs, idle=0), *jobs) == [None]


def test_those_behind_what_was_read_are_expected_too_unless_they_are_held(store, past):
    # Given a queue of which the first three were read
    jobs = records(store, *(submitted(store) for _ in range(8)), submitted(store, not_before=_FAR))
    ahead = look(store, past, jobs[:3], depth=9)
    # Then those behind begin in their turn
    assert starts(ahead, *jobs) == pytest.approx([0, 60, 120, 180, 240, 300, 360, 420, None])


def test_where_all_that_was_read_is_held_nothing_is_said_of_the_rest(store, past):
    jobs = records(store, submitted(store, not_before=_FAR), submitted(store))
    ahead = look(store, past, jobs[:1], depth=2)
    assert starts(ahead, *jobs) == [None, None] and ahead.done is None
