"""Doctors on several hosts find one another in ``.tmp/`` and speak by file names, as the spool itself does.

Each has a beacon, `.doctor@HOST@BOOT@NONCE@NUMBER`, whose number it counts up by rename: one that stands still was left
by a doctor that was killed. When there are enough, the one with the smallest NONCE makes `.doctor+NONCE+NONCE…`, a
folder in which they meet. A word is an empty file `WORD@NONCE@VALUE` in it; only listings are looked at.
"""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spoolq.doctor.patient import Patient
from spoolq.errors import SpoolqError
from spoolq.files import names_in
from spoolq.layout import PROBE
from spoolq.names import token
from spoolq.process import boot_id

_POLL_S, _PACE_S = 0.02, 0.001
#: What the leader puts behind the number of the step at which a race ends early.
_OVER = "!"
#: How long each step of a meeting may take the others, in seconds.
ANSWER_S = 30.0


class NobodyCame(SpoolqError):
    """Fewer doctors than asked for came in time; the message names those that did."""


class PeerGone(SpoolqError):
    """A doctor stopped answering in the middle of a meeting."""


@dataclass(frozen=True, slots=True)
class Beacon:
    """A doctor that looks for others. *boot* begins like its kernel's boot id, which no two hosts share."""

    host: str
    boot: str
    nonce: str
    number: int = 0

    def __str__(self) -> str:
        return f"{PROBE}@{self.host}@{self.boot}@{self.nonce}@{self.number}"

    @property
    def place(self) -> tuple[str, str]:
        """What tells hosts apart, also two of one name."""
        return self.host, self.boot


def parse_beacon(name: str) -> Beacon | None:
    """The beacon of a file name in ``.tmp/``, or None."""
    parts = name.split("@")
    if len(parts) != 5 or parts[0] != PROBE or not parts[4].isdigit():
        return None
    return Beacon(parts[1], parts[2], parts[3], int(parts[4]))


