"""What is wrong with a spool and its surroundings, as far as a look can tell: `spoolq status` says it, line by line.

It probes and writes nothing, so it works on a full disk and for who may only read, and it is cheap.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spoolq.durations import format_duration
from spoolq.errors import SpoolUnusable
from spoolq.gpus.quarantine import standing
from spoolq.lock import holder, holder_command, holder_pid, lock_directory
from spoolq.names import format_stamp, is_candidate
from spoolq.store import Store

#: With less room than this, in bytes and in inodes, something will soon be refused.
_ROOM, _INODES = 1 << 20, 8
#: Clocks that differ by more than this many seconds are worth a word.
_SKEW_S = 60.0
#: What a watcher watches: ``queued/`` and ``control/``.
_WATCHES = 2
#: How many entries of one kind are looked at, and named.
_LOOK, _NAME = 16, 3
_KINDS = {
    stat.S_IFDIR: "folder", stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong: what, where, and what to do next."""

    what: str
    path: str
    next: str

    def __str__(self) -> str:
        return f"{self.what}: {self.path}. {self.next}"


def troubles(store: Store, jobs: Sequence[str], rest: Sequence[str], runners: Sequence[Path]) -> list[Trouble]:
    """All that can be seen.

    *jobs* are the names in ``queued/`` that are STEMs, *rest* the others; *runners* are the slot locks that
    runners of this spool hold.
    """
    return [
        *_disk(store),
        *_directories(store),
        *_lock(store),
        *(trouble for path in runners for trouble in _watcher(path)),
        *_stamps(store, jobs),
        *_entries(store, jobs, rest),
        *_gpus(store),
    ]


def _gpus(store: Store) -> Iterator[Trouble]:
    """GPUs of this host that no job gets."""
    try:
        found = standing(lock_directory(store.settings.lock_dir))
    except (OSError, SpoolUnusable):  # a host where nothing can run has none
        return
    for quarantine in found:
        what = f"{quarantine.title} is in quarantine since {quarantine.since}: {quarantine.why}"
        step = "It ends when the memory is back and a job asks; or remove this file."
        yield Trouble(what, str(quarantine.path), step)


def _disk(store: Store) -> Iterator[Trouble]:
    try:
        seen = os.statvfs(store.root)
    except OSError as error:
        yield Trouble(f"the disk does not answer ({error.strerror})", str(store.root), "See that it is mounted.")
        return
    on = "All goes on by itself then."
    if seen.f_flag & os.ST_RDONLY:
        yield Trouble("the file system is mounted read-only", str(store.root), f"Remount it for writing. {on}")
    left = (seen.f_bfree if os.getuid() == 0 else seen.f_bavail) * seen.f_frsize
    if seen.f_blocks and left < _ROOM:
        yield Trouble(f"the disk is full, {left >> 10} KiB are left", str(store.root), f"Make room. {on}")
    if seen.f_files and (seen.f_ffree if os.getuid() == 0 else seen.f_favail) < _INODES:
        yield Trouble("the disk has no inodes left", str(store.root), f"Remove files, as `spoolq prune` does. {on}")


def _directories(store: Store) -> Iterator[Trouble]:
    """Rights and clock, by one `stat` a directory."""
    owner, latest, newest = store.root.stat().st_uid, 0.0, store.root
    for directory in store.layout.directories():
        try:
            seen = directory.stat()
        except OSError as error:
            step = f"Make it again with `spoolq init --spool {store.root}`."
            yield Trouble(f"a directory is gone ({error.strerror})", str(directory), step)
            continue
        if seen.st_mtime > latest:
            latest, newest = seen.st_mtime, directory
        mine = os.getuid() in (0, seen.st_uid)
        if seen.st_uid != owner:
            step = f"Give it back: `chown {owner} {directory}`."
            yield Trouble(f"a directory belongs to user {seen.st_uid}, not to the spool's owner", str(directory), step)
        elif not seen.st_mode & stat.S_IWUSR:
            step = f"Allow it: `chmod u+w {directory}`."
            yield Trouble("a directory may not be written by its owner", str(directory), step)
        elif mine and not os.access(directory, os.W_OK | os.X_OK) and not os.statvfs(directory).f_flag & os.ST_RDONLY:
            yield Trouble("a directory may not be written", str(directory), "Look for `lsattr -d`, ACLs and quotas.")
    behind = latest - store.clock()
    if behind > _SKEW_S:
        what = f"the clock of this host is {format_duration(behind)} behind the disk's, or was set back"
        yield Trouble(what, str(newest), "Set the clock. The order of jobs is the disk's.")


