"""Text from strangers, made harmless."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from spoolq.plain import block, one_line


@given(st.text())
def test_whatever_comes_one_printable_line_goes_out(text):
    shown = one_line(text)
    assert "\n" not in shown and "\r" not in shown and "\x1b" not in shown
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in shown)
    shown.encode()


@given(st.text())
def test_a_block_keeps_its_lines_and_nothing_else(text):
    assert block(text).count("\n") == text.count("\n")


def test_undecodable_names_can_be_shown():
    assert one_line(b"a\xffb.json".decode("utf-8", "surrogateescape")) == "a?b.json"
