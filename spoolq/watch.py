"""The wake-up: a watchdog observer on ``queued/`` and ``control/``. A hint only; whoever is woken scans.

watchdog 7.1 holds an unmatched MOVED_FROM for 0.5 s and every later event behind it, so each claim (a rename out of
``queued/``) would delay the next submission's wake-up by half a second. Every public event filter that sees a rename in
asks for MOVED_FROM too; hence the emitter below, whose mask is held by a test.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from watchdog.events import DirModifiedEvent, FileSystemEvent, FileSystemEventHandler
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
    """Hears what arrives in a directory, and nothing of what leaves it; tells *arrived* the path, in its own thread."""

    def __init__(self, *args: Any, arrived: Callable[[str], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._arrived = arrived

    def get_event_mask_from_filter(self) -> Mask:
        """Whatever the filter says: arrivals only."""
        return MASK

    def queue_event(self, event: FileSystemEvent) -> None:
        """Tell it here: the observer's queue and its second thread would cost another tenth of a millisecond."""
        if not isinstance(event, DirModifiedEvent):
            self._arrived(os.fsdecode(event.src_path))


class Watch:
    """Calls *arrived* with the path of what arrives in one of *directories*.

    It is called in a thread of the observer, which it would kill without a word by raising.
    """

    def __init__(self, directories: list[Path], arrived: Callable[[str], None]) -> None:
        self.directories, self.arrived = directories, arrived
        self._observer: BaseObserver | None = None
        self._inodes: list[tuple[int, int] | None] = []

    def start(self) -> str | None:
        """Start watching; returns why it could not (no inotify instances or watches left), None when it does."""
        self.stop()
        # watchdog calls it like the class, with an event queue, a watch and options.
        observer = BaseObserver(partial(ArrivalEmitter, arrived=self.arrived))  # type: ignore[arg-type]
        try:
            self._inodes = [_inode(directory) for directory in self.directories]
            for directory in self.directories:
                observer.schedule(FileSystemEventHandler(), str(directory))
            observer.start()
        except OSError as error:
            with contextlib.suppress(RuntimeError):
                observer.stop()
            return error.strerror or str(error)
        self._observer = observer
        return None

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
