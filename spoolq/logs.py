"""Follow a job's log: before it starts, through requeues and retries, to its end. Bytes go through as they are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spoolq.files import revalidate
from spoolq.find import find
from spoolq.jobs import describe
from spoolq.store import Store
from spoolq.transitions import TERMINAL

_CHUNK = 1 << 16
_PAUSE_S = 0.1
#: How often the job's state is looked up while its log is quiet, in seconds.
_STATE_S = 0.5
#: Looking it up may cost this share of the time: it lists directories of any size.
_SHARE = 0.05


def read_tail(log: Path, lines: int | None) -> Iterator[bytes]:
    """The log from its beginning, or its last *lines* lines; nothing when there is none yet."""
    revalidate(log.parent.parent, log.parent)
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        offset = offset_of(fd, lines) if lines is not None else 0
        while chunk := os.pread(fd, _CHUNK, offset):
            offset += len(chunk)
            yield chunk
    finally:
        os.close(fd)


def offset_of(fd: int, lines: int) -> int:
    """Where the last *lines* lines begin, read backwards, so a huge log costs nothing."""
    end = os.fstat(fd).st_size
    if lines <= 0:
        return end
    if end and os.pread(fd, 1, end - 1) == b"\n":
        end -= 1
    left = lines
    while end > 0:
        start = max(0, end - _CHUNK)
        block = os.pread(fd, end - start, start)
        while (at := block.rfind(b"\n")) >= 0:
            left -= 1
            if left == 0:
                return start + at + 1
            block = block[:at]
        end = start
    return 0


def follow(
    store: Store, job: str, lines: int | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[bytes | dict[str, Any]]:
    """Yield the log's bytes as they come, and at last the job's record, when it has ended and all has been yielded.

    Starts with the last *lines* lines (None: all). A new attempt's log is a new file, which is followed in turn.
    Raises JobNotFound when the job is pruned meanwhile.
    """
    entry = find(store, job)
    log = store.layout.run(entry.stem.key).log
    fd, offset, look_at = -1, 0, float("-inf")
    try:
        while True:
            ended = None
            if (began := clock()) >= look_at:
                ended = _ended(store, entry.stem.uuid)
                _ask_again(log)  # after the end is known: then nothing is printed any more
                look_at = clock() + max(_STATE_S, (clock() - began) / _SHARE)
            if fd < 0:
                fd = _open(log)
                if fd >= 0 and lines is not None:
                    offset, lines = offset_of(fd, lines), None
            while fd >= 0 and (chunk := os.pread(fd, _CHUNK, offset)):
                offset += len(chunk)
                yield chunk
            if fd >= 0 and _replaced(fd, log):  # before the end is told: a quick attempt may be over between two looks
                os.close(fd)
                fd, offset, look_at = -1, 0, float("-inf")
                continue
            if ended is not None:
                yield ended
                return
            time.sleep(_PAUSE_S)
    finally:
        if fd >= 0:
            os.close(fd)


def _ended(store: Store, job: str) -> dict[str, Any] | None:
    entry = find(store, job)
    if entry.state not in TERMINAL:
        return None
    record = describe(store, entry)
    return record if record is not None and record["outcome"] is not None else None


def _ask_again(log: Path) -> None:
    """Have this host learn which file the log is now, and how long: on NFS both are known only at an open by path."""
    revalidate(log.parent.parent, log.parent)
    fd = _open(log)
    if fd >= 0:
        os.close(fd)


def _open(log: Path) -> int:
    try:
        return os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _replaced(fd: int, log: Path) -> bool:
    """Whether the log at that path is another file now: an earlier attempt's was put by."""
    try:
        return not os.path.samestat(os.fstat(fd), log.stat())
    except FileNotFoundError:
        return True


def exit_code(record: dict[str, Any]) -> int:
    """What `logs -f` ends with: the job's own exit code, 128 + N for signal N as a shell has it, else 0 or 1."""
    if record["status"] == "completed":
        return 0
    if record.get("exit_code"):
        return int(record["exit_code"])
    if record.get("signal"):
        return 128 + int(record["signal"])
    return 1
