"""Which cards are asked for."""

from datetime import UTC, datetime

import pytest

from spoolq.scores.cards import Card
from spoolq.scores.choice import Choice, labels_of, moment

CARD = Card(
    "1b4e28ba-0000-4000-8000-000000000000",
    ("org/small", "hf"),
    "lm-eval",
    "night",
    {"sweep": "size", "seed": "1"},
    "2026-11-20T12:00:00.000000+00:00",
    {"mmlu_law": {"acc": 0.5}, "arc": {"acc": 0.25}},
)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "choice",
    [
        Choice(),
        Choice(labels={"sweep": "size"}),
        Choice(labels={"sweep": "size", "seed": "1"}),
        Choice(group="night"),
        Choice(model="org/small"),
        Choice(model="hf"),
        Choice(model="org/*"),
        Choice(task="arc"),
        Choice(task="mmlu_*"),
        Choice(recipe="lm-eval"),
        Choice(since=NOON),
        Choice(until=NOON + 1),
        Choice(since=NOON - 1, until=NOON + 1, group="night", task="arc"),
    ],
)
def test_what_fits_is_taken(choice):
    # Given a card and what it has, When it is asked for by that, Then it is taken
    assert choice.takes(CARD)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(labels={"sweep": "size", "seed": "2"}),
        Choice(labels={"nobody": ""}),
        Choice(group="day"),
        Choice(model="small"),
        Choice(task="mmlu"),
        Choice(recipe="lm"),
        Choice(since=NOON + 1),
        Choice(until=NOON),
    ],
)
def test_what_does_not_fit_is_not(choice):
    # Given a card, When one thing that is asked for differs, Then it is not taken
    assert not choice.takes(CARD)


def test_a_job_without_an_end_is_in_no_time():
    # Given cards without a time of their end, or with none, When a time is asked for, Then they are not in it
    for ended in (None, "", "yesterday"):
        card = Card(CARD.job_id, CARD.models, None, None, {}, ended, {})
        assert Choice().takes(card)
        assert not Choice(since=0).takes(card) and not Choice(until=NOON).takes(card)


def test_of_a_job_with_several_tasks_only_those_asked_for_are_left():
    # Given a card of two tasks, When one is asked for, Then the card that comes back has only that
    assert [dict(card.metrics) for card in Choice(task="mmlu_*").of([CARD])] == [{"mmlu_law": {"acc": 0.5}}]
    assert Choice(task="nobody").of([CARD]) == []
    assert len(CARD.metrics) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", NOON - 7 * 86400),
        ("12h", NOON - 12 * 3600),
        ("2026-11-19", NOON - 36 * 3600),
        ("2026-11-20T11:00", NOON - 3600),
        ("2026-11-20T11:00:00+02:00", NOON - 3 * 3600),
    ],
)
def test_a_moment_is_an_age_a_date_or_a_time(text, seconds):
    # Given what people write, and noon, When it is read, Then it is that moment, in UTC where no offset is given
    assert moment(text, NOON) == seconds


def test_a_date_as_an_end_is_its_last_moment():
    # Given a date, When it ends a span, Then the day is in it; a time and an age are no different
    assert moment("2026-11-19", NOON, end=True) == moment("2026-11-20", NOON)
    assert moment("2026-11-20T11:00", NOON, end=True) == NOON - 3600
    assert moment("1d", NOON, end=True) == NOON - 86400


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "-1d", "9999-12-31"])
def test_what_is_no_moment_is_refused(text):
    # Given what is none, When it is read, Then the message shows what to write
    with pytest.raises(ValueError, match="write 7d, 2026-11-20"):
        moment(text, NOON, end=True)


def test_labels_are_pairs():
    # Given texts, When they are read, Then the first = parts them; what has none, or no key, is refused
    assert labels_of(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in ("a", "=1", ""):
        with pytest.raises(ValueError, match="write KEY=VALUE"):
            labels_of([wrong])
