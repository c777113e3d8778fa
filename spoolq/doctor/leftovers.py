"""What was left behind: litter in ``.tmp/``, half-done ends, ``.nfs*`` files, run folders and heartbeats of nobody."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from spoolq.doctor.finding import Finding, count, note, ok, some, warning
from spoolq.doctor.patient import Patient
from spoolq.files import names_in
from spoolq.jobs import finals, read_final
from spoolq.layout import PROBE
from spoolq.names import Running, parse_running
from spoolq.prune import orphan_runs
from spoolq.replay import LITTER_AGE_S, replay
from spoolq.sweep import litter, remove, stray_beats
from spoolq.transitions import TERMINAL, State

#: A `.final` without a standing claim has a writer for moments only; after so many seconds it was left behind.
_WRITER_S = 60.0
#: For how long run folders are searched for `.nfs*` files, in seconds.
_SEARCH_S = 0.5


def check_litter(patient: Patient) -> list[Finding]:
    """Files in ``.tmp/`` that are an hour old, and probes of a `doctor` that was killed, wherever it had them."""
    old = litter(patient.store) + _stray_probes(patient)
    if not old:
        return [ok("litter", "nothing old in .tmp/", old=0)]
    names = [patient.layout.relative(path) for path in old]
    found = note(
        "litter",
        f"{count(len(old), 'entry', 'entries')} over an hour old: {some(names, 2)}",
        "Nothing: a submit, a prune or a doctor was killed. Their room is not free.",
        "A running `spoolq run` clears .tmp/; so does --fix.",
        old=names[:20],
        count=len(old),
    )
    return [replace(found, mend=lambda: _remove_all(patient, old))]


def _stray_probes(patient: Patient) -> list[Path]:
    """CRASH: probes that a `doctor` had moved into a directory when it was killed."""
    folders = [path for path in patient.layout.directories() if path != patient.layout.tmp]
    probes = [folder / name for folder in folders for name in names_in(folder) if name.startswith(PROBE)]
    return [path for path in probes if patient.age(path) > LITTER_AGE_S]


def _remove_all(patient: Patient, paths: list[Path]) -> str:
    refused = 0
    for path in paths:
        try:
            remove(patient.store, path)
        except OSError:  # another user's, who alone can remove it; or gone
            refused += 1
    said = f"removed {count(len(paths) - refused, 'entry', 'entries')}"
    return f"{said}; {refused} belong to somebody else" if refused else said


def check_finals(patient: Patient) -> list[Finding]:
    """Records of ends that were cut short."""
    standing = {r.claim for name in patient.store.names(State.RUNNING) if (r := parse_running(name))}
    left = [final for final in finals(patient.store) if final.claim not in standing and _is_left(patient, final)]
    if not left:
        return [ok("half-done ends", "none", count=0)]
    torn = [final for final in left if read_final(patient.store, final) is None]
    names = [final.stem.uuid[:8] for final in left]
    found = warning(
        "half-done ends",
        f"{count(len(left), 'record')} in .tmp/ for {some(names)}" + (f", {len(torn)} torn" if torn else ""),
        "Such a job has ended, but its record may not be in place.",
        "A running `spoolq run` publishes or removes them; so does --fix, but for those that are torn or of another "
        "state: `rm` these, then `spoolq retry` or `prune`.",
        count=len(left),
        torn=len(torn),
        files=[patient.layout.final(str(final)).name for final in left[:20]],
    )

    def mend() -> str:
        published = replay(patient.store)
        return f"published {count(published, 'record')}, removed {len(left) - published - _still(patient, left)}"

    return [replace(found, mend=mend)]


def _is_left(patient: Patient, final: Running) -> bool:
    return patient.age(patient.layout.final(str(final))) > _WRITER_S


def _still(patient: Patient, left: list[Running]) -> int:
    return len(set(left) & set(finals(patient.store)))


def check_nfs_files(patient: Patient) -> list[Finding]:
    """``.nfs*``: what somebody still holds open of a removed file."""
    layout = patient.layout
    places = [patient.root, *layout.directories()]
    found = [folder / name for folder in places for name in names_in(folder) if name.startswith(".nfs")]
    deadline = time.monotonic() + _SEARCH_S
    runs = names_in(layout.runs)
    looked = 0
    for key in runs:
        if time.monotonic() > deadline:
            break
        looked += 1
        try:
            found += [layout.runs / key / name for name in names_in(layout.runs / key) if name.startswith(".nfs")]
        except OSError:  # no folder, or gone meanwhile
            continue
    where = f"{looked} of {count(len(runs), 'run folder')} searched"
    if not found:
        return [ok(".nfs files", f"none; {where}", looked_at=looked, runs=len(runs))]
    names = [layout.relative(path) for path in found]
    return [
        note(
            ".nfs files",
            f"{len(found)}: {some(names, 2)}; {where}",
            "Nothing: a process of an NFS client holds a removed file open. A run folder with one cannot be removed.",
            "End that process (`fuser FILE` on its host); the file then goes by itself.",
            files=names[:20],
            looked_at=looked,
            runs=len(runs),
        )
    ]


def check_orphan_runs(patient: Patient) -> list[Finding]:
    """Run folders whose job is in no state: reported only, for they may hold results."""
    orphans = orphan_runs(patient.store)
    if not orphans:
        return [ok("run folders", "each has its job", orphans=0)]
    return [
        note(
            "run folders",
            f"{len(orphans)} without a job: {some(orphans, 1)}",
            "Nothing: an admission or a prune was killed, or a job's file was removed by hand. They take room.",
            f"Look into them; `spoolq prune --keep 1000000 --spool {patient.root}` removes them, and no job.",
            orphans=orphans[:20],
            count=len(orphans),
        )
    ]


def check_beats(patient: Patient) -> list[Finding]:
    """Heartbeat files whose claim is gone."""
    stray = stray_beats(patient.store)
    if not stray:
        return [ok("heartbeats", "none without a claim", stray=0)]
    found = note(
        "heartbeats",
        f"{count(len(stray), 'heartbeat file')} without a claim",
        "Nothing.",
        "A running `spoolq run` removes them; so does --fix.",
        stray=len(stray),
    )
    return [replace(found, mend=lambda: _remove_all(patient, stray))]


def check_records(patient: Patient) -> list[Finding]:
    """Ended files that are no records: the newest of each state, for as long as there is time."""
    from spoolq.finish import terminal_record
    from spoolq.jobs import Entry
    from spoolq.names import parse_terminal
    from spoolq.replay import settle_recordless

    looked, total, without = 0, 0, list[Entry]()
    deadline = time.monotonic() + _SEARCH_S
    for state in TERMINAL:
        names = sorted((name for name in patient.store.names(state) if parse_terminal(name)), reverse=True)
        total += len(names)
        for name in names:
            if time.monotonic() > deadline:
                break
            looked += 1
            path, stem = patient.layout.state(state) / name, parse_terminal(name)
            if stem and terminal_record(path) is None and patient.age(path) > _WRITER_S:
                without.append(Entry(state, stem))
    where = f"{looked} of {count(total, 'ended job')} read"
    if not without:
        return [ok("records", f"{where}, none lacks a record", looked_at=looked, ended=total)]
    names = [f"{entry.state.value}/{entry.stem.uuid[:8]}" for entry in without]
    found = warning(
        "records",
        f"{len(without)} without a record: {some(names)}; {where}",
        "`wait` does not return for them, and `results` lacks them.",
        "An hour after it got there --fix writes one, as `wait`, `retry` and `prune` do.",
        without=names[:20],
        looked_at=looked,
        ended=total,
    )

    def mend() -> str:
        settled = [entry for entry in without if settle_recordless(patient.store, entry)]
        return f"wrote {count(len(settled), 'record')}" if settled else ""

    return [replace(found, mend=mend)]
