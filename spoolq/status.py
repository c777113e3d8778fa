"""The state of the whole queue in one look: counts from names, what runs and how far, what waits and why."""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoolq import control
from spoolq.errors import SpoolUnusable
from spoolq.jobs import describe, parse_entry
from spoolq.lock import holder_command, is_held, lock_directory, one_look
from spoolq.names import is_candidate, key_names, stem_names
from spoolq.store import Store
from spoolq.transitions import ACTIVE, TERMINAL, State
from spoolq.troubles import troubles

if TYPE_CHECKING:
    from spoolq.outlook import Outlook
    from spoolq.took import Past

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
    tail = data.decode("utf-8", "replace")
    found = _read_progress(tail, recipe or {})
    if found is None:
        return None
    from spoolq.pace import with_pace

    return with_pace(found, tail)


def _read_progress(tail: str, recipe: Mapping[str, Any]) -> dict[str, Any] | None:
    from spoolq.recipes.progress import newest  # only where something runs
    from spoolq.recipes.progress_form import progress_form

    form, work = recipe.get("progress"), recipe.get("work")
    if form is not None:
        with contextlib.suppress(ValueError):  # no job of a wrong table starts; this one did before it was changed
            if found := progress_form(form).newest(tail):
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
def status(store: Store, show: int = 10, *, ids: bool = True, past: Past | None = None) -> dict[str, Any]:
    """The queue as one document; `running` and `waiting` (the first *show*) hold whole records.

    Everything else comes from five listings, the first jobs of the queue and the newest that completed, whatever the
    depth of the queue. *ids* False leaves `queued_jobs` out: putting a deep queue in order takes as long as listing it.
    *past* remembers what completed, for who looks again and again.
    """
    names = store.names(State.QUEUED)
    queued = stem_names(names)
    if ids:
        queued.sort()
    rest = sorted(set(names).difference(queued)) if len(names) > len(queued) else []
    running = _running(store)
    ended = {state: key_names(store.names(state)) for state in TERMINAL}
    paused = control.pause_facts(store) if control.read(store).paused else None
    ours = _ours(store)
    ahead, first = _look_ahead(store, queued, running, ended[State.COMPLETED], paused, ours, show, past)
    return {
        "spool": str(store.root),
        "paused": paused is not None,
        "pause": paused,
        "queue_size": len(queued),
        "running_job": running[0]["job_id"] if running else None,
        "running_jobs": [record["job_id"] for record in running],
        **({"queued_jobs": [name[-41:-5] for name in queued]} if ids else {}),
        **{f"{state}_jobs": len(names) for state, names in ended.items()},
        "drops": sum(1 for name in rest if is_candidate(name)),
        "slots": slots(store),
        "expected_done": ahead.done if ahead else None,
        "troubles": [asdict(trouble) for trouble in troubles(store, queued, rest, list(ours.values()))],
        "running": [_expected(ahead, record) for record in running],
        "waiting": [_waits(store, ahead, record, paused, len(running)) for record in first[:show]],
    }


def outlook(store: Store, past: Past | None = None) -> tuple[Outlook | None, dict[str, Any] | None, int]:
    """What is expected of the queue as it is now, what is known of a pause, and how many jobs run."""
    running = _running(store)
    paused = control.pause_facts(store) if control.read(store).paused else None
    queued, completed = stem_names(store.names(State.QUEUED)), key_names(store.names(State.COMPLETED))
    ahead, _ = _look_ahead(store, queued, running, completed, paused, _ours(store), 0, past)
    return ahead, paused, len(running)


def expected(store: Store, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with what is expected of those that run or wait, and with the reason why each of the latter does."""
    records = list(records)
    if not any(record["status"] in ACTIVE for record in records):
        return records
    ahead, paused, running = outlook(store)
    found = []
    for record in records:
        if record["status"] == State.QUEUED:
            record = _waits(store, ahead, record, paused, running)
        found.append(_expected(ahead, record) if record["status"] == State.RUNNING else record)
    return found


def _running(store: Store) -> list[dict[str, Any]]:
    entries = [entry for name in sorted(store.names(State.RUNNING)) if (entry := parse_entry(State.RUNNING, name))]
    return [with_progress(store, record) for entry in entries if (record := describe(store, entry))]


def _look_ahead(
    store: Store,
    queued: Sequence[str],
    running: Sequence[Mapping[str, Any]],
    completed: Sequence[str],
    paused: Mapping[str, Any] | None,
    ours: Mapping[str, Path],
    show: int,
    past: Past | None,
) -> tuple[Outlook | None, list[dict[str, Any]]]:
    """What is expected (None: there is nothing that anything could be expected of), and the first jobs' records."""
    if not queued and not running:
        return None, []
    from spoolq.outlook import READ, Outlook  # only where something runs or waits
    from spoolq.took import Past

    busy = {record["worker"] for record in running}
    idle = sum(1 for slot in ours if f"{store.host}.{slot}" not in busy)
    past = past or Past(store)
    past.refresh(completed)
    tells = past.all() and paused is None and (idle or busy)
    first = _first(store, heapq.nsmallest(max(show, READ) if tells else show, queued))
    return Outlook(store, past, running, first, depth=len(queued), idle=idle, paused=paused is not None), first


def _first(store: Store, names: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for position, name in enumerate(names):
        entry = parse_entry(State.QUEUED, name)
        record = describe(store, entry) if entry else None
        if record:
            record["position_in_queue"] = position
            found.append(record)
    return found


def _expected(ahead: Outlook | None, record: dict[str, Any]) -> dict[str, Any]:
    return {**record, **ahead.facts(record)} if ahead else record


def _waits(
    store: Store, ahead: Outlook | None, record: dict[str, Any], paused: Mapping[str, Any] | None, running: int
) -> dict[str, Any]:
    """The record of a queued job, with the reason why it waits and what is expected of it."""
    position, held = record["position_in_queue"] or 0, ahead.why_held(record) if ahead and paused is None else None
    why = record["error"] or held or reason(store, position, paused, running, record["resource_type"])
    return _expected(ahead, {**record, "reason": why})


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
