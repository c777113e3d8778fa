"""Progress read from lines of the form that an operator describes."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoolq.recipes.progress_line import ProgressLine

LAB = "[PROGRESS] experiment={stage} step={stage} current={current} total={total} |"


@pytest.mark.parametrize(
    ("form", "line", "expected"),
    [
        (LAB, "[PROGRESS] experiment=kepler step=perf current=3 total=8 | timing", ("kepler perf", 37, "3", "8")),
        ("at {percent}%", "12:00 INFO at 41.9% of it", ("", 41, None, None)),
        ("epoch {current}/{total}", "epoch  7/10 loss=0.1", ("", 70, "7", "10")),
        ("{{{current}/{total}}} {stage}", "{1/4} second half", ("second half", 25, "1", "4")),
        ("n={}, done={current} of {total}.", "n=x=1, done=2 of 2.", ("", 100, "2", "2")),
        ("at {percent}", "at 150", ("", 100, None, None)),
        ("at {percent} {current}/{total}", "at 10 5/6", ("", 10, "5", "6")),
        ("[{stage}] {current}/{total}", "\x1b[32m[a\x07b]\x1b[0m 1/2", ("ab", 50, "1", "2")),
    ],
)
def test_a_line_is_read_as_its_form_says(form, line, expected):
    # Given a form and a line, When the line is read, Then each placeholder has what is there up to the next text
    named = ("stage", "percent", "done", "total")
    assert ProgressLine(form).newest(line) == dict(zip(named, expected, strict=True))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nothing of the kind",
        "[PROGRESS] experiment=x step=y current=1 total=2",  # the text behind is missing
        "[PROGRESS] step=y experiment=x current=1 total=2 |",  # in another order
        "[PROGRESS] experiment=x step=y current=one total=2 |",
        "[PROGRESS] experiment=x step=y current=-1 total=2 |",
        "[PROGRESS] experiment=x step=y current=1 total=0 |",
        "[PROGRESS] experiment=x step=y current=1 total=" + "9" * 400 + " |",
    ],
)
def test_what_is_not_of_the_form_says_nothing(line):
    # Given a line that lacks something, When it is read, Then there is no progress rather than a wrong one
    assert ProgressLine(LAB).newest(line) is None


def test_the_last_line_of_the_form_counts():
    # Given two such lines, the second overwritten in place, and other text behind, the last of it half-written
    line = "[PROGRESS] experiment=x step=y current={} total=4 |"
    text = (
        line.format(1)
        + "\n"
        + line.format(2)
        + "\r"
        + line.format(3)
        + "\nwarning\n[PROGRESS] experiment=x step=y curr"
    )
    # When the tail is read, Then the last whole one counts
    assert ProgressLine(LAB).newest(text)["done"] == "3"


@pytest.mark.parametrize(
    ("form", "cause"),
    [
        ("", "needs {percent}"),
        ("stage {stage}", "needs {percent}"),
        ("now {current}", "needs {percent}, or {current} and {total}"),
        ("{percent}%", "must begin with text"),
        ("at {stage}{percent}", "need text between them"),
        ("at {percant}", "no placeholder {percant}"),
        ("at {percent", "brace"),
    ],
)
def test_a_form_that_can_say_nothing_is_refused(form, cause):
    # Given a form with one fault, When it is made, Then the words say which
    with pytest.raises(ValueError, match=cause):
        ProgressLine(form)


@settings(deadline=None)
@given(st.text(alphabet="[PROGES] experimntspcual=0129|\r\n", max_size=200))
def test_whatever_is_printed_gives_progress_or_none(text):
    # Given any text made of the form's own letters, When it is read, Then it is None or a percentage within its bounds
    found = ProgressLine(LAB).newest(LAB.partition("{")[0] + text)
    assert found is None or 0 <= found["percent"] <= 100


def test_a_hostile_line_costs_no_more_than_its_length():
    # Given lines that make a backtracking matcher slow: the form's beginnings without its end, many times over
    hostile = "[PROGRESS] experiment= step= current=" * 1500
    form = ProgressLine(
        "[PROGRESS] experiment={stage} step={stage} current={current} total={total} x={} y={} z={percent}"
    )

    # When they are read, Then it takes no more than a plain search for text that is not there
    began = time.perf_counter()
    assert form.newest(hostile) is None
    assert time.perf_counter() - began < 0.05
