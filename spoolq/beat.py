"""The heartbeat of a long evaluation: a process of its own, so that a file system that hangs never blocks the shim.

It is started only after the first `heartbeat` has passed; short jobs never pay for it.
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

#: What the process says: when (`time.monotonic`) a beat had reached the disk, or that the claim is gone.
_SAID = struct.Struct("d")
FENCED = -1.0


class Beater:
    """The heartbeat process of one claim. *running* is the claimed file, *beat* the file whose mtime is the beat."""

    def __init__(self, running: Path, beat: Path, interval: float) -> None:
        #: False once it has been reaped: its pid may be somebody else's then.
        self.alive = True
        self.reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _beat_for_ever(running, beat, interval, writer, parent)
        os.close(writer)

    def read(self) -> list[float]:
        """The beats since the last call, and FENCED; raises EOFError when the process is dead."""
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


def _beat_for_ever(running: Path, beat: Path, interval: float, writer: int, parent: int) -> NoReturn:
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        die_with_parent(parent)
        while True:
            if not _beat_once(running, beat, writer):
                break
            select.select([], [], [], interval)
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
