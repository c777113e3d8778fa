"""One maintenance pass: replay half-done finishes, take over from the dead, clear litter, settle what has no record."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from spoolq.errors import LockTimeout
from spoolq.files import GONE, names_in
from spoolq.finish import terminal_record
from spoolq.jobs import finals, parse_entry
from spoolq.layout import PROBE
from spoolq.lock import lock_directory, try_lock
from spoolq.names import SWEEP_SLOT, Running, parse_running
from spoolq.recover import claims_of, recover, take_over
from spoolq.replay import is_old, replay, settle_recordless
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State

#: How often ended files are looked through for some without a record, in seconds, and how many are read each time.
_SETTLE_S, _SETTLE_AT_ONCE = 60.0, 100
#: On a network mount an attribute may be this stale, so no heartbeat is judged sooner, in seconds.
_NETWORK_FLOOR_S = 180.0


@dataclass(slots=True)
class Sweep:
    """Sweeps one spool; *own* are the slots whose runners are ours and recover by themselves.

    Remembers each remote heartbeat and since when, on this host's own monotonic clock, it has looked the same.
    """

    store: Store
    own: frozenset[str]
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[float | None, float]] = field(default_factory=dict)
    _whole: set[tuple[State, str]] = field(default_factory=set)
    _settled_at: float = float("-inf")

    def turn(self) -> None:
        """One pass. An entry that cannot be mended now is met again in the next."""
        for step in (self._replay, self._recover_here, self._take_over_remote, self._clear_litter, self._settle):
            try:
                step()
            except OSError as error:
                if error.errno not in GONE:
                    self.say(f"cannot sweep: {error}. Trying again later.")

    def _replay(self) -> None:
        done = replay(self.store)
        if done:
            self.say(f"published {done} records of finishes that were cut short")

    def _recover_here(self) -> None:
        """Claims of this host under slots that nobody holds any more (a slot taken out of the settings, say)."""
        slots = {running.claim.slot for running in claims_of(self.store)} - self.own
        directory = lock_directory(self.store.settings.lock_dir) if slots else None
        for slot in sorted(slots):
            assert directory is not None
            fd = try_lock(directory / f"{slot}.lock")
            if fd is not None:
                try:
                    recover(self.store, slot, self.say)
                finally:
                    os.close(fd)

    def _take_over_remote(self) -> None:
        limit = self.store.settings.heartbeat_timeout
        limit = max(limit, _NETWORK_FLOOR_S) if self.store.network else limit
        standing = [r for name in self.store.names(State.RUNNING) if (r := parse_running(name))]
        hosts = [running for running in standing if not running.claim.is_workers]
        remote = {str(running): running for running in hosts if running.claim.host != self.store.host}
        self._seen = {name: seen for name, seen in self._seen.items() if name in remote}
        for name, running in remote.items():
            beat, now = self._beat(running), self.clock()
            known = self._seen.get(name)
            if known is None or known[0] != beat:
                self._seen[name] = (beat, now)
            elif now - known[1] >= limit:
                self.say(f"{running.claim.worker} has not beaten for {limit:g} s; taking {running.stem.uuid[:8]} over")
                take_over(self.store, running, SWEEP_SLOT, self.say)

    def _beat(self, running: Running) -> float | None:
        try:
            return self.store.layout.beat(running).stat().st_mtime
        except OSError:
            return None

    def _clear_litter(self) -> None:
        """Files of submits that were killed, heartbeats without a claim, marks of a resume."""
        for name in names_in(self.store.layout.control):
            if name.startswith(".resumed."):
                with contextlib.suppress(OSError):
                    remove(self.store, self.store.layout.control / name)
        for path in litter(self.store):
            with contextlib.suppress(OSError):  # another user's folder, which only they can empty
                remove(self.store, path)
        for path in stray_beats(self.store):
            self.store.disk.unlink(path)

    def _settle(self) -> None:
        """Give ended files that nobody writes a record for one of their own; each file is read until it has a record.

        A few at a time, the newest first: there may be very many, and nearly all of them are whole.
        """
        if self.clock() - self._settled_at < _SETTLE_S:
            return
        self._settled_at = self.clock()
        names = sorted(((name, state) for state in TERMINAL for name in self.store.names(state)), reverse=True)
        self._whole.intersection_update((state, name) for name, state in names)
        unread = ((state, name) for name, state in names if (state, name) not in self._whole)
        for state, name in itertools.islice(unread, _SETTLE_AT_ONCE):
            entry = parse_entry(state, name)
            with contextlib.suppress(OSError, LockTimeout):  # it has moved on, or is met again in the next pass
                if entry is None or terminal_record(self.store.layout.terminal(state, entry.stem.key)) is not None:
                    self._whole.add((state, name))
                elif settle_recordless(self.store, entry) is not None:
                    self.say(f"settled {entry.stem.uuid[:8]}: it was in {state}/ without a record")


def litter(store: Store) -> list[Path]:
    """What was left in ``.tmp/`` an hour ago and more: by a submit that was killed, a prune, a `doctor`.

    A `.final` is the replay's, and a hidden name is not ours, unless `doctor` made it.
    """
    names = names_in(store.layout.tmp)
    if not names:
        return []
    known = {f"{running}.final" for running in finals(store)}
    ours = [name for name in names if name not in known and (not name.startswith(".") or name.startswith(PROBE))]
    now = store.server_time() if ours else 0.0
    return [store.layout.temporary(name) for name in ours if is_old(store, name, now)]


def remove(store: Store, path: Path) -> None:
    """Remove what is litter, a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        store.disk.remove_tree(path)
    else:
        store.disk.unlink(path)


def stray_beats(store: Store) -> list[Path]:
    """Heartbeat files whose claim is gone."""
    names = set(store.names(State.RUNNING))
    beats = [name for name in names if name.startswith(".") and name.endswith(".beat")]
    return [store.layout.state(State.RUNNING) / name for name in beats if f"{name[1:-5]}.json" not in names]
