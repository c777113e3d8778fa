"""Writes submissions into the queue, in a process of its own: ``python -m spoolq.server.scribe ROOT DURABILITY``.

It reads lines from the socket that is its stdin, ``PRIORITY JSON``, and answers each in turn with ``+STEM``, or ``-``
and why not. What has come while the disk was busy with others goes to it together: one wait for many, as in a journal.
It has no state, and ends when the other end does; what it has not answered by then may be queued or not.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spoolq import together
from spoolq.errors import SpoolqError
from spoolq.plain import one_line
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.together import Draft

#: The most that go together: each holds a descriptor, and the first is answered with the last.
MOST = 64
#: Files that are waited for side by side; the journal takes them in one go.
_SIDE_BY_SIDE = 8
_CHUNK = 1 << 20


class Scribe:
    """Writes what *sock* tells into *store*."""

    def __init__(self, store: Store, sock: socket.socket) -> None:
        self.store, self.sock = store, sock
        self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE)

    def run(self) -> None:
        """Write until the other end is closed."""
        parts: list[bytes] = []
        while data := self.sock.recv(_CHUNK):
            head, newline, rest = data.rpartition(b"\n")
            if not newline:
                parts.append(data)
                continue
            lines = b"".join([*parts, head]).split(b"\n")
            parts = [rest] if rest else []
            for first in range(0, len(lines), MOST):
                self.sock.sendall(b"".join(self._write(lines[first : first + MOST])))

    def _write(self, lines: Sequence[bytes]) -> list[bytes]:
        drafts = []
        for line in lines:
            priority, _, document = line.partition(b" ")
            drafts.append(Draft(document + b"\n", priority.decode()))
        together.publish(self.store, drafts, self._each)
        return [_answer(draft) for draft in drafts]

    def _each(self, step: Callable[[Draft], None], drafts: Sequence[Draft]) -> None:
        if len(drafts) == 1:
            step(drafts[0])
            return

        def share(first: int) -> None:
            for draft in drafts[first::_SIDE_BY_SIDE]:
                step(draft)

        list(self._pool.map(share, range(min(_SIDE_BY_SIDE, len(drafts)))))


def _answer(draft: Draft) -> bytes:
    said = f"+{draft.stem}" if draft.stem is not None else "-" + " ".join(str(draft.fault).split())
    return said.encode("utf-8", "backslashreplace") + b"\n"


def main() -> None:
    """Serve the process that has started us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    root, durability = sys.argv[1:]
    settings = Settings(durability="process" if durability == "process" else "full")
    try:
        store = Store(Path(root), settings=settings)
    except SpoolqError as error:
        sys.exit(f"{type(error).__name__}: {one_line(error)}")
    with socket.socket(fileno=0) as sock:
        Scribe(store, sock).run()


if __name__ == "__main__":
    main()
