"""JSON from strangers: one plain object, or a refusal that says where it is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.documents import MAX_BYTES, MAX_DEPTH, dump, parse_object
from spoolq.errors import RequestInvalid


def nested(depth: int) -> bytes:
    """An object of *depth* objects in one another."""
    return b'{"a":' * depth + b"1" + b"}" * depth


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values, max_size=5), st.sampled_from([None, 2]))
def test_what_is_dumped_is_parsed_back(document, indent):
    # Given any JSON object, When it is written and read, Then it is the same
    assert parse_object(dump(document, indent=indent)) == document


def test_a_dump_is_text_that_people_can_read():
    # Given a document, When it is dumped, Then it is indented UTF-8 with a final newline
    assert dump({"a": "ü"}) == '{\n  "a": "ü"\n}\n'.encode()


@given(st.data())
def test_a_truncated_object_never_parses(data):
    # Given a document, and any true prefix of it
    whole = dump({"model": "ü", "tasks": ["a", {"b": [1, 2.5, None, True]}]}, indent=None).rstrip()
    cut = data.draw(st.integers(0, len(whole) - 1))
    # When the prefix is parsed, Then it is refused: parsing is the test of being complete
    with pytest.raises(RequestInvalid):
        parse_object(whole[:cut])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\x00" * 100, "no valid JSON"),
        (b"[1]", "holds a list"),
        (b'"text"', "holds a text"),
        (b"null", "holds null"),
        (b"{} {}", "Extra data at line 1, column 4"),
        (b'{"a": 1,\n "b": }', "line 2, column 7"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"x": {"a": 1, "b": 2, "a": 3}}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": "\xff"}', "not UTF-8: byte 7"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": ' + b"1" * 5000 + b"}", "too long"),
        (nested(MAX_DEPTH + 1), "deeper than 32"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper than 32"),
        (b'{"a": "' + b"x" * MAX_BYTES + b'"}', "larger than 1048576 bytes"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_refused_and_why(data, said):
    # Given bytes that are no plain JSON object
    with pytest.raises(RequestInvalid) as caught:
        parse_object(data, "job.json")
    # When they are parsed, Then the message names the source and the place
    assert said in str(caught.value)
    assert "job.json" in str(caught.value) or "stands twice" in str(caught.value) or "JSON number" in str(caught.value)


def test_a_byte_order_mark_is_no_fault():
    # Given a file from Windows, When it is parsed, Then its mark is skipped
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_the_deepest_nesting_that_is_taken():
    # Given nesting of exactly the limit, When it is parsed, Then it is taken
    assert parse_object(nested(MAX_DEPTH))


def test_a_file_of_exactly_the_limit_is_taken():
    # Given a file of exactly the limit, When it is parsed, Then it is taken
    data = b'{"a": "' + b"x" * (MAX_BYTES - 9) + b'"}'
    assert len(data) == MAX_BYTES and parse_object(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b'{"a": [{"b": 1e400}]}',
        b'{"a": "\\ud800"}',
        b'{"a": ["x", {"b": "half \\udfff"}]}',
        b'{"\\ud800": 1}',
    ],
)
def test_what_could_not_be_written_into_a_record_is_refused(data):
    # Given JSON that Python reads but that no record can hold: an infinite number, half a surrogate pair
    # When it is parsed, Then it is refused here, not when its record is written
    with pytest.raises(RequestInvalid):
        parse_object(data)


def test_a_whole_surrogate_pair_is_a_character():
    # Given an escaped pair, When it is parsed, Then it is the character
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@given(st.dictionaries(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=()))))
def test_whatever_is_parsed_can_be_dumped(document):
    # Given any JSON text at all, lone surrogates and all
    try:
        parsed = parse_object(json.dumps(document).encode())
    except RequestInvalid:
        return
    # When it was taken, Then it can be written again
    assert parse_object(dump(parsed)) == parsed


def test_dump_refuses_what_is_no_json():
    # Given a number that JSON does not have, When it is dumped, Then it is refused
    with pytest.raises(ValueError, match="JSON"):
        dump({"a": float("nan")})
