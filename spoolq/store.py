"""An open spool: its paths, settings, lock, clock and host, for the modules that move jobs."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from spoolq import lock
from spoolq.errors import LockTimeout, SpoolUnusable
from spoolq.files import Disk, each_name, each_status, names_in
from spoolq.layout import Layout
from spoolq.mounts import is_network
from spoolq.names import claim_host, token
from spoolq.settings import Settings, load_settings
from spoolq.transitions import State

#: Local clock and file server disagree when they differ by more than this many seconds.
_SKEW_S = 1.0


class Store:
    """One spool, opened.

    *clock* gives POSIX seconds, *host* the name that claims carry; both are parameters so that tests can say them.
    Opening reads the settings and checks that the directories are there, nothing else.
    """

    def __init__(
        self,
        root: Path,
        *,
        settings: Settings | None = None,
        host: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = root
        self.layout = Layout(root)
        _check_tree(self.layout)
        self.settings = settings or load_settings(self.layout.settings)
        self.disk = Disk(durable=self.settings.durability == "full")
        self.host = host or claim_host()
        self.clock = clock
        self._last_stamp = datetime.min.replace(tzinfo=UTC)
        self._stamping = allocate_lock()

    @cached_property
    def absolute(self) -> Layout:
        """The same tree by absolute paths, as an evaluation is told them."""
        return self.layout if self.root.is_absolute() else Layout(self.root.absolute())

    @cached_property
    def network(self) -> bool:
        """Whether other hosts may change this spool without inotify hearing of it."""
        return is_network(self.root)

    @property
    def settle(self) -> float:
        """Seconds for which a drop that does not parse must rest before it is rejected."""
        return self.settings.settle if self.settings.settle is not None else 60.0 if self.network else 10.0

    @property
    def poll(self) -> float:
        """Seconds between two looks when nothing wakes anybody."""
        return self.settings.poll if self.settings.poll is not None else 1.0 if self.network else 30.0

    @property
    def shared(self) -> bool:
        """Whether others than its owner may put files into ``queued/``."""
        try:
            return bool(self.layout.state(State.QUEUED).stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
        except OSError:
            return True

    @contextlib.contextmanager
    def locked(self, *, insist: bool = True, warn: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold ``.lock`` for a few renames.

        With *insist* False a lock that cannot be had (in ``lock_timeout``, or at all on this file system) is done
        without, and *warn* is told: a runner must not stand still. Otherwise raises LockTimeout, SpoolUnusable.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(lock.held(self.layout.lock, self.settings.lock_timeout))
            except (LockTimeout, SpoolUnusable) as error:
                if insist:
                    raise
                if warn:
                    warn(f"going on without the lock: {error}")
            yield

    def names(self, state: State) -> list[str]:
        """A fresh listing of a state directory; raises SpoolUnusable when it is gone."""
        with _listing(self.layout.state(state), self.root):
            return names_in(self.layout.state(state))

    def each_name(self, state: State) -> Iterator[str]:
        """The same, name by name, for a directory that may be deep."""
        with _listing(self.layout.state(state), self.root):
            yield from each_name(self.layout.state(state))

    def each_status(self, state: State) -> Iterator[tuple[str, os.stat_result]]:
        """The same with the lstat of each file."""
        with _listing(self.layout.state(state), self.root):
            yield from each_status(self.layout.state(state))

    def now(self) -> str:
        """This moment in ISO 8601, UTC with offset, microseconds."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="microseconds")

    def server_time(self) -> float:
        """This moment by the file server's clock, in POSIX seconds: the mtime of a file just made. Raises OSError."""
        probe = self.layout.temporary(f"{token(8)}.probe")
        try:
            return self.disk.write_new(probe, b"").st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def next_stamp(self, server_time: float | None = None) -> datetime:
        """The stamp of a new job in the file server's time; never the same twice, never backwards.

        *server_time* is the mtime of a file just written; it wins when the local clock disagrees with it.
        """
        now = self.clock()
        if server_time is not None and abs(server_time - now) > _SKEW_S:
            now = server_time
        with self._stamping:  # the HTTP face submits from many threads
            stamp = max(datetime.fromtimestamp(now, UTC), self._last_stamp + timedelta(microseconds=1))
            self._last_stamp = stamp
        return stamp


@contextlib.contextmanager
def _listing(directory: Path, root: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SpoolUnusable(
            f"cannot list {directory}: it is gone. Make it again with `spoolq init --spool {root}`."
        ) from None
    except PermissionError:
        raise SpoolUnusable(
            f"cannot list {directory}: permission denied. Ask the spool's owner for read access."
        ) from None


def _check_tree(layout: Layout) -> None:
    missing = [directory for directory in layout.directories() if not directory.is_dir()]
    if not missing:
        return
    if layout.state(State.QUEUED) in missing and layout.runs in missing:
        cause = "it does not exist" if not layout.root.exists() else "it is no spool"
        raise SpoolUnusable(
            f"cannot open spool {layout.root}: {cause}. Make one with `spoolq init --spool {layout.root}`, "
            "or say where yours is with --spool or SPOOLQ_SPOOL."
        )
    names = ", ".join(directory.name for directory in missing)
    raise SpoolUnusable(
        f"cannot open spool {layout.root}: {names} missing. Mend it with `spoolq init --spool {layout.root}`."
    )
