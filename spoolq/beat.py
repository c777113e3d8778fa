"""The heartbeat of a long evaluation: a process of its own, so that a file system that hangs never blocks the shim.

It is started only after the first `heartbeat` has passed; short jobs never pay for it. For an evaluation with an
`idle_timeout` it also looks whether the log still grows, and is started with it.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import time
from pathlib import Path
from typing import NoReturn

from spoolq.files import names_in
from spoolq.process import die_with_parent

#: What the process says: when (`time.monotonic`) a beat had reached the disk, or that the claim is gone, or that the
#: log has not grown for the time that it may rest.
_SAID = struct.Struct("d")
FENCED, QUIET = -1.0, -2.0


class Beater:
    """The heartbeat process of one claim. *running* is the claimed file, *beat* the file whose mtime is the beat.

    *log* may rest for *idle* seconds. A log that cannot be looked at, or not in time, never counts as quiet.
    """

    def __init__(self, running: Path, beat: Path, interval: float, log: str = "", idle: float | None = None) -> None:
        #: False once it has been reaped: its pid may be somebody else's then.
        self.alive = True
        self.reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _beat_for_ever(running, beat, interval, writer, parent, _Rest(log, idle) if idle is not None else None)
        os.close(writer)

    def read(self) -> list[float]:
        """The beats since the last call, FENCED and QUIET; raises EOFError when the process is dead."""
        try:
            said = os.read(self.reader, 1 << 16)
        except BlockingIOError:
            return []
        if not said:
            raise EOFError("the heartbeat process is dead")
        return [moment for (moment,) in _SAID.iter_unpack(said)]

    def stop(self) -> None:
        """End it; it may hang in a dead file system, so it is not waited for here."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.reader)


class _Rest:
    """Since when *log* has had the size that it has."""

    def __init__(self, log: str, limit: float) -> None:
        self.log, self.limit = log, limit
        self.pause = max(0.02, limit / 20)
        self.size = -1
        self.since = self.looked = time.monotonic()

    def is_too_long(self) -> bool:
        """Whether the log, just looked at, has not grown for longer than it may rest."""
        try:
            size = Path(self.log).stat().st_size
        except OSError:
            return False
        now = time.monotonic()
        if size != self.size or now - self.looked > self.limit / 2:  # where we were held up, so was the evaluation
            self.size, self.since = size, now
        self.looked = now
        return now - self.since >= self.limit


def _beat_for_ever(
    running: Path, beat: Path, interval: float, writer: int, parent: int, rest: _Rest | None
) -> NoReturn:
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        die_with_parent(parent)
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                if not _beat_once(running, beat, writer):
                    break
                due = time.monotonic() + interval
            if rest is not None and rest.is_too_long():
                os.write(writer, _SAID.pack(QUIET))
                rest = None
            pause = due - time.monotonic()
            select.select([], [], [], max(0.0, pause if rest is None else min(pause, rest.pause)))
    finally:
        os._exit(0)


def _beat_once(running: Path, beat: Path, writer: int) -> bool:
    """Touch the beat; False when the claim was taken away. An error says nothing: the shim counts the silence."""
    try:
        if running.name not in names_in(running.parent):
            os.write(writer, _SAID.pack(FENCED))
            return False
        try:
            os.utime(beat)
        except FileNotFoundError:
            os.close(os.open(beat, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644))
        os.write(writer, _SAID.pack(time.monotonic()))
    except OSError:
        pass
    return True
