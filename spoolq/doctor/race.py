"""Atomicity: processes race for the same names, and each name must have exactly one winner."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.doctor.contend import Line, contend
from spoolq.doctor.finding import Finding, fault, note, ok
from spoolq.doctor.patient import Patient
from spoolq.files import GONE, Disk, can_rename_new, names_in

#: How many processes race, and for how many names each.
CONTENDERS, NAMES = 4, 64
#: A race ends after so many seconds, with the names that there was time for.
LIMIT_S = 5.0

#: One try for the name of that number by that contender in a folder: whether it was won. Raises OSError.
Try = Callable[[Disk, Path, int, str], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a race ended. *won* counts the names by how many believe that they won them; *found* is a listing.

    *untrue* are wins that the listing does not show, *unreported* names in it that nobody believes to have won,
    *shares* how many each contender has won.
    """

    names: int
    won: dict[int, int]
    found: int
    untrue: int
    unreported: int
    seconds: float
    shares: tuple[int, ...] = ()

    @property
    def fair(self) -> bool:
        """Whether each name went to exactly one contender. A lost reply is none's fault: the listing tells."""
        return self.found == self.names and not self.untrue and all(number <= 1 for number in self.won)


def by_rename(disk: Disk, folder: Path, number: int, who: str) -> bool:
    """As a claim does: each contender has a target of its own."""
    try:
        disk.rename(folder / "ready" / str(number), folder / "won" / f"{number}@{who}")
    except OSError as error:
        if error.errno in GONE:
            return False
        raise
    return True


def by_creation(disk: Disk, folder: Path, number: int, who: str) -> bool:
    """O_CREAT | O_EXCL, as every file of ours is made."""
    try:
        disk.write_new(folder / "won" / str(number), who.encode())
    except FileExistsError:
        return False
    return True


def by_link(disk: Disk, folder: Path, number: int, _who: str) -> bool:
    """link(2) onto one name."""
    try:
        disk.link_new(folder / "ready" / str(number), folder / "won" / str(number))
    except FileExistsError:
        return False
    return True


def by_new_name(disk: Disk, folder: Path, number: int, who: str) -> bool:
    """RENAME_NOREPLACE: each contender moves a file of its own onto one name."""
    mine = folder / "ready" / f"{number}@{who}"
    disk.write_new(mine, b"")
    try:
        return can_rename_new(mine, folder / "won" / str(number))
    except FileExistsError:
        return False


def race(folder: Path, attempt: Try, names: int = NAMES, contenders: int = CONTENDERS) -> Outcome:
    """Let processes race in a new *folder*; who has won what."""
    disk = Disk(durable=False)
    lay_out(disk, folder, names)
    line = Line(contenders, LIMIT_S)

    def run(who: int) -> tuple[int, list[int]]:
        raced, won = 0, []
        try:
            for number in range(names):
                if not line.wait(who, number + 2):
                    break
                raced += 1
                if attempt(disk, folder, number, str(who)):
                    won.append(number)
        finally:
            line.leave(who)
        return raced, won

    began = time.monotonic()
    answers = contend(contenders, run)
    seconds = time.monotonic() - began
    believed = {(number, who) for who, (_, won) in enumerate(answers) for number in won}
    return judge(answers[0][0], believed, names_in(folder / "won"), seconds)


def lay_out(disk: Disk, folder: Path, names: int) -> None:
    """The folders of a race, and its files."""
    for path in (folder, folder / "ready", folder / "won"):
        disk.make_directory(path, 0o700)
    for number in range(names):
        disk.write_new(folder / "ready" / str(number), b"")


def judge(names: int, believed: set[tuple[int, int]], listed: list[str], seconds: float) -> Outcome:
    """The outcome of what contenders believe, held against a listing of ``NAME`` or ``NAME@WHO``."""
    per_name = Counter(number for number, _ in believed)
    shown = set(listed)
    untrue = sum(not {str(number), f"{number}@{who}"} & shown for number, who in believed)
    numbers = {name.partition("@")[0] for name in shown}
    return Outcome(
        names=names,
        won=dict(Counter(per_name.values())),
        found=len(numbers) if len(numbers) == len(shown) else len(shown),
        untrue=untrue,
        unreported=len(numbers - {str(number) for number in per_name}),
        seconds=seconds,
        shares=tuple(sorted(Counter(who for _, who in believed).values(), reverse=True)),
    )


