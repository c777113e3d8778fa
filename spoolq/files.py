"""The only module that renames. Write, fsync, rename, list and read, each in the form that the protocol needs.

`Disk.durable` False leaves out every fsync: what is acknowledged then survives kill -9, but no power cut.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

#: Errors that say "it is not there (any more)"; NFSv3 answers ESTALE where others answer ENOENT.
GONE = (errno.ENOENT, errno.ESTALE)
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100


def _silent(_step: str, _path: Path) -> None:
    """Stand in for the observer that crash tests put in."""


@dataclass(slots=True)
class Disk:
    """File system calls with one durability. *step* is called before each with its name and path, for crash tests."""

    durable: bool = True
    step: Callable[[str, Path], None] = _silent
    #: Whether `sync_soon` may wait for the next `sync_directory`, as a runner's may.
    group: bool = False
    owed: list[Path] = field(default_factory=list)

    def write_new(self, path: Path, data: bytes, mode: int = 0o644) -> os.stat_result:
        """Create *path* with *data*, on disk when it returns; FileExistsError if it is there. Returns its fstat.

        A failed close is a failed write (NFS reports a full disk only then), and leaves nothing behind.
        """
        return self.settle(path, self.begin(path, data, mode))

    def begin(self, path: Path, data: bytes, mode: int = 0o644) -> int:
        """The first half of `write_new`: *path* is there and open, *data* on its way. Returns its descriptor."""
        self.step("create", path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            self.step("write", path)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(fd)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return fd

    def settle(self, path: Path, fd: int) -> os.stat_result:
        """The second half: on disk and closed when it returns."""
        try:
            try:
                if self.durable:
                    self.step("fsync", path)
                    os.fsync(fd)
                status = os.fstat(fd)
            finally:
                os.close(fd)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return status

    def rename(self, source: Path, target: Path) -> None:
        """rename(2). Replaces *target*: only for names that nobody else can have, or that are to be replaced."""
        self.step("rename", target)
        source.rename(target)

    def rename_new(self, source: Path, target: Path) -> None:
        """Rename, but never over an existing name: FileExistsError.

        renameat2(RENAME_NOREPLACE) where the file system has it. Elsewhere (NFS, some FUSE) a fresh listing of the
        target's directory comes first, which is why callers hold the lock.
        """
        self.step("rename", target)
        if _rename_noreplace(source, target):
            return
        if target.name in os.listdir(target.parent):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)

    def link_new(self, source: Path, target: Path) -> None:
        """link(2): a second name for a file; FileExistsError if that is taken. Only `doctor` links, to try it."""
        self.step("link", target)
        target.hardlink_to(source)

    def sync_directory(self, *directories: Path) -> None:
        """Fsync what is owed and *directories*, in order. EINVAL and ENOSYS (some FUSE) mean that nothing is to do."""
        due, self.owed = dict.fromkeys([*self.owed, *directories]), []
        if not self.durable:
            return
        for directory in due:
            self.step("fsync", directory)
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise
            finally:
                os.close(fd)

    def sync_soon(self, *directories: Path) -> None:
        """Fsync directories, or owe it when `group` is set: one commit of the journal then does for several moves."""
        if self.group:
            self.owed.extend(directories)
        else:
            self.sync_directory(*directories)

    def append_line(self, path: Path, line: bytes, *, sync: bool = False) -> None:
        """Append *line* in one write, creating *path*; *sync* puts it on disk before the call returns.

        A torn line before it (a full disk, a power cut) is closed first, or it would swallow this one.
        """
        self.step("append", path)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            if sync and self.durable:
                self.step("fsync", path)
                os.fsync(fd)
        finally:
            os.close(fd)

    def unlink(self, path: Path) -> bool:
        """Remove a file; False when it was gone."""
        self.step("unlink", path)
        try:
            path.unlink()
        except OSError as error:
            if error.errno in GONE:
                return False
            raise
        return True

    def touch(self, path: Path) -> None:
        """Set a file's mtime to now, by the clock of the file server. Raises FileNotFoundError."""
        self.step("utime", path)
        os.utime(path)

    def make_directory(self, path: Path, mode: int = 0o777) -> None:
        """Create a directory unless it is there."""
        self.step("mkdir", path)
        path.mkdir(mode=mode, exist_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and all in it. Only for what has been renamed out of the tree's public part."""
        import shutil

        self.step("rmtree", path)
        shutil.rmtree(path)


def can_rename_new(source: Path, target: Path) -> bool:
    """Rename *source* to the free name *target* by RENAME_NOREPLACE; False, and nothing done, where that is refused."""
    return _rename_noreplace(source, target)


@cache
def _renameat2() -> Callable[..., int] | None:
    """The C library's function, or None; imported only by who needs it, since a submit does not."""
    import ctypes

    function: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return function


def _rename_noreplace(source: Path, target: Path) -> bool:
    """True when renamed, False when this file system or C library cannot; raises OSError for everything else."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    from ctypes import get_errno

    done = renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
    if done == 0:
        return True
    code = get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


def names_in(directory: Path) -> list[str]:
    """A fresh listing. On NFS only this sees what other hosts did: opening a directory by path revalidates it."""
    return os.listdir(directory)


def revalidate(*directories: Path) -> None:
    """Have this host ask again what is in *directories*, outermost first, before names in them are looked up.

    An NFS client believes for up to a minute what it last knew of a name, also that there is none. Opening the
    directory by path makes it ask: one round trip there, next to nothing elsewhere.
    """
    for directory in directories:
        try:
            os.close(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:  # gone, or not ours to list: who looks the name up finds out
            return


def each_name(directory: Path) -> Iterator[str]:
    """The same listing, name by name: a hundred thousand at once are 13 MiB that a process may never give back."""
    with os.scandir(directory) as entries:
        for entry in entries:
            yield entry.name


def each_status(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The same with the lstat of each; what goes while we look is left out."""
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                yield entry.name, entry.stat(follow_symlinks=False)
            except OSError as error:
                if error.errno not in GONE:
                    raise


def read_regular(path: Path, limit: int) -> tuple[bytes, os.stat_result]:
    """The content (at most *limit* + 1 bytes) and fstat of a regular file; never follows a link, never blocks.

    Raises OSError; ELOOP for a symbolic link, EINVAL for anything else that is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        chunks: list[bytes] = []
        left = limit + 1
        step = max(status.st_size + 1, 4096)  # a buffer of *limit* bytes costs more than reading a small file
        while left > 0 and (chunk := os.read(fd, min(left, step))):
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks), status
    finally:
        with contextlib.suppress(OSError):  # a quota, a server that is gone: of what was only read nothing is lost
            os.close(fd)
