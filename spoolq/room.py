"""Room in a process's first environment for a mark that others can see.

``/proc/PID/environ`` shows the memory that the kernel laid at the start of the program, so a variable that is set later
is not in it. A warm parent is started with a long variable of no meaning; the child writes its mark over that, in
place. It needs no privilege, is copied by a fork, and a program that the evaluation starts has the mark as usual.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

#: The variable that is written over, and how long it is: a mark holds a file's name, which has 255 bytes at most.
NAME = "SPOOLQ_WARM"
SIZE = 512
_ENV_START = 49  # field 50 of proc(5)'s stat, of those after the name in brackets that is 47


def reservation() -> dict[str, str]:
    """What a program's environment must have for it to have room."""
    return {NAME: "-" * SIZE}


@dataclass(frozen=True, slots=True)
class Room:
    """Where this process, and each fork of it, may write its mark: an address, and how many bytes."""

    address: int
    size: int

    @classmethod
    def reserved(cls) -> Room | None:
        """The room that this process was started with; None without one, or where /proc does not tell."""
        os.environ.pop(NAME, None)
        try:
            laid = Path("/proc/self/environ").read_bytes()
            fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
            start = int(fields[_ENV_START - 2])
            place = (b"\0" + laid).index(b"\0" + NAME.encode() + b"=")
            size = laid.index(b"\0", place) - place
        except (OSError, ValueError, IndexError):
            return None
        if not start or ctypes.string_at(start + place, size) != laid[place : place + size]:
            return None
        return cls(start + place, size)

    def write(self, mark: str) -> None:
        """Write ``NAME=value`` over the room; the rest of it stays a variable. Raises ValueError if it is longer."""
        text = mark.encode() + b"\0" + NAME.encode() + b"="
        if len(text) > self.size:
            raise ValueError(f"a mark of {len(text)} bytes is longer than the room for it")
        ctypes.memmove(self.address, text.ljust(self.size, b"-"), self.size)
