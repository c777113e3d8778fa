"""The wake-up: a watchdog observer on ``queued/`` and ``control/``. A hint only; whoever is woken scans.

watchdog 7.1 holds an unmatched MOVED_FROM for 0.5 s and every later event behind it, so each claim (a rename out of
``queued/``) would delay the next submission's wake-up by half a second. Every public event filter that sees a rename in
asks for MOVED_FROM too; hence the emitter below, whose mask is held by a test.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, Mask

MASK = Mask(
    InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE_SELF
)


class ArrivalEmitter(InotifyEmitter):
    """Hears what arrives in a directory, and nothing of what leaves it."""

    def get_event_mask_from_filter(self) -> Mask:
        """Whatever the filter says: arrivals only."""
        return MASK


class _Handler(FileSystemEventHandler):
    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def dispatch(self, event: FileSystemEvent) -> None:  # noqa: ARG002
        """Set the flag. A handler that raises would kill the observer's thread without a word."""
        self._wake()


class Watch:
    """Writes a byte to *wake_fd* (non-blocking) when something arrives in one of *directories*."""

    def __init__(self, directories: list[Path], wake_fd: int) -> None:
        self.directories, self.wake_fd = directories, wake_fd
        self._observer: BaseObserver | None = None
        self._inodes: list[tuple[int, int] | None] = []

    def start(self) -> str | None:
        """Start watching; returns why it could not (no inotify instances or watches left), None when it does."""
        self.stop()
        observer = BaseObserver(ArrivalEmitter)
        handler = _Handler(self._wake)
        try:
            self._inodes = [_inode(directory) for directory in self.directories]
            for directory in self.directories:
                observer.schedule(handler, str(directory))
            observer.start()
        except OSError as error:
            with contextlib.suppress(RuntimeError):
                observer.stop()
            return error.strerror or str(error)
        self._observer = observer
        return None

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: somebody is being woken already
            os.write(self.wake_fd, b"w")

    def healthy(self) -> bool:
        """Whether its threads live and it watches the directories that are there now: watchdog fails silently."""
        observer = self._observer
        if observer is None or not observer.is_alive():
            return False
        emitters = list(observer.emitters)
        alive = len(emitters) == len(self.directories) and all(emitter.is_alive() for emitter in emitters)
        return alive and self._inodes == [_inode(directory) for directory in self.directories]

    def stop(self) -> None:
        """End the observer's threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=5)
            self._observer = None


def _inode(directory: Path) -> tuple[int, int] | None:
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
