"""Processes of an evaluation: start one in its own session, tell it apart from others, find and kill all it started."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_RESET = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGCHLD,
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGXFSZ, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip


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


def spawn(argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: int) -> int:
    """Start *argv* in a session of its own, stdin empty, stdout and stderr straight into the descriptor *log*.

    Returns its pid once the program runs; raises OSError when it could not be started. The caller must be
    single-threaded. The child dies with the caller, and signals are as a login shell would give them: a runner started
    by `nohup` or `&` has SIGINT ignored, which an evaluation would inherit.
    """
    _libc()  # loaded before the fork, not after
    parent = os.getpid()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _become(argv, cwd, env, log, writer, parent)
    os.close(writer)
    try:
        report = os.read(reader, 4096)
    finally:
        os.close(reader)
    if not report:
        return pid
    os.waitpid(pid, 0)
    code, at_cwd = struct.unpack("ii", report)
    raise OSError(code, os.strerror(code), str(cwd) if at_cwd else argv[0])


def _become(argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: int, report: int, parent: int) -> NoReturn:
    in_cwd = 1
    try:
        os.setsid()
        die_with_parent(parent)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(cwd)
        in_cwd = 0
        os.execvpe(argv[0], list(argv), env)
    except OSError as error:
        os.write(report, struct.pack("ii", error.errno or errno.EIO, in_cwd))
    except BaseException:
        os.write(report, struct.pack("ii", errno.EINVAL, in_cwd))
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
    """All descendants of this process but *spare*, whatever session they are in."""
    import psutil

    spared = set(spare)
    return [child.pid for child in psutil.Process().children(recursive=True) if child.pid not in spared]


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
