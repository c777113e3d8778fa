"""The state of the whole queue in one look: counts from names, what runs and how far, what waits and why."""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spoolq import control
from spoolq.errors import SpoolUnusable
from spoolq.jobs import describe, parse_entry
from spoolq.lock import holder_command, is_held, lock_directory, one_look
from spoolq.names import is_candidate, key_names, stem_names
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State
from spoolq.troubles import troubles

_TAIL_BYTES = 8192
#: The bars that are the evaluation itself, in lm-eval and lmms-eval.
_WORK = ("Running ", "Model Responding")


def progress_of(log: Path, recipe: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """How far the evaluation is, by the log's tail; None when it does not say. For display only.

    *recipe* is the operator's table of the job's recipe, if it is one of theirs: it may say what such lines look like.
    """
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    except OSError:
        return None
    finally:
        os.close(fd)
    return _read_progress(data.decode("utf-8", "replace"), recipe or {})


def _read_progress(tail: str, recipe: Mapping[str, Any]) -> dict[str, Any] | None:
    from spoolq.recipes.progress import newest  # only where something runs
    from spoolq.recipes.progress_line import ProgressLine

    form, work = recipe.get("progress"), recipe.get("work")
    if isinstance(form, str):
        with contextlib.suppress(ValueError):  # no job of a wrong table starts; this one did before it was changed
            if found := ProgressLine(form).newest(tail):
                return found
    stages = tuple(stage for stage in work if isinstance(stage, str)) if isinstance(work, list) else ()
    return newest(tail, stages or _WORK)


def with_progress(store: Store, record: dict[str, Any]) -> dict[str, Any]:
    """A running job's record with its progress; any other record as it is."""
    if record["status"] == State.RUNNING.value and record["log"]:
        table = store.settings.recipes.get(record["recipe"] or "")
        record["progress"] = progress_of(store.root / record["log"], table)
    return record


@one_look()
def status(store: Store, show: int = 10, *, ids: bool = True) -> dict[str, Any]:
    """The queue as one document; `running` and `waiting` (the first *show*) hold whole records.

    Everything else comes from five listings, whatever the depth of the queue. *ids* False leaves `queued_jobs` out:
    putting a deep queue in order takes as long as listing it.
    """
    names = store.names(State.QUEUED)
    queued = stem_names(names)
    if ids:
        queued.sort()
    rest = sorted(set(names).difference(queued)) if len(names) > len(queued) else []
    running = [entry for name in sorted(store.names(State.RUNNING)) if (entry := parse_entry(State.RUNNING, name))]
    records = [with_progress(store, record) for entry in running if (record := describe(store, entry))]
    paused = control.pause_facts(store) if control.read(store).paused else None
    waiting = _waiting(store, heapq.nsmallest(show, queued), paused, len(running))
    ours = [entry.stem.uuid for entry in running]
    return {
        "spool": str(store.root),
        "paused": paused is not None,
        "pause": paused,
        "queue_size": len(queued),
        "running_job": ours[0] if ours else None,
        "running_jobs": ours,
        **({"queued_jobs": [name[-41:-5] for name in queued]} if ids else {}),
        **{f"{state}_jobs": len(key_names(store.names(state))) for state in TERMINAL},
        "drops": sum(1 for name in rest if is_candidate(name)),
        "slots": slots(store),
        "troubles": [asdict(trouble) for trouble in troubles(store, queued, rest, list(_ours(store).values()))],
        "running": records,
        "waiting": waiting,
    }


def _waiting(store: Store, names: list[str], paused: Mapping[str, Any] | None, running: int) -> list[dict[str, Any]]:
    found = []
    for position, name in enumerate(names):
        entry = parse_entry(State.QUEUED, name)
        record = describe(store, entry) if entry else None
        if record:
            record["position_in_queue"] = position
            why = record["error"] or reason(store, position, paused, running, record["resource_type"])
            found.append({**record, "reason": why})
    return found


def reason(
    store: Store, position: int, paused: Mapping[str, Any] | None, running: int, resource_type: str | None = None
) -> str:
    """Why the job at *position* waits; *paused* is what is known of the pause, *running* how many jobs run.

    *resource_type* is that of a remote worker's job.
    """
    if paused is not None:
        why = paused.get("reason")
        return f"the queue is paused{f': {why}' if why else ''}"
    if resource_type is not None:
        from spoolq.remote import why_waits  # only where there is such a job

        return why_waits(store, resource_type)
    if position:
        return f"behind {position} queued job{'s' if position > 1 else ''}"
    if running:
        return "next: a slot must become free"
    if not any(slots(store).values()):
        return "no runner on this host: start `spoolq run`"
    return "next: about to be claimed"


def slots(store: Store) -> dict[str, bool]:
    """The slots of this host, and whether somebody holds each: the settings', or those of this spool's runners."""
    try:
        directory = lock_directory(store.settings.lock_dir)
        running = dict.fromkeys(_ours(store), True)
    except (SpoolUnusable, OSError):  # a host where nothing can run may still look
        return {}
    if store.settings.slots or not running:
        return {slot: is_held(directory / f"{slot}.lock") for slot in store.settings.slots or {"all": ""}} | running
    return running


def _ours(store: Store) -> dict[str, Path]:
    """The slots that runners of this spool hold on this host, and their locks."""
    try:
        locks = list(lock_directory(store.settings.lock_dir).glob("*.lock"))
    except (SpoolUnusable, OSError):
        return {}
    return {path.stem: path for path in locks if _is_ours(store, holder_command(path))}


def _is_ours(store: Store, command: list[str]) -> bool:
    """Whether a command line is that of a runner of this spool: `python -m spoolq.runner ROOT SLOT …`."""
    return command[1:3] == ["-m", "spoolq.runner"] and command[3:4] == [str(store.root.absolute())]
