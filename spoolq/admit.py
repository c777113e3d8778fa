"""Admit dropped files: what lies in ``queued/`` under a name that is no STEM becomes a job, or is rejected.

A file is complete when it parses as one JSON object. What does not parse is *not yet* complete, until it has rested
for `settle` seconds.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from spoolq import history
from spoolq.claims import ONE_ONLY, SECOND_LINK
from spoolq.documents import MAX_BYTES, parse_object
from spoolq.errors import ClaimLost, RequestInvalid
from spoolq.files import GONE, read_regular
from spoolq.finish import set_aside
from spoolq.jobs import blank
from spoolq.names import (
    ADMIT_SLOT,
    PRIORITIES,
    Running,
    Stem,
    is_candidate,
    is_drop,
    new_claim,
    new_stem,
)
from spoolq.newcomers import Newcomers
from spoolq.store import Store
from spoolq.transitions import State

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Rest:
    """A drop that does not parse yet: how it looked, and since when (monotonic seconds) it has looked so."""

    look: tuple[int, ...]
    since: float


@dataclass
class Admission:
    """Looks at drops. *check* raises RequestInvalid for a document that no recipe can take; *say* gets a line each."""

    store: Store
    check: Callable[[Mapping[str, Any], int], None]
    say: Callable[[str], None] = lambda _line: None
    clock: Callable[[], float] = time.monotonic
    _resting: dict[str, _Rest] = field(default_factory=dict)
    _stuck: dict[str, float] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    _last_stamp: datetime = _BEGINNING

    def __post_init__(self) -> None:
        self._newcomers = Newcomers(self.store)

    @property
    def unsettled(self) -> bool:
        """Whether a drop still waits to become complete."""
        return bool(self._resting)

    def next_look(self) -> float | None:
        """Seconds until a resting drop is due, or None."""
        if not self._resting:
            return None
        due = min(rest.since for rest in self._resting.values()) + self.store.settle
        return max(0.05, due - self.clock())

    def concerns(self, name: str) -> bool:
        """Whether an arrival of that name waits for a turn: a drop, or a STEM to be asked about. For any thread."""
        return is_drop(name) or (is_candidate(name) and self._newcomers.asks(name))

    def turn(self) -> int:
        """Admit or reject every drop that is ready; returns how many left the drop box."""
        names = self.store.names(State.QUEUED)
        drops = [name for name in names if is_drop(name)]
        self._resting = {name: rest for name, rest in self._resting.items() if name in drops}
        self._said &= set(drops)
        self._stuck = {name: until for name, until in self._stuck.items() if until > self.clock()}
        drops = [name for name in drops if name not in self._stuck]
        looks = [(status.ctime, name, status) for name in drops if (status := self._look(name))]
        done = sum(self._one(name, status) for _, name, status in sorted(looks, key=lambda look: look[:2]))
        self._newcomers.turn(names, self.say)
        return done

    def _look(self, name: str) -> _Status | None:
        try:
            return _Status(self.store.layout.drop(name).lstat())
        except OSError:  # gone again, or a name that this file system cannot look up: the next turn tells
            return None

    def _one(self, name: str, status: _Status) -> bool:
        """Handle one drop; an error of one entry never ends a turn."""
        try:
            return self._handle(name, status)
        except ClaimLost:
            return False
        except OSError as error:
            if error.errno in GONE:
                return False
            if error.errno in ONE_ONLY:  # said once, and left alone for a while: each try writes to the disk
                self._stuck[name] = self.clock() + max(1.0, self.store.settle)
            if error.errno not in ONE_ONLY or name not in self._said:
                self._said.add(name)
                self.say(f"cannot admit {name!r}: {error.strerror}. It stays where it is.")
            return False
        except Exception as error:  # what nobody thought of costs the others nothing
            self.say(f"cannot admit {name!r}: {type(error).__name__}: {error}. It stays where it is.")
            return False

    def _handle(self, name: str, status: _Status) -> bool:
        try:
            document, status = self._read(name, status)
        except RequestInvalid as error:
            if not self._rested(name, status):
                return False
            self._reject(name, status, str(error), None)
            return True
        self._resting.pop(name, None)
        try:
            self.check(document, status.uid)
        except RequestInvalid as error:
            self._reject(name, status, str(error), document)
            return True
        self._admit(name, status, document)
        return True

    def _read(self, name: str, status: _Status) -> tuple[dict[str, Any], _Status]:
        if not stat.S_ISREG(status.mode):
            raise RequestInvalid("it is no regular file; a job is one file of JSON")
        try:
            data, fresh = read_regular(self.store.layout.drop(name), MAX_BYTES)
        except PermissionError:
            raise RequestInvalid("it may not be read by the runner; drop it readable (chmod g+r)") from None
        if fresh.st_nlink > 1 and self.store.shared:
            raise RequestInvalid(SECOND_LINK)
        return parse_object(data), _Status(fresh)

    def _rested(self, name: str, status: _Status) -> bool:
        rest = self._resting.get(name)
        if rest is None or rest.look != status.look:
            self._resting[name] = _Rest(status.look, self.clock())
            return self.store.settle == 0
        return self.clock() - rest.since >= self.store.settle

    def _stamp(self, status: _Status) -> datetime:
        # ctime, not mtime: the file server sets it when the name appears, and mv keeps an old mtime.
        seen = datetime.fromtimestamp(status.ctime, UTC)
        self._last_stamp = max(seen, self._last_stamp + timedelta(microseconds=1))
        return self._last_stamp

    def _admit(self, name: str, status: _Status, document: Mapping[str, Any]) -> None:
        level = document.get("priority") if isinstance(document.get("request"), dict) else None
        stem = new_stem(self._stamp(status), level if level in PRIORITIES else "normal")
        self._record_admitted(stem, name, status)
        try:
            with self.store.locked(insist=False, warn=self.say):
                self.store.disk.rename_new(self.store.layout.drop(name), self.store.layout.queued(stem))
        except OSError as error:
            if not self._landed(stem):
                self._forget(stem)
                if error.errno in GONE:  # RACE: another watcher admitted it
                    return
                raise
        self.store.disk.sync_directory(self.store.layout.state(State.QUEUED))
        self.say(f"admitted {_printable(name)!r} as {stem.uuid[:8]}")

    def _record_admitted(self, stem: Stem, name: str, status: _Status) -> None:
        """Keep the name that a drop came with: it is all that its owner knows of the job, so no power cut may take it.

        CRASH: after this there is a run folder without a job, which prune removes; the drop is admitted anew.
        """
        facts = {"dropped": _printable(name), "uid": status.uid}
        history.record(self.store, stem.key, "admitted", sync=True, **facts)

    def _landed(self, stem: Stem) -> bool:
        """RACE: whether the rename was done all the same: an NFS client may report ENOENT for it."""
        return any(stem.key in name for state in State for name in self.store.names(state))

    def _forget(self, stem: Stem) -> None:
        """Take back the run folder of an admission that did not happen; only what it made itself."""
        run = self.store.layout.run(stem.key)
        with contextlib.suppress(OSError):
            if os.listdir(run.path) == [run.history.name]:
                self.store.disk.unlink(run.history)
                run.path.rmdir()

    def _reject(self, name: str, status: _Status, cause: str, document: Mapping[str, Any] | None) -> None:
        stem: Stem = new_stem(self._stamp(status))
        running = Running(stem, new_claim(self.store.host, ADMIT_SLOT))
        self._resting.pop(name, None)
        self._record_admitted(stem, name, status)
        record = invalid_record(self.store, running, status.uid, f"cannot take {_printable(name)!r}: {cause}", document)
        try:
            set_aside(self.store, self.store.layout.drop(name), stem, running, record)
        except (OSError, ClaimLost):
            self._forget(stem)  # unless the original is in there: then the sweep publishes its record
            raise
        history.record(self.store, stem.key, "finished", nonce=running.claim.nonce, outcome="invalid")
        self.say(f"rejected {_printable(name)!r}: {cause}")


class _Status:
    """The part of an lstat that admission needs."""

    __slots__ = ("ctime", "look", "mode", "uid")

    def __init__(self, status: os.stat_result) -> None:
        self.mode, self.uid, self.ctime = status.st_mode, status.st_uid, status.st_ctime
        self.look = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def invalid_record(
    store: Store, running: Running, uid: int, error: str, document: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The record of what cannot be a job; ``error`` says what is wrong and where the original is."""
    original = store.layout.relative(store.layout.run(running.stem.key).submitted(running.claim.nonce))
    inner = document.get("request") if document else None
    return {
        **blank(store, State.FAILED, running.stem),
        "completed_at": store.now(),
        "request": inner if isinstance(inner, dict) else dict(document or {}),
        "outcome": "invalid",
        "submitted_by": uid,
        "claim": str(running.claim),
        "error": f"{error}. The original is {original}; mend it and drop it again.",
    }


def _printable(name: str) -> str:
    """A file name that can be written as UTF-8 whatever its bytes are."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
