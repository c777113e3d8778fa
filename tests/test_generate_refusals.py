"""Refusals: a wrong input is one sentence with the file in it, never a traceback."""

import math

import pytest

from spoolq.errors import EXIT_JOB_FAILED, SpoolqError
from spoolq.generate.refusals import Refused, as_float, read_object, telling


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b'{"a": ', "is no valid JSON: Expecting value: line 1 column 7 (char 6). Mend that file."),
        (b"", "is no valid JSON: Expecting value"),
        (b"\xff{}", "is no valid JSON: 'utf-8' codec"),
        (
            b'{"a": 1, "b": {"c": 1, "c": 2}}',
            "is no valid JSON: the key 'c' stands twice in one object. Mend that file.",
        ),
        (b"[1]", "holds no JSON object. Mend that file."),
        (b'{"a":' * 100_000, "is no valid JSON: it is nested too deep"),
    ],
)
def test_what_is_no_object_is_refused_by_its_path(tmp_path, data, cause):
    # Given a file that holds something else
    path = tmp_path / "x.json"
    path.write_bytes(data)
    # When it is read, Then the message says which and why
    with pytest.raises(Refused) as raised:
        read_object(path)
    assert str(raised.value).startswith(f"{path} {cause}")


def test_what_other_programs_write_is_read(tmp_path):
    # Given an object with a byte-order mark and a NaN, When it is read, Then it is taken
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": NaN, "b": 1}')
    assert read_object(path)["b"] == 1


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (True, None),
        ("1", None),
        (None, None),
        ([], None),
        (10**400, math.inf),
        (-(10**400), -math.inf),
    ],
)
def test_only_numbers_are_numbers(value, number):
    assert as_float(value) == number


def test_a_file_system_error_names_the_file(tmp_path):
    # Given a folder that is not there, When a move fails on it, Then the message has the move, the path and the cause
    missing = tmp_path / "missing"
    with pytest.raises(SpoolqError) as raised, telling("generate jobs"):
        missing.read_bytes()
    assert str(raised.value) == (
        f"cannot generate jobs: {missing}: No such file or directory. Mend that, then try again."
    )
    assert raised.value.exit_code == EXIT_JOB_FAILED


def test_a_refusal_gets_the_move_it_stopped():
    with pytest.raises(SpoolqError, match=r"^cannot check results: it is so\. Do that\.$"), telling("check results"):
        raise Refused("it is so. Do that.")
