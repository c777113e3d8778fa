"""Disks on which something happens before, or after, a file system call."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spoolq.files import Disk
from spoolq.store import Store


class Steps:
    """Counts the calls of a disk's hook, and does *at* before the call of that number (from 1)."""

    def __init__(self, number: int | None = None, at: Callable[[], None] = lambda: None) -> None:
        self.number, self.at = number, at
        self.seen: list[tuple[str, Path]] = []

    def __call__(self, step: str, path: Path) -> None:
        self.seen.append((step, path))
        if len(self.seen) == self.number:
            self.at()

    @property
    def names(self) -> list[str]:
        return [step for step, _ in self.seen]


@contextmanager
def observed(store: Store, steps: Steps) -> Iterator[Steps]:
    """Every call of *store*'s disk goes by *steps*."""
    before, store.disk.step = store.disk.step, steps
    try:
        yield steps
    finally:
        store.disk.step = before


def refuse(code: int) -> Callable[[], None]:
    """What a disk does that is full, or broken."""

    def raise_it() -> None:
        raise OSError(code, os.strerror(code))

    return raise_it


class LostReplies(Disk):
    """A disk that does a rename and then reports an error, as an NFS client does when the server's reply is lost.

    The replies to *renames* of them are lost, from the *nth* on.
    """

    def __init__(self, code: int = errno.ENOENT, renames: int = 1, nth: int = 1) -> None:
        super().__init__()
        self.code, self.renames, self.before = code, renames, nth - 1

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._lose()

    def rename_new(self, source: Path, target: Path) -> None:
        super().rename_new(source, target)
        self._lose()

    def _lose(self) -> None:
        if self.before:
            self.before -= 1
        elif self.renames:
            self.renames -= 1
            raise OSError(self.code, os.strerror(self.code))
