"""What runs out: inotify, descriptors, bytes and inodes; and the name that claims carry."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

from spoolq.doctor.finding import Finding, fault, note, ok, warning
from spoolq.doctor.patient import Patient
from spoolq.transitions import State

#: Below these a spool is nearly, or quite, full; bytes and inodes.
LOW_BYTES, NO_BYTES = 1 << 30, 32 << 20
LOW_INODES, NO_INODES = 10_000, 100
#: Descriptors that a watcher and its runners want to be sure of.
FEW_DESCRIPTORS = 256


def check_host(patient: Patient) -> list[Finding]:
    """The host's name in claims: two hosts of one name take each other's jobs for their own."""
    name, full = patient.host, os.uname().nodename
    if name.partition(".")[0] in ("localhost", "ubuntu", "debian", "raspberrypi", "none"):
        return [
            warning(
                "host name",
                f"{name!r} is a name that many hosts have",
                "Of two hosts with one name each takes the other's live claims for a dead runner's: a job runs twice.",
                "Give each host that shares the spool a name of its own.",
                host=name,
            )
        ]
    if len(full) > 64:
        return [note("host name", f"{full} is cut to {name}", "Two hosts may be left with one name.", host=name)]
    return [ok("host name", f"claims of this host say {name!r}", host=name)]


def check_inotify(patient: Patient) -> list[Finding]:
    """Whether a watch on ``queued/`` can be had now, and what the limits are."""
    folder = patient.proc / "sys" / "fs" / "inotify"
    limits = {name: _number(folder / name) for name in ("max_user_instances", "max_user_watches")}
    refused = try_watch(patient.layout.state(State.QUEUED))
    if not refused:
        said = ", ".join(f"{value} {name.removeprefix('max_user_')}" for name, value in limits.items())
        return [ok("inotify", f"watched; at most {said}", **limits)]
    return [
        warning(
            "inotify",
            f"no watch can be had: {refused}",
            "The watcher looks each second instead of being woken.",
            "Raise fs.inotify.max_user_instances and max_user_watches (sysctl), or end what holds them.",
            refused=refused,
            **limits,
        )
    ]


def try_watch(directory: Path) -> str:
    """Watch a directory for a moment, for its own removal only; why that was refused, or ""."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    try:
        in_delete_self = 0x400
        if libc.inotify_add_watch(fd, os.fsencode(directory), in_delete_self) < 0:
            return os.strerror(ctypes.get_errno())
    finally:
        os.close(fd)
    return ""


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def check_descriptors(_patient: Patient) -> list[Finding]:
    """RLIMIT_NOFILE, which evaluations inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [judge_descriptors(soft, hard)]


def judge_descriptors(soft: int, hard: int) -> Finding:
    """What a limit of open files means; -1 is none."""
    numbers = {"soft": soft, "hard": hard}
    if 0 <= soft < FEW_DESCRIPTORS:
        return warning(
            "open files",
            f"at most {soft} a process",
            "Runners and evaluations may fail with EMFILE.",
            f"`ulimit -n {max(1024, FEW_DESCRIPTORS)}` before `spoolq run`.",
            **numbers,
        )
    return ok("open files", f"at most {soft} a process" if soft >= 0 else "no limit", **numbers)


def check_room(patient: Patient) -> list[Finding]:
    """Free bytes and inodes on the spool's file system."""
    seen = os.statvfs(patient.root)
    free = seen.f_bfree if os.geteuid() == 0 else seen.f_bavail
    inodes = (seen.f_ffree if os.geteuid() == 0 else seen.f_favail) if seen.f_files else None
    return [judge_bytes(free * seen.f_frsize, seen.f_blocks * seen.f_frsize), judge_inodes(inodes, seen.f_files)]


def judge_bytes(free: int, total: int) -> Finding:
    """What the free room means."""
    said = f"{_size(free)} of {_size(total)} free"
    return _judge("room", said, free, NO_BYTES, LOW_BYTES, {"free_bytes": free, "bytes": total})


def judge_inodes(free: int | None, total: int) -> Finding:
    """What the free inodes mean; None: the file system does not count them."""
    if free is None:
        return ok("inodes", "not counted by this file system", free_inodes=None)
    return _judge(
        "inodes", f"{free} of {total} free", free, NO_INODES, LOW_INODES, {"free_inodes": free, "inodes": total}
    )


def _judge(name: str, said: str, free: int, none: int, low: int, numbers: dict[str, int]) -> Finding:
    step = "Make room: `spoolq prune --older-than 30d`, or what else lies there."
    if free < none:
        return fault(name, said, "Submits fail with exit code 5, and runners wait for room.", step, **numbers)
    if free < low:
        return warning(name, said, "It will soon be full: then submits fail and runners wait.", step, **numbers)
    return ok(name, said, **numbers)


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
