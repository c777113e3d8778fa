"""Locks: the spool's ``.lock`` around multi-step moves, and the slot locks that keep one runner a GPU.

Correctness never rests on ``.lock``: the rename excludes, the claim in the name fences. It is filelock's native lock
on a descriptor of our own, so that a forked shim inherits the slot's lock and no fallback to a soft lock can happen.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

from spoolq.errors import LockTimeout, SpoolUnusable

_POLL_S = 0.02
#: What `one_look` has read, if anything yet; None outside of it.
_LOOK: ContextVar[list[list[str]] | None] = ContextVar("look", default=None)


def _open(path: Path, mode: int) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Two steps: in a sticky directory O_CREAT on another user's file is refused (fs.protected_regular).
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            fd = os.open(path, flags | os.O_CREAT, mode)
            with contextlib.suppress(OSError):
                os.fchmod(fd, mode)
            return fd
    except OSError as error:
        raise SpoolUnusable(
            f"cannot open lock {path}: {error.strerror}. Check that its directory exists and may be written."
        ) from None


def _try_lock(fd: int, path: Path) -> bool:
    from filelock import lock_descriptor

    try:
        if not lock_descriptor(fd, blocking=False):
            return False
    except OSError as error:
        raise SpoolUnusable(
            f"cannot lock {path}: {error.strerror}. This file system has no flock; use another, or mount it with locks."
        ) from None
    try:  # RACE: the file may have been replaced between open and lock; a lock on the old inode excludes nobody.
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def try_lock(path: Path, mode: int = 0o666) -> int | None:
    """Take the lock at once: a descriptor that holds it until its last copy is closed, or None if somebody has it."""
    fd = _open(path, mode)
    try:
        if _try_lock(fd, path):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


@contextlib.contextmanager
def held(path: Path, timeout: float, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Hold the lock at *path*; raises LockTimeout, naming the holder, after *timeout* seconds."""
    deadline = clock() + timeout
    while (fd := try_lock(path)) is None:
        if clock() >= deadline:
            raise LockTimeout(
                f"cannot lock {path}: {holder(path)} has held it for over {timeout:g} s. Try again, or end it."
            )
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        os.close(fd)


def holder(path: Path) -> str:
    """Who holds the lock, in words: pid and command line on this host, else that it is somebody elsewhere."""
    pid = holder_pid(path)
    return _process(pid) if pid else "a process of another host, user or container"


@contextlib.contextmanager
def one_look() -> Iterator[None]:
    """Answer all that is asked about holders inside from one read of /proc/locks, for which the kernel takes 7 ms."""
    before = _LOOK.set([])
    try:
        yield
    finally:
        _LOOK.reset(before)


def _rows(locks: Path) -> list[str]:
    look = _LOOK.get()
    if look:
        return look[0]
    rows = locks.read_text(encoding="ascii").splitlines()
    if look is not None:
        look.append(rows)
    return rows


def is_held(path: Path) -> bool:
    """Whether a process of this host holds the lock, without touching it."""
    return holder_pid(path) is not None


def holder_pid(path: Path, locks: Path = Path("/proc/locks")) -> int | None:
    """The pid that took the lock. proc(5): ``1: FLOCK ADVISORY WRITE 1234 fe:00:5678 0 EOF``, devices hexadecimal."""
    try:
        status = path.stat()
        rows = _rows(locks)
    except OSError:
        return None
    mine = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for row in rows:
        words = row.split()
        if "->" not in words and words[5] == mine:
            return int(words[4])
    return None


def holder_command(path: Path) -> list[str]:
    """The command line of the process of this host that took the lock; [] without one."""
    pid = holder_pid(path)
    return _command(pid) if pid else []


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _process(pid: int) -> str:
    command = " ".join(_command(pid)).strip()
    return f"process {pid} ({command[:60]})" if command else f"process {pid}"


def lock_directory(configured: str | None) -> Path:
    """The host-local directory of slot locks, made if need be: `$SPOOLQ_LOCK_DIR`, the setting, /run/lock, /tmp.

    It is common to all users (mode 1777), because two users' runners must not share a GPU.
    """
    chosen = os.environ.get("SPOOLQ_LOCK_DIR") or configured
    candidates = [Path(chosen)] if chosen else [Path("/run/lock/spoolq"), Path("/tmp/spoolq-locks")]
    for directory in candidates:
        try:
            directory.mkdir(parents=bool(chosen), exist_ok=True)
            with contextlib.suppress(PermissionError):
                directory.chmod(0o1777)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            continue
        if os.access(directory, os.W_OK | os.X_OK):
            return directory
    tried = ", ".join(str(directory) for directory in candidates)
    raise SpoolUnusable(f"cannot make slot locks: no writable directory ({tried}). Set lock_dir or SPOOLQ_LOCK_DIR.")
