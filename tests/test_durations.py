"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("15m", 900),
        ("2h30m", 9000),
        ("7d", 604800),
        ("1d2h3m4s", 93784),
        ("250ms", 0.25),
        ("1s500ms", 1.5),
        (" 2H ", 7200),
        ("0", 0),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_what_people_write(text, seconds):
    # Given a duration in one of its forms, When it is parsed, Then it is seconds
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "h", "-1", "1x", "1 h 2", "1h-2m", "nan", "inf", "1e3", "1h90", "12:30", "two hours", "99999999999"),
        *(True, False, -1, -0.5, float("nan"), float("inf"), 1e10, None, [], {}, b"90"),
        *(10**400, -(10**400), "9" * 400 + "h", "9" * 100_000 + "x"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_duration_is_a_value_error_that_shows_it(value):
    # Given something from a settings file or a stranger's job, of whatever type
    # When it is read as a duration, Then the error is the one that every caller expects
    with pytest.raises(ValueError, match="duration") as caught:
        parse_duration(value)
    # and short enough for a terminal
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (0.42, "0.4s"), (12, "12s"), (59.6, "1m00s"), (185, "3m05s"), (7800, "2h10m"), (273600, "3d4h")],
)
def test_the_short_form(seconds, text):
    # Given seconds, When they are shown, Then in the largest unit that fits, and the next
    assert format_duration(seconds) == text


@given(st.floats(0, 1e9))
def test_the_short_form_is_read_back_as_nearly_the_same(seconds):
    # Given any duration
    shown = format_duration(seconds)
    # When what people are shown is read back, Then it is off by no more than the unit left out
    unit = 0.1 if seconds < 10 else 1 if seconds < 3600 else 60 if seconds < 86400 else 3600
    assert abs(parse_duration(shown) - seconds) <= unit
