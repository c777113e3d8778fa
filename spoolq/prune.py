"""Prune: remove ended jobs with their runs, by age and number. Safe in cron beside a running queue."""

from __future__ import annotations

import contextlib
import errno
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from spoolq.files import GONE, names_in
from spoolq.finish import terminal_record
from spoolq.jobs import Entry, parse_entry
from spoolq.names import parse_key, parse_stamp, token
from spoolq.parents import wanted
from spoolq.replay import LITTER_AGE_S, replay
from spoolq.scores import index
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State


@dataclass(slots=True)
class Pruned:
    """What was removed (or, in a dry run, would be): job ids by state, run folders without a job, bytes."""

    jobs: dict[str, list[str]] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    bytes: int = 0
    kept: int = 0
    skipped: list[str] = field(default_factory=list)


def prune(
    store: Store,
    *,
    older_than: float | None = None,
    keep: int | None = None,
    states: Sequence[State] = TERMINAL,
    dry_run: bool = False,
) -> Pruned:
    """Remove ended jobs of *states* that ended over *older_than* seconds ago, sparing the *keep* newest.

    Both limits given: a job goes only if it is past both. Neither: every ended job of *states* goes. A job whose record
    is not written yet is left alone, and so is one that an active job comes after: without it, that would fail. Raises
    SpoolUnusable when the spool cannot be listed.
    """
    if keep is not None and keep < 0:
        raise ValueError(f"keep is {keep}; it is how many to spare, 0 or more")
    if not dry_run:
        replay(store)
    report = Pruned()
    ended = [(_ended_at(store, entry), entry) for state in states for entry in _entries(store, state)]
    report.skipped = [entry.stem.uuid for ended_at, entry in ended if ended_at is None]
    aged = [(ended_at, entry) for ended_at, entry in ended if ended_at is not None]
    aged.sort(key=lambda pair: (pair[0], pair[1].stem.key), reverse=True)
    now = store.clock()
    needed = wanted(store) if aged[keep or 0 :] else set()
    for ended_at, entry in aged[keep or 0 :]:
        if entry.stem.uuid not in needed and (older_than is None or now - ended_at > older_than):
            _take(store, entry, report, dry_run)
    if not dry_run:
        index.forget(store, report.jobs.get(State.COMPLETED.value, ()))
    report.kept = len(ended) - sum(len(ids) for ids in report.jobs.values())
    if set(states) == set(TERMINAL):
        _orphans(store, report, older_than, dry_run)
    return report


def remove(store: Store, entries: Sequence[Entry]) -> Pruned:
    """Remove those ended jobs, which the caller has just found to have their records; the rest as `prune`."""
    report = Pruned()
    for entry in entries:
        _take(store, entry, report, dry_run=False)
    index.forget(store, report.jobs.get(State.COMPLETED.value, ()))
    return report


def _take(store: Store, entry: Entry, report: Pruned, dry_run: bool) -> None:
    """Remove one job, and say so in the report."""
    try:
        report.bytes += _remove(store, entry, dry_run)
    except FileNotFoundError:  # RACE: a retry or another prune took it first
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        report.skipped.append(entry.stem.uuid)  # a directory under a job's name: somebody's, not ours to empty
        return
    report.jobs.setdefault(entry.state.value, []).append(entry.stem.uuid)


def _entries(store: Store, state: State) -> list[Entry]:
    return [entry for name in store.names(state) if (entry := parse_entry(state, name))]


def _ended_at(store: Store, entry: Entry) -> float | None:
    """POSIX seconds of the end; None without a record. An mtime would tell when it was submitted: rename keeps it."""
    path = store.layout.terminal(entry.state, entry.stem.key)
    record = terminal_record(path)
    if record is None:
        with contextlib.suppress(FileNotFoundError):
            written = path.lstat().st_ctime
            return written if store.server_time() - written > LITTER_AGE_S else None
        return None
    try:
        return datetime.fromisoformat(record["completed_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return parse_stamp(entry.stem.stamp).timestamp()


def _remove(store: Store, entry: Entry, dry_run: bool) -> int:
    """Take one job away; returns the bytes freed.

    The run folder goes to ``.tmp/`` by rename, then the record, then the folder's content: CRASH: a kill leaves a job
    without its run folder, which the next prune takes, or litter in ``.tmp/``, which the sweep takes.
    """
    record, run = store.layout.terminal(entry.state, entry.stem.key), store.layout.run(entry.stem.key).path
    size = record.lstat().st_size + _size(run)
    if dry_run:
        return size
    aside = store.layout.temporary(f"{token(8)}.pruned")
    with store.locked():
        if record.name not in names_in(record.parent):  # RACE: retried since we listed; its run folder must stay
            raise FileNotFoundError(record)
        with contextlib.suppress(FileNotFoundError):
            store.disk.rename(run, aside)
        if not store.disk.unlink(record) and record.name in names_in(record.parent):
            raise OSError(errno.EIO, "the file system says that it is gone, and lists it", str(record))
    store.disk.sync_directory(record.parent)
    with contextlib.suppress(FileNotFoundError):  # no run folder; or a sweep has taken it for litter
        store.disk.remove_tree(aside)
    return size


def _orphans(store: Store, report: Pruned, older_than: float | None, dry_run: bool) -> None:
    for key in orphan_runs(store, older_than):
        size = _size(store.layout.run(key).path)
        if dry_run or _take_orphan(store, key):
            report.bytes += size
            report.orphans.append(key)


def orphan_runs(store: Store, older_than: float | None = None) -> list[str]:
    """The keys of run folders whose job is nowhere, left by an admission or a prune that was killed.

    One that has changed in the last hour (or *older_than* seconds, if that is more) may have a job in a moment.
    """
    runs = {key for key in names_in(store.layout.runs) if parse_key(key)}
    for state in State:
        runs -= {entry.stem.key for entry in _entries(store, state)}
    return [key for key in sorted(runs) if _rested(store, key) > max(older_than or 0.0, LITTER_AGE_S)]


def _rested(store: Store, key: str) -> float:
    """For how many seconds a run folder has not changed; 0 when it is gone."""
    try:
        return store.clock() - store.layout.run(key).path.stat().st_mtime
    except OSError as error:
        if error.errno in GONE:
            return 0.0
        raise


def _take_orphan(store: Store, key: str) -> bool:
    """Remove a run folder, if its job is still nowhere: it may have moved against the order of our listings."""
    aside = store.layout.temporary(f"{token(8)}.pruned")
    with store.locked():
        if any(key in name for state in reversed(list(State)) for name in store.names(state)):
            return False
        store.disk.rename(store.layout.run(key).path, aside)
    with contextlib.suppress(FileNotFoundError):  # a sweep has taken it for litter
        store.disk.remove_tree(aside)
    return True


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else []:
        with contextlib.suppress(OSError):
            status = path.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def oldest_kept(now: float, older_than: float) -> str:
    """The moment before which jobs are old, for people: ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(now - older_than, UTC).isoformat(timespec="seconds")
