"""Where a page of a listing ended: a place in the order of names, which holds while jobs move and servers restart."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal

from spoolq.errors import RequestInvalid
from spoolq.names import SUFFIX, parse_queued

#: The parts of a listing, in its order: running, queued, ended.
Part = Literal["r", "q", "e"]
PARTS: tuple[Part, ...] = ("r", "q", "e")


@dataclass(frozen=True, slots=True)
class Cursor:
    """After the job whose STEM (in the part of the ended: KEY) is *mark*, in *part*; "" is before the first."""

    part: Part = "r"
    mark: str = ""

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{self.part}{self.mark}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor in *text*; raises RequestInvalid for what we have not given out."""
        try:
            plain = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            plain = ""
        part, mark = plain[:1], plain[1:]
        for known in PARTS:
            if part == known and (not mark or parse_queued(mark + SUFFIX)):
                return cls(known, mark)
        raise RequestInvalid("cannot list: `cursor` is none of ours. Take `next` of the page before.", "cursor")
