"""A job's log followed through its attempts, from any byte: text that is never cut inside a character."""

from __future__ import annotations

import codecs
import os
from dataclasses import dataclass

from spoolq.logs import offset_of
from spoolq.server.printed import Log, logs_of, open_log
from spoolq.store import Store

#: The most bytes of one piece.
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Piece:
    """*text* of the log of *attempt*, which begins at byte *offset* and ends before *end*.

    *begins*: it is the first of a new attempt's log, whose predecessor was followed to its end.
    """

    attempt: int
    offset: int
    end: int
    text: str
    begins: bool = False


class Tail:
    """Follows the log of the job *key*, from byte *offset* of *attempt*, or from *lines* lines before the end.

    Neither: from the beginning of the newest attempt's. Blocking; for one thread at a time. Close it.
    """

    def __init__(self, store: Store, key: str, at: tuple[int, int] | None = None, lines: int | None = None) -> None:
        self.store, self.key, self.lines = store, key, lines
        self.offset = 0
        self.log = Log(0)
        if at is not None and (log := open_log(store, key, at[0])) is not None:
            self.log, self.offset = log, min(at[1], log.size)
            self.lines = None

    @property
    def attempt(self) -> int:
        """Whose log is read; 0 while there is none."""
        return self.log.attempt

    def read(self, *, final: bool = False) -> Piece | None:
        """The next piece; None when there is no more for now. *final*: nothing will follow, so half a character goes.

        A log that was put by is read to its end before the one after it begins. Raises OSError.
        """
        if self.log.fd < 0 and not self._open():
            return None
        piece = self._next(final=False)
        if piece is None and (after := self._successor()) is not None:
            # What was printed between the read and the look belongs to the old log, half characters too.
            piece = self._next(final=True)
            if piece is None:
                return self._switch(after)
            after.close()
        return piece or (self._next(final=True) if final else None)

    def _open(self) -> bool:
        log = open_log(self.store, self.key)
        if log is None or log.fd < 0:
            return False
        self.log = log
        if self.lines is not None:
            self.offset, self.lines = offset_of(log.fd, self.lines), None
        return True

    def _next(self, *, final: bool) -> Piece | None:
        data = os.pread(self.log.fd, _PIECE, self.offset)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(data, final)
        end = self.offset + len(data) - len(decoder.getstate()[0])
        if end == self.offset:
            return None
        piece = Piece(self.log.attempt, self.offset, end, text)
        self.offset = end
        return piece

    def _successor(self) -> Log | None:
        """The log of the attempt after ours, if ours was put by; None while ours is the newest."""
        run = self.store.layout.run(self.key)
        ours = os.fstat(self.log.fd)
        try:
            if os.path.samestat(ours, run.log.lstat()):
                return None
        except FileNotFoundError:
            pass  # ours was put by a moment ago; or an older one is read again
        later = [attempt for attempt in sorted(logs_of(self.store, self.key)) if attempt >= self.log.attempt]
        for attempt in later:
            log = open_log(self.store, self.key, attempt)
            if log is not None and not os.path.samestat(ours, os.fstat(log.fd)):
                return log
        return None

    def _switch(self, after: Log) -> Piece:
        self.close()
        self.log, self.offset = after, 0
        return Piece(after.attempt, 0, 0, "", begins=True)

    def close(self) -> None:
        """Let the file go."""
        self.log.close()