def _lock(store: Store) -> Iterator[Trouble]:
    command = holder_command(store.layout.lock)
    if command and not any(Path(word).name.split(".")[0] == "spoolq" for word in command[:3]):
        step = "End it: without the lock every move waits for `lock_timeout`."
        yield Trouble(f"{holder(store.layout.lock)} holds the lock", str(store.layout.lock), step)


def _watcher(lock: Path) -> Iterator[Trouble]:
    """Whether the runner that holds this slot's lock has a watcher that hears of arrivals."""
    runner = holder_pid(lock)
    parent = _parent(runner) if runner else None
    if parent is None:
        return
    try:
        command = Path(f"/proc/{parent}/cmdline").read_bytes()
        if b"spoolq" not in command:
            what, step = "the watcher of this runner is dead, so no drop is admitted", "Start `spoolq run` again."
            yield Trouble(what, f"process {runner}", step)
            return
        heard = sum(_watches(entry) for entry in Path(f"/proc/{parent}/fd").iterdir())
    except OSError:  # another user's, or gone
        return
    if heard < _WATCHES:
        what = "the watcher cannot watch, so it looks from time to time only"
        step = "Raise fs.inotify.max_user_instances and max_user_watches."
        yield Trouble(what, f"process {parent}", step)


def _watches(fd: Path) -> int:
    """How many directories an inotify descriptor hears of (proc(5), fdinfo); 0 for any other."""
    if str(fd.readlink()) != "anon_inode:inotify":
        return 0
    return Path(str(fd).replace("/fd/", "/fdinfo/")).read_text(encoding="ascii").count("inotify wd:")


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def _stamps(store: Store, jobs: Sequence[str]) -> Iterator[Trouble]:
    ahead = format_stamp(datetime.fromtimestamp(store.clock() + _SKEW_S, UTC))
    future = [name for name in jobs if name[-65:-42] > ahead]
    if future:
        what = f"{_count(future, 'job')} stamped in the future, as by a clock that was set back"
        yield Trouble(what, _named(future), "They wait behind all others; see that the clocks agree.")


def _entries(store: Store, jobs: Sequence[str], rest: Sequence[str]) -> Iterator[Trouble]:
    """What lies in ``queued/`` and is left alone."""
    others = [name for name in rest if not is_candidate(name) and not name.startswith(".")]
    if others:
        noun = "1 file in queued/ is no job" if len(others) == 1 else f"{len(others)} files in queued/ are no jobs"
        yield Trouble(noun, _named(others), "A job's name ends in .json.")
    settled = store.settle + max(store.poll, 5.0)
    drops = sorted(name for name in rest if is_candidate(name))[:_LOOK]
    for name in [*drops, *heapq.nsmallest(_LOOK, jobs)]:
        path = store.layout.drop(name)
        try:
            seen = path.lstat()
        except OSError:
            continue
        why = _stuck(path, seen)
        waits = store.clock() - seen.st_ctime
        if why:
            yield Trouble(f"an entry of the queue {why}", str(path), "Take it away; it is left alone.")
        elif name in drops and waits > settled:
            step = "See what `spoolq run` says of it, or take it away."
            yield Trouble(f"a drop has not been admitted for {format_duration(waits)}", str(path), step)


def _stuck(path: Path, seen: os.stat_result) -> str:
    """Why nobody can move this entry; empty when it can be."""
    kind = _KINDS.get(stat.S_IFMT(seen.st_mode))
    queue = path.parent.stat()
    if kind == "folder" and queue.st_uid not in (0, seen.st_uid):
        return f"is a folder of user {seen.st_uid}, which only they can move"
    if kind == "folder" and path.is_mount():
        return "is a mount point"
    mine = os.getuid() in (0, seen.st_uid) and seen.st_mode & stat.S_IWUSR
    if not kind and mine and not os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "is immutable (`chattr -i`)"
    return ""


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:_NAME])
    return shown if len(names) <= _NAME else f"{shown}, …"


def _count(names: Sequence[str], noun: str) -> str:
    return f"1 {noun} is" if len(names) == 1 else f"{len(names)} {noun}s are"
