"""What was typed, from the bytes that a terminal in its unbuffered mode sends."""

from __future__ import annotations

import re

#: Sequences of cursor keys, both as `ESC [` (normal mode) and as `ESC O` (application mode) have them.
_NAMED = {
    b"A": "up", b"B": "down", b"H": "home", b"F": "end",
    b"1~": "home", b"4~": "end", b"7~": "home", b"8~": "end", b"5~": "page_up", b"6~": "page_down",
}  # fmt: skip
_SEQUENCE = re.compile(rb"\x1b[\[O]([0-9;?]*[@-~])")
#: A sequence that more bytes may complete.
_BEGUN = re.compile(rb"\x1b(?:[\[O][0-9;?]{0,16})?\Z")


class Keys:
    """Names of keys: a printable ASCII character is its own; others are `up`, `down`, `home`, `end`, `page_up`,
    `page_down`, `enter` and `escape`. What is none of these is left out."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[str]:
        """The keys in the next bytes. The beginning of a sequence is kept back until the rest is here, or `rest`."""
        data = self._held + data
        begun = _BEGUN.search(data)
        self._held = begun[0] if begun else b""
        return self._read(data[: begun.start()] if begun else data)

    def rest(self) -> list[str]:
        """Nothing more has come for a while: then an escape that was kept back was the key of that name."""
        held, self._held = self._held, b""
        return ["escape"] if held == b"\x1b" else []

    def _read(self, data: bytes) -> list[str]:
        found = []
        at = 0
        while at < len(data):
            sequence = _SEQUENCE.match(data, at)
            if sequence:
                at = sequence.end()
                found += [_NAMED[sequence[1]]] if sequence[1] in _NAMED else []
                continue
            sign = data[at : at + 1]
            at += 1
            if sign in b"\r\n":
                found.append("enter")
            elif sign == b"\x1b":
                found.append("escape")
            elif b" " <= sign <= b"~":
                found.append(sign.decode("ascii"))
        return found
