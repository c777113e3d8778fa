"""Text from strangers made harmless: a terminal obeys what it is shown, and a log line must stay one line."""

from __future__ import annotations

import re

#: C0 and C1 controls, DEL, and the marks that turn the direction of text round.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def one_line(text: object) -> str:
    """*text* without control characters; newlines and tabs become spaces, bytes that were no UTF-8 a question mark."""
    cleaned = _CONTROL.sub(lambda match: " " if match[0] in "\n\r\t" else "�", str(text))
    return cleaned.encode("utf-8", "replace").decode("utf-8")


def block(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(one_line(row) for row in text.split("\n"))
