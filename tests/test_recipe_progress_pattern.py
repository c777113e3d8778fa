"""Progress by an operator's regular expression: what it reads, what is refused, and that no line takes long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.recipes.progress_pattern import LINE, ProgressPattern

COUNT = r"(?P<current>\d+)/(?P<total>\d+)"


def found(stage, percent, done, total):
    return {"stage": stage, "percent": percent, "done": done, "total": total}


@pytest.mark.parametrize(
    ("expression", "log", "expected"),
    [
        (
            r"step (?P<stage>[a-z ]+): " + COUNT,
            "x\nstep a b: 1/4\nstep a b: 3/4 y\nno step",
            found("a b", 75, "3", "4"),
        ),
        (r"(?P<percent>[0-9.]+)% done", "10% done, 12.5% done", found("", 12, None, None)),
        (r"(?:epoch|step) " + COUNT, "epoch 1/2\rstep 2/2\r", found("", 100, "2", "2")),
        (r"\[(?P<stage>eval|train)\](?: at)? " + COUNT + r"\b", "[eval] at 5/10", found("eval", 50, "5", "10")),
        (r"^" + COUNT + r"$", "\x1b[32m7/8\x1b[0m\n9/9 no", found("", 87, "7", "8")),
        (r"[]x]{2}" + COUNT, "]x1/2", found("", 50, "1", "2")),
        (r"(?P<stage>x)?=" + COUNT, "=1/2", found("", 50, "1", "2")),
        (r"é" + COUNT + ".*", "é1/2 and more", found("", 50, "1", "2")),
        (COUNT, "no numbers", None),
        (COUNT, "1/0", None),
        (r"(?P<current>\w+)/(?P<total>\w+)", "a/b", None),
    ],
)
def test_the_last_match_counts(expression, log, expected):
    # Given an expression, When a log is read, Then the groups of its last match are the progress
    assert ProgressPattern(expression).newest(log) == expected


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("(a+)+" + COUNT, "of groups there are"),
        ("(?:a+)+" + COUNT, "repeats a group with a quantifier in it"),
        ("(?:(?:a?)b){2}" + COUNT, "repeats a group with a quantifier in it"),
        (".*" + COUNT, "takes the rest of the line"),
        ("(?P<stage>.+)" + COUNT, "takes the rest of the line"),
        (r"\d+?" + COUNT, "would go back"),
        (r"(?=x)" + COUNT, "of groups there are"),
        (r"(?P<stage>x)(?P=stage)" + COUNT, "of groups there are"),
        (r"(?i)" + COUNT, "of groups there are"),
        (r"\1" + COUNT, "of escapes there are"),
        (r"\Z" + COUNT, "of escapes there are"),
        (COUNT + "\\", "of escapes there are"),
        ("[a" + r"\]", "is not closed"),
        ("(?:a" + COUNT, "is not closed"),
        (COUNT + ")", "closes nothing"),
        ("*" + COUNT, "nothing that `*` could repeat"),
        ("a|*" + COUNT, "nothing that `*` could repeat"),
        ("a{x}" + COUNT, "begins no quantifier"),
        ("a{,}" + COUNT, "begins no quantifier"),
        (r"(?:\b){300}a{300}" + COUNT, "more than the 400 characters"),
        ("x" * 500 + COUNT, "longer than 500"),
        ("[z-a]" + COUNT, "no regular expression: bad character range"),
        (r"(?P<done>\d+)/(?P<total>\d+)", "no group 'done'; known are stage"),
        (r"(?P<current>\d+)", "it needs a group"),
        ("", "it needs a group"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(expression, cause):
    # Given an expression with a fault, When it is made, Then the reason is said
    with pytest.raises(ValueError, match=re.escape(cause)):
        ProgressPattern(expression)


@pytest.mark.parametrize(
    ("expression", "piece"),
    [
        (r"\d+x" + COUNT, "1"),
        (r"\w+\s*\w+\s*\w+\s*\w+:" + COUNT, "a"),
        (r"(?:a|aa|aaa)(?:a|aa|aaa)(?:a|aa|aaa)(?:a|aa|aaa)b" + COUNT, "a"),
        (r"(?:a|b|a)+c" + COUNT, "ab"),
        (r"[ab]{0,200}[ab]{0,200}[ab]{0,200}c" + COUNT, "ab"),
    ],
)
def test_no_log_takes_long(expression, piece):
    # Given expressions that would take a program that goes back for ages, and the longest tail that is read
    pattern = ProgressPattern(expression)
    for length in (LINE, 64 * 1024):
        tail = "\n".join([piece * (length // len(piece))] * (64 * 1024 // length))
        began = time.process_time()
        # When it is read, Then it is done in a moment
        assert pattern.newest(tail) is None
        assert time.process_time() - began < 2


def test_only_the_end_of_a_long_line_is_looked_at():
    # Given a line with an old count at its beginning, and a new one at its end, When it is read, Then the end counts
    pattern = ProgressPattern(COUNT)
    assert pattern.newest("1/4 " + "x" * LINE) is None
    assert pattern.newest("1/4 " + "x" * LINE + " 2/4")["percent"] == 50


@given(st.text(alphabet=r"ab01(?:P<percent>[]^$|*+{},.\d", max_size=40))
def test_any_text_is_an_expression_or_refused(text):
    # Given anything at all, When it is taken for an expression, Then nothing but a reason comes of it
    try:
        ProgressPattern(text + r"(?P<percent>\d+)").newest("ab 12 ab[0]")
    except ValueError as error:
        assert str(error)


@given(
    st.lists(
        st.sampled_from(["a", "b", "[ab]", r"\d", "a*", "b+", "c?", r"\d{1,3}", "(?:a|b)", "(?:ab)*", "-"]), max_size=8
    )
)
def test_what_matches_also_matches_with_going_back(pieces):
    # Given an expression of the kind that is taken, When it matches a text, Then Python's own matches there too
    text = "ab-aabb12-cab123-ab"
    expression = "".join(pieces) + r"(?P<percent>\d)"
    pattern = ProgressPattern(expression)
    if pattern.newest(text) is not None:
        assert re.search(expression, text)
