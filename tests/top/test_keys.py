"""What was typed."""

import pytest

from spoolq.top.keys import Keys


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"jk+-cyq", ["j", "k", "+", "-", "c", "y", "q"]),
        (b"\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[5~\x1b[6~", ["home", "end", "home", "end", "page_up", "page_down"]),
        (b"\r\n", ["enter", "enter"]),
        (b"\x1b[1;5A\x1b[15~\x01\xc3\xa9j", ["j"]),
        (b"\x1bj", ["escape", "j"]),
    ],
)
def test_bytes_are_keys(data, keys):
    assert Keys().feed(data) == keys


def test_a_sequence_that_comes_in_parts_is_one_key():
    keys = Keys()
    assert keys.feed(b"j\x1b") == ["j"] and keys.feed(b"[") == [] and keys.feed(b"B") == ["down"]


def test_an_escape_alone_is_a_key_once_nothing_follows():
    keys = Keys()
    assert keys.feed(b"\x1b") == [] and keys.rest() == ["escape"] and keys.rest() == []
    assert keys.feed(b"\x1b[") == [] and keys.rest() == []
