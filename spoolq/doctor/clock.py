"""Clocks: this host's against the file server's, and stamps that lie in the future."""

from __future__ import annotations

import os
import time
from pathlib import Path

from spoolq.doctor.finding import Finding, count, note, ok, some, warning
from spoolq.doctor.patient import Patient
from spoolq.durations import format_duration
from spoolq.names import format_stamp, parse_queued, parse_stamp
from spoolq.transitions import State

#: Up to so many seconds a submitter's clock counts as right; beyond the second figure it is a warning.
RIGHT_S, WRONG_S = 1.0, 60.0
#: A stamp is in the future when it is more than so many seconds ahead of the file server.
FUTURE_S = 60.0
#: How many files are looked at for their mtime, and for how long.
_LOOK_AT, _LOOK_S = 5000, 1.0


def check_skew(patient: Patient) -> list[Finding]:
    """How far the local clock is from the file server's."""
    before = patient.clock()
    server = patient.store.server_time()
    after = patient.clock()
    return [judge_skew((before + after) / 2 - server, (after - before) / 2)]


def judge_skew(skew: float, uncertainty: float) -> Finding:
    """What a difference of clocks means; *skew* above 0: the local clock is ahead."""
    numbers = {"skew_s": round(skew, 3), "uncertainty_s": round(uncertainty, 3)}
    if abs(skew) <= RIGHT_S + uncertainty:
        return ok("clock", f"{abs(skew):.2f} s from the file server's", **numbers)
    where = "ahead of" if skew > 0 else "behind"
    said = f"this host is {format_duration(abs(skew))} {where} the file server"
    breaks = "Times in records and ages in `prune` are wrong by that. The order of jobs is not: stamps are corrected."
    if abs(skew) <= WRONG_S:
        return note("clock", said, breaks, "Run an NTP client on both.", **numbers)
    return warning("clock", said, breaks, "Run an NTP client on both.", **numbers)


def check_stamps(patient: Patient) -> list[Finding]:
    """Queued names whose stamp lies in the future: they wait behind all others of their priority."""
    from datetime import UTC, datetime

    limit = format_stamp(datetime.fromtimestamp(patient.server_now + FUTURE_S, UTC))
    names = patient.store.names(State.QUEUED)
    # Only what may be later is parsed; a priority stands before the stamp.
    later = [name for name in names if (name[2:] if name[1:2] == "-" else name) > limit]
    ahead = sorted((stem for name in later if (stem := parse_queued(name))), key=lambda stem: stem.stamp)
    ahead = [stem for stem in ahead if stem.stamp > limit]
    if not ahead:
        return [ok("stamps", f"{count(len(names), 'queued name')}, none in the future", queued=len(names))]
    far = parse_stamp(ahead[-1].stamp).timestamp() - patient.server_now
    return [
        warning(
            "stamps",
            f"{count(len(ahead), 'queued name')} in the future, by up to {format_duration(far)}: "
            + some([stem.uuid[:8] for stem in ahead]),
            "They wait behind every other job of their priority.",
            "Cancel and submit them again; drop files under names that are no STEM.",
            ahead=len(ahead),
            furthest_s=round(far),
            jobs=[stem.uuid for stem in ahead[:20]],
        )
    ]


def check_mtimes(patient: Patient) -> list[Finding]:
    """Files whose mtime lies in the future, at most some thousand of them."""
    layout = patient.layout
    folders = [layout.state(state) for state in State]
    looked, ahead = look_at([*folders, layout.control, layout.runs, layout.tmp], patient.server_now + FUTURE_S)
    if not ahead:
        return [ok("mtimes", f"{count(looked, 'file')} looked at, none in the future", looked_at=looked)]
    return [
        warning(
            "mtimes",
            f"{count(len(ahead), 'file')} of {looked} looked at changed in the future: "
            + some([layout.relative(path) for path in ahead], 2),
            "The file server's clock was set back, or somebody set them. A run folder without a job is not pruned "
            "before that time has come.",
            "`touch` them if they are run folders; never a queued file, whose place may rest on it.",
            looked_at=looked,
            ahead=[layout.relative(path) for path in ahead[:20]],
        )
    ]


def look_at(folders: list[Path], limit: float) -> tuple[int, list[Path]]:
    """How many entries of *folders* were looked at in the time there is, and those with an mtime after *limit*."""
    looked, ahead = 0, []
    deadline = time.monotonic() + _LOOK_S
    for folder in folders:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number * len(folders) >= _LOOK_AT or time.monotonic() > deadline:
                    break
                try:
                    mtime = entry.stat(follow_symlinks=False).st_mtime
                except OSError:  # gone meanwhile
                    continue
                looked += 1
                if mtime > limit:
                    ahead.append(Path(entry.path))
    return looked, ahead