class Meeting:
    """The folder in which *members* (nonces, sorted) meet; *mine* is our own, the first member leads."""

    def __init__(self, patient: Patient, folder: Path, mine: str) -> None:
        self.patient, self.folder, self.mine = patient, folder, mine
        self.members = folder.name.split("+")[1:]
        self.leads = self.members[0] == mine
        self._at: Path | None = None

    def say(self, word: str, value: object = "") -> None:
        """Tell the others."""
        self.patient.disk.write_new(self.folder / f"{word}@{self.mine}@{value}", b"")

    def hear(self, word: str) -> dict[str, str]:
        """What each member has said to *word*, ours too, once all have; raises PeerGone."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            said = {}
            for name in names_in(self.folder):
                parts = name.split("@")
                if len(parts) == 3 and parts[0] == word:
                    said[parts[1]] = parts[2]
            if set(said) >= set(self.members):
                return said
            if time.monotonic() > deadline:
                missing = sorted(set(self.members) - set(said))
                raise PeerGone(f"no answer from {', '.join(missing)} for {ANSWER_S:g} s, at the step {word!r}")
            time.sleep(_POLL_S)

    def ask(self, word: str, value: object = "") -> dict[str, str]:
        """Say it, and hear the others."""
        self.say(word, value)
        return self.hear(word)

    def pace(self, step: int, over: bool = False) -> bool:
        """Be at *step*, which grows; return as soon as all are. False, to all, where the leader says that it is over.

        In a folder of its own, by one file each that is renamed: it is listed very often, and must stay small.
        """
        at = self.folder / "pace" / f"{step}{_OVER if over and self.leads else ''}@{self.mine}"
        if self._at is None:
            self.patient.disk.write_new(at, b"")
        else:
            self.patient.disk.rename(self._at, at)
        self._at = at
        deadline = time.monotonic() + ANSWER_S
        while True:
            steps = {nonce: text for text, _, nonce in (name.partition("@") for name in names_in(at.parent))}
            if set(steps) >= set(self.members) and all(int(text.rstrip(_OVER)) >= step for text in steps.values()):
                # RACE: a leader that says it of the next step already has not said it of this one.
                return steps[self.members[0]] != f"{step}{_OVER}"
            if time.monotonic() > deadline:
                raise PeerGone(f"somebody stopped before step {step} of a race")
            time.sleep(_PACE_S)


@contextlib.contextmanager
def gathered(patient: Patient, hosts: int, timeout: float) -> Iterator[Meeting]:
    """Meet *hosts* - 1 others that come within *timeout* seconds; raises NobodyCame. Cleans up after itself."""
    caller = _Caller(patient, hosts)
    folder: Path | None = None
    try:
        folder = caller.call(timeout)
        meeting = Meeting(patient, folder, caller.me.nonce)
        yield meeting
    finally:
        caller.leave()
        if folder is not None and folder.name.split("+")[1] == caller.me.nonce:
            with contextlib.suppress(OSError):
                patient.disk.remove_tree(folder)


class _Caller:
    """Keeps a beacon until enough others have been seen alive."""

    def __init__(self, patient: Patient, hosts: int) -> None:
        self.patient, self.hosts = patient, hosts
        self.tmp = patient.layout.tmp
        self.me = Beacon(patient.host, boot_id()[:8] or "unknown", token(4))
        patient.disk.write_new(self.tmp / str(self.me), b"")
        #: nonce -> the beacon as it was first seen, and as it was seen to move.
        self.first: dict[str, Beacon] = {}
        self.alive: dict[str, Beacon] = {}

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            (self.tmp / str(self.me)).unlink(missing_ok=True)

    def call(self, timeout: float) -> Path:
        """The folder of the meeting."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self._move()
            names = names_in(self.tmp)
            for name in names:
                if name.startswith(f"{PROBE}+") and self.me.nonce in name.split("+")[1:]:
                    return self.tmp / name
            self._look(names)
            members = self._members()
            if len(members) == self.hosts and members[0] == self.me:
                return self._open(members)
            time.sleep(_POLL_S)
        others = sorted({beacon.host for beacon in self.alive.values()} - {self.me.host})
        came = f"only {', '.join(others)}" if others else "nobody else"
        raise NobodyCame(f"{came} came within {timeout:g} s")

    def _move(self) -> None:
        moved = Beacon(self.me.host, self.me.boot, self.me.nonce, self.me.number + 1)
        self.patient.disk.rename(self.tmp / str(self.me), self.tmp / str(moved))
        self.me = moved

    def _look(self, names: list[str]) -> None:
        for beacon in filter(None, map(parse_beacon, names)):
            before = self.first.setdefault(beacon.nonce, beacon)
            if beacon.nonce != self.me.nonce and beacon.number != before.number:
                self.alive[beacon.nonce] = beacon

    def _members(self) -> list[Beacon]:
        """As many living doctors as were asked for, one a host, the smallest nonces; with us, or none."""
        chosen: dict[tuple[str, str], Beacon] = {}
        for beacon in sorted([self.me, *self.alive.values()], key=lambda beacon: beacon.nonce):
            if len(chosen) < self.hosts:
                chosen.setdefault(beacon.place, beacon)
        return list(chosen.values()) if self.me in chosen.values() else []

    def _open(self, members: list[Beacon]) -> Path:
        """Make the folder, whole before the others see it; they may be other users of a shared spool."""
        from spoolq.doctor.race import lay_out

        aside = self.patient.layout.probe(token(8))
        lay_out(self.patient.disk, aside, FILES)
        mode = stat.S_IMODE(self.tmp.stat().st_mode) & 0o2777
        self.patient.disk.make_directory(aside / "pace")
        for path in (aside, aside / "ready", aside / "won", aside / "pace"):
            path.chmod(mode)
        self.patient.disk.write_new(aside / "ball@0", b"")
        folder = self.tmp / "+".join([PROBE, *(member.nonce for member in members)])
        self.patient.disk.rename(aside, folder)
        return folder


#: How many files the hosts race for.
FILES = 100
