"""Processes of an evaluation: tell one apart from others, find and kill all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make this process the parent of every orphan that its descendants leave (prctl(2), Linux 3.4)."""
    if _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when *parent* dies; ends it at once if that has happened already."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # RACE: the parent died between the fork and the prctl
        os._exit(127)


def start_time(pid: int) -> int | None:
    """When *pid* started, in clock ticks since boot (field 22 of proc(5)'s stat); None if there is no such process.

    A pid alone is reused; pid, start time and boot id together are one process.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def boot_id() -> str:
    """The kernel's name for this boot; "" where /proc does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def is_alive(pid: int, started: int | None, boot: str) -> bool:
    """Whether the process of that pid, start time and boot still lives (a zombie does not)."""
    return boot == boot_id() and started is not None and start_time(pid) == started and not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the process group of a session leader; nothing when it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def children(spare: Iterable[int] = ()) -> list[int]:
    """All descendants of this process, whatever session they are in, but *spare* and what came of those.

    The caller must be a subreaper.
    """
    spared = set(spare)
    if spared.issuperset(_children_of(os.getpid())):
        return []
    import psutil

    found = []
    for child in psutil.Process().children():
        if child.pid not in spared:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [child.pid, *(below.pid for below in child.children(recursive=True))]
    return found


def descendants(pid: int) -> list[int]:
    """All that has come of *pid*, a single-threaded process, and still lives."""
    if not _children_of(pid):
        return []
    import psutil

    try:
        return [below.pid for below in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _children_of(pid: int) -> list[int]:
    """The children of *pid*, which must be single-threaded, dead ones too until they are reaped.

    A subreaper's list is never empty while anything of an ended evaluation lives, and shrinks only by its own wait(2),
    so one read of it is true (proc(5), ``task/TID/children``). A kernel without that file makes psutil look.
    """
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except FileNotFoundError:
        return [-1]
    except ProcessLookupError:  # it has just died
        return []


def marked(mark: str, session: int | None, session_start: int | None) -> list[int]:
    """Processes of an evaluation whose shim is dead: by the mark in their environment, or by their session.

    Both are needed: a dying process has no environment any more but still its open files, and a daemon may have left
    the session. *session_start* is the leader's start time: the pid may be somebody else's by now.
    """
    import psutil

    needle = mark.encode()
    if session is not None and (now := start_time(session)) is not None and now != session_start:
        session = None
    found = []
    for pid in psutil.pids():
        if pid == os.getpid() or _is_zombie(pid):
            continue
        try:
            of_session = session is not None and os.getsid(pid) == session
            if of_session or needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:  # gone meanwhile, or of another user and so none of ours
            continue
    return found


def kill_all(find: Callable[[], list[int]], pause: float = 0.02) -> int:
    """SIGKILL what *find* finds until it finds nothing; returns how many processes that were.

    Does not give up on one that will not die (a hung driver): its GPU is not free, so the slot is not either.
    """
    killed: set[int] = set()
    while pids := find():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed.update(pids)
        time.sleep(pause)
        pause = min(pause * 2, 1.0)
    return len(killed)