def check_rename(patient: Patient) -> list[Finding]:
    """A claim is a rename: of those who race for a job, one must win."""
    return [_raced(patient, "rename race", by_rename, "Two runners may run one job: nothing else excludes them.")]


def check_creation(patient: Patient) -> list[Finding]:
    """O_EXCL must let one create a file."""
    return [_raced(patient, "create race", by_creation, "Two processes may write into one file.")]


def check_link(patient: Patient) -> list[Finding]:
    """Links are not needed, but tell whether the file system is a Unix one."""
    try:
        return [_raced(patient, "link race", by_link, "Nothing of spoolq; other programs' locks may rest on it.")]
    except Exception as error:
        return [note("link race", f"hard links are refused ({error})", "Nothing: spoolq makes none.")]


def check_new_name(patient: Patient) -> list[Finding]:
    """RENAME_NOREPLACE, or else a listing under the lock."""
    with patient.probe() as folder:
        patient.disk.write_new(folder / "a", b"")
        if not can_rename_new(folder / "a", folder / "b"):
            return [
                note(
                    "rename, never over",
                    "RENAME_NOREPLACE is refused here",
                    "A listing under `.lock` comes first instead, as NFS needs it.",
                    supported=False,
                )
            ]
    found = _raced(
        patient, "rename, never over", by_new_name, "A move may replace a file that was put there meanwhile."
    )
    return [found]


def _raced(patient: Patient, name: str, attempt: Try, breaks: str) -> Finding:
    with patient.probe() as folder:
        outcome = race(folder / "race", attempt)
    return verdict_of(name, outcome, breaks)


def verdict_of(name: str, outcome: Outcome, breaks: str, contenders: str = f"{CONTENDERS} processes") -> Finding:
    """What the outcome of a race means."""
    numbers: dict[str, Any] = {
        "names": outcome.names,
        "won_once": outcome.won.get(1, 0),
        "won_more_than_once": sum(many for times, many in outcome.won.items() if times > 1),
        "missing": outcome.names - outcome.found,
        "untrue": outcome.untrue,
        "lost_replies": outcome.unreported,
        "shares": list(outcome.shares),
        "seconds": round(outcome.seconds, 4),
    }
    step = "Move the spool to another file system; this one cannot carry a queue."
    took = f"{outcome.seconds * 1000:.0f} ms"
    if not outcome.fair:
        said = f"of {outcome.names} names {numbers['won_more_than_once']} have several winners, "
        said += f"{numbers['missing']} none, and {outcome.untrue} wins are not in the listing ({contenders}, {took})"
        return fault(name, said, breaks, step, **numbers)
    said = f"{contenders}, {outcome.names} names, 1 winner each, {took}"
    if outcome.unreported:
        return note(
            name,
            f"{said}; {outcome.unreported} were told ENOENT though they had won",
            "Replies of the server are lost. spoolq looks in the listing, and goes by that.",
            **numbers,
        )
    return ok(name, said, **numbers)


def check_sync(patient: Patient) -> list[Finding]:
    """What is acknowledged must be on disk: fsync of a file and of its directory."""
    with patient.probe() as folder:
        began = time.monotonic()
        Disk(durable=True).write_new(folder / "file", b"x" * 4096)
        after_file = time.monotonic()
        refused = _sync_refused(folder)
        seconds = {"file_s": round(after_file - began, 4), "directory_s": round(time.monotonic() - after_file, 4)}
    return [judge_sync(refused, seconds["file_s"], seconds["directory_s"], patient.settings.durability)]


def _sync_refused(folder: Path) -> str:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        return os.strerror(error.errno or 0)
    finally:
        os.close(fd)
    return ""


def judge_sync(refused: str, file_s: float, directory_s: float, durability: str) -> Finding:
    """What the fsyncs mean; *refused* is why the directory's failed."""
    numbers: dict[str, Any] = {"file_s": file_s, "directory_s": directory_s}
    numbers.update(refused=refused or None, durability=durability)
    said = f"file {file_s * 1000:.1f} ms, directory {directory_s * 1000:.1f} ms"
    name = "fsync"
    if refused:
        return note(
            name,
            f"of a directory: {refused}",
            "Whether a new name survives a power cut is up to the file system.",
            **numbers,
        )
    if durability != "full":
        return note(name, f"{said}; durability is {durability!r}", "A power cut may lose submitted jobs.", **numbers)
    if file_s + directory_s > 1.0:
        return note(name, said, "Each submit, claim and end waits that long for the disk.", **numbers)
    return ok(name, said, **numbers)
