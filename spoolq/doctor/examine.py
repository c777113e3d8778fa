"""All checks of a spool in their order, mending on the way what is safe to mend."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spoolq.doctor import access, clock, exclusion, gpus, hooks, leftovers, limits, mount, places, race
from spoolq.doctor.finding import Finding, Verdict, fault, note
from spoolq.doctor.hosts import meet
from spoolq.doctor.patient import Patient
from spoolq.errors import SpoolqError

Check = Callable[[Patient], list[Finding]]

#: What can be looked at while the tree is not whole.
TREE: tuple[Check, ...] = (access.check_directories, access.check_modes, access.check_settings)
#: What needs the whole tree.
FILE_SYSTEM: tuple[Check, ...] = (mount.check_kind, mount.check_options, limits.check_room, access.check_writing)
#: Group -> its checks; these make files of their own.
GROUPS: dict[str, tuple[Check, ...]] = {
    "proofs on this mount": (
        race.check_rename,
        race.check_new_name,
        race.check_creation,
        race.check_link,
        race.check_sync,
        exclusion.check_exclusion,
    ),
    "this host": (
        limits.check_host,
        exclusion.check_slot_locks,
        exclusion.check_spool_lock,
        limits.check_inotify,
        limits.check_descriptors,
        gpus.check_gpus,
        gpus.check_quarantines,
        hooks.check_hooks,
    ),
    "clocks": (clock.check_skew, clock.check_stamps, clock.check_mtimes),
    "jobs": (
        places.check_twice,
        places.check_claims,
        places.check_drops,
        places.check_requests,
        places.check_foreign,
        leftovers.check_records,
    ),
    "leftovers": (
        leftovers.check_litter,
        leftovers.check_finals,
        leftovers.check_beats,
        leftovers.check_orphan_runs,
        leftovers.check_nfs_files,
    ),
}


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, by group, and how long it took in seconds."""

    patient: Patient
    groups: dict[str, list[Finding]]
    seconds: float

    @property
    def findings(self) -> list[Finding]:
        """All of them, in order."""
        return [finding for found in self.groups.values() for finding in found]

    @property
    def worst(self) -> Verdict:
        """The worst verdict."""
        return max((finding.verdict for finding in self.findings), key=lambda verdict: verdict.rank)

    def counts(self) -> dict[str, int]:
        """How many findings have each verdict."""
        return {v.value: sum(finding.verdict is v for finding in self.findings) for v in Verdict}

    def document(self) -> dict[str, Any]:
        """The examination as JSON has it."""
        return {
            "spool": str(self.patient.root),
            "host": self.patient.host,
            "verdict": self.worst.value,
            "counts": self.counts(),
            "seconds": round(self.seconds, 3),
            "findings": [
                {"group": group, **finding.document()} for group, found in self.groups.items() for finding in found
            ],
        }


def examine(
    root: Path, *, fix: bool = False, hosts: int = 1, timeout: float = 60.0, host: str | None = None
) -> Examination:
    """Look at a spool, and with *fix* mend what is certainly safe to mend.

    *hosts* above 1: wait for so many doctors (*timeout* seconds), this one included, and try the file system between
    them. *host* is this host's name in claims. Raises SpoolUnusable when there is no spool, PermissionError when it may
    not be entered.
    """
    began = time.monotonic()
    patient = Patient(root, host) if host else Patient(root)
    patient.check_is_spool()
    groups = {"tree": _run(patient, TREE, fix)}
    if patient.missing:
        groups["tree"].append(note("all else", "not looked at: the tree is not whole"))
        return Examination(patient, groups, time.monotonic() - began)
    groups["file system"] = _run(patient, FILE_SYSTEM, fix)
    if patient.cannot_write:
        groups["file system"].append(note("all else", "not tried: nothing can be written"))
        return Examination(patient, groups, time.monotonic() - began)
    for group, checks in GROUPS.items():
        groups[group] = _run(patient, checks, fix)
    if hosts > 1:
        groups["between hosts"] = _guarded("hosts", lambda: meet(patient, hosts, timeout))
    return Examination(patient, groups, time.monotonic() - began)


def _run(patient: Patient, checks: tuple[Check, ...], fix: bool) -> list[Finding]:
    found = []
    for check in checks:
        first = _look(patient, check)
        mendable = [finding for finding in first if finding.mend]
        found += _mended(patient, check, mendable) if fix and mendable else first
    return found


def _look(patient: Patient, check: Check) -> list[Finding]:
    return _guarded(check.__name__.removeprefix("check_").replace("_", " "), lambda: check(patient))


def _guarded(name: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """One check that cannot be made never keeps the others from being made."""
    try:
        return look()
    except PermissionError as error:
        return [note(name, f"not looked at: {_cause(error)}", "", "Run as the spool's owner.")]
    except Exception as error:  # a history that somebody has edited, say
        return [fault(name, _cause(error), "This could not be proved.", "Mend that, then look again.")]


def _mended(patient: Patient, check: Check, mendable: list[Finding]) -> list[Finding]:
    """Mend, and look again: what counts is what is so afterwards."""
    said = {}
    for finding in mendable:
        assert finding.mend is not None
        try:
            said[finding.name] = finding.mend()
        except (OSError, SpoolqError) as error:
            said[finding.name] = f"could not: {_cause(error)}"
    after = _look(patient, check)
    first = next(iter(said.values()))
    if not {finding.name for finding in after} & set(said):  # all is well now, under another name
        return [replace(after[0], mended=first), *after[1:]]
    return [replace(finding, mended=said.get(finding.name, "")) for finding in after]


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {os.fsdecode(error.filename)}" if error.filename else error.strerror
    return str(error) if isinstance(error, SpoolqError) else f"{type(error).__name__}: {error}"
