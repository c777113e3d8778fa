"""The log of a benchmark run as lines: the whole of it, its progress, or what has come since the last look.

A line ends at a line feed, a carriage return, or both. Bytes that are no UTF-8 are replaced.
"""

from __future__ import annotations

import codecs
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from spoolq.files import revalidate
from spoolq.logs import read_tail

#: The last line of a cancelled run's log. It is added where the log is shown: `log.txt` has one writer, the run.
CANCELLED_LINE = "Benchmark execution cancelled by user."
#: What is read at once, in bytes; the longest line in characters: a longer one is cut into several.
_CHUNK, _LONGEST = 1 << 16, 1 << 16
#: Where the newest progress is looked for: so many bytes before the end.
_TAIL = 1 << 16


def _decoder() -> io.IncrementalNewlineDecoder:
    return io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)


def whole(log: Path, *, cancelled: bool) -> Iterator[str]:
    """The log in pieces, its lines joined by line feeds, none behind the last."""
    decoder, held, begun = _decoder(), "", False
    for chunk in read_tail(log, None):
        text = held + decoder.decode(chunk)
        begun = begun or bool(text)
        held = "\n" if text.endswith("\n") else ""
        yield text.removesuffix("\n")
    rest = held + decoder.decode(b"", final=True)
    yield rest.removesuffix("\n")
    if cancelled:
        yield "\n" * (begun or bool(rest)) + CANCELLED_LINE


def progress(log: Path) -> tuple[str | None, str | None, float | None]:
    """Experiment, step and percentage by the log's last lines; None for what they do not say.

    `[PROGRESS] experiment=X step=Y current=N total=M | text`; what a line leaves out stays as it was.
    """
    experiment: str | None = None
    step: str | None = None
    percent: float | None = None
    for line in _last_lines(log):
        if not line.startswith("[PROGRESS]"):
            continue
        said = dict(word.partition("=")[::2] for word in line.partition("|")[0].split()[1:])
        experiment, step = said.get("experiment", experiment), said.get("step", step)
        current, total = said.get("current", ""), said.get("total", "")
        if current.isdecimal() and total.isdecimal() and len(current + total) < 40 and int(total) > 0:
            percent = min(100.0, round(100 * int(current) / int(total), 1))
    return experiment, step, percent


def _last_lines(log: Path) -> list[str]:
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, _TAIL, max(0, size - _TAIL))
    except OSError:
        return []
    finally:
        os.close(fd)
    return _decoder().decode(data, final=True).split("\n")


def _pieces(line: str) -> list[str]:
    """*line*, cut where it is longer than a line may be."""
    return [line[at : at + _LONGEST] for at in range(0, len(line), _LONGEST)] or [""]


class LogLines:
    """The lines of a run's log as they come, from the first. A new attempt's log is read in its turn.

    A lock, because who is told to stop reading may have a thread in the middle of it.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._fd, self._offset = -1, 0
        self._decoder, self._begun = _decoder(), ""
        self._lock = threading.Lock()

    def read(self) -> list[str] | None:
        """The next whole lines, at most those of 64 KiB; None when there is nothing new. Raises OSError.

        An attempt's last line may have no end; it comes when its log has been put by, or with `rest`.
        """
        with self._lock:
            return self._read()

    def _read(self) -> list[str] | None:
        if self._fd < 0 and not self._open():
            return None
        data, put_by = os.pread(self._fd, _CHUNK, self._offset), False
        if not data:
            put_by = self._put_by()
            data = os.pread(self._fd, _CHUNK, self._offset)  # RACE: before it was put by it may have grown
        if data:
            self._offset += len(data)
            return self._lines(self._decoder.decode(data))
        if not put_by:
            return None
        rest = self.rest()
        self._close()
        return rest

    def rest(self) -> list[str]:
        """The line that has no end, if there is one: nothing is written any more."""
        last = self._begun + self._decoder.decode(b"", final=True)
        self._begun = ""
        return last.removesuffix("\n").split("\n") if last else []

    def close(self) -> None:
        """Let go of the file; a `read` after that begins anew."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._offset = -1, 0
        self._decoder, self._begun = _decoder(), ""

    def _lines(self, text: str) -> list[str]:
        *whole, self._begun = (self._begun + text).split("\n")
        lines = [piece for line in whole for piece in _pieces(line)]
        *long, self._begun = _pieces(self._begun)
        return lines + long

    def _open(self) -> bool:
        revalidate(self._log.parent.parent, self._log.parent)
        try:
            self._fd = os.open(self._log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        return True

    def _put_by(self) -> bool:
        """Whether the log at that path is another file now: ours was an earlier attempt's.

        On NFS the open also has this host learn how long the log is by now.
        """
        revalidate(self._log.parent.parent, self._log.parent)
        try:
            fd = os.open(self._log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            return not os.path.samestat(os.fstat(fd), os.fstat(self._fd))
        finally:
            os.close(fd)
