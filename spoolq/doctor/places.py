"""Who is where: jobs in two states, names that are no jobs, drops and requests nobody takes, claims of the dead."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass

from spoolq import control, history, process
from spoolq.doctor.finding import Finding, count, fault, note, ok, some, warning
from spoolq.doctor.patient import Patient
from spoolq.durations import format_duration
from spoolq.errors import SpoolUnusable
from spoolq.jobs import parse_entry
from spoolq.lock import is_held, lock_directory
from spoolq.names import RESERVED_SLOTS, Running, is_candidate, is_drop, parse_running
from spoolq.transitions import State

#: After so many seconds a request or a drop that nobody has looked at is told, and a claim without a line judged.
_TAKEN_S = 60.0


def check_twice(patient: Patient) -> list[Finding]:
    """Jobs with a file in two states, or two in one. RACE: one that moves is met twice, so each is looked at again."""
    suspects = _twice(patient)
    confirmed = {key: places for key, places in _twice(patient).items() if key in suspects} if suspects else {}
    if not confirmed:
        return [ok("one state a job", "no job is in two", twice=0)]
    said = [f"{key[-36:][:8]} in {' and '.join(places)}" for key, places in confirmed.items()]
    return [
        fault(
            "one state a job",
            some(said),
            "It may run again although it has ended; verbs show one of the two.",
            "`rm` the file that is too many: see What is not repaired in docs/protocol.md.",
            twice=dict(list(confirmed.items())[:20]),
        )
    ]


def _twice(patient: Patient) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    listed = [(state, name) for state in State for name in patient.store.names(state)]
    # By what stands where an id would, because parsing every name of a deep queue takes long.
    repeated = {tail for tail, times in Counter(_tail(name) for _, name in listed).items() if times > 1}
    for state, name in listed:
        entry = parse_entry(state, name) if _tail(name) in repeated else None
        if entry:
            places[entry.stem.key].append(state.value)
    return {key: states for key, states in places.items() if len(states) > 1}


def _tail(name: str) -> str:
    return name.partition("@")[0].removesuffix(".json")[-36:]


def check_foreign(patient: Patient) -> list[Finding]:
    """Visible names in the state directories that no part of spoolq will ever take."""
    foreign = []
    for state in State:
        for name in patient.store.names(state):
            ours = is_candidate(name) if state is State.QUEUED else parse_entry(state, name) is not None
            if not ours and not name.startswith("."):
                foreign.append(f"{state.value}/{name}")
    if not foreign:
        return [ok("other names", "none in the state directories", foreign=0)]
    return [
        warning(
            "other names",
            f"{len(foreign)} in the state directories: {some(sorted(foreign), 2)}",
            "They are never jobs, and nobody moves or removes them. A drop must end in .json.",
            "Rename what was meant as a job to NAME.json in queued/; take the rest away.",
            foreign=sorted(foreign)[:20],
        )
    ]


def check_drops(patient: Patient) -> list[Finding]:
    """Dropped files that should have been admitted or rejected by now."""
    queued = patient.layout.state(State.QUEUED)
    patience = patient.store.settle + patient.store.poll + _TAKEN_S
    drops = [name for name in patient.store.names(State.QUEUED) if is_drop(name)]
    old = sorted(name for name in drops if patient.age(queued / name) > patience)
    if not old:
        return [ok("drops", f"{count(len(drops), 'file')} to be admitted, none for long", waiting=len(drops))]
    return [
        warning(
            "drops",
            f"{count(len(old), 'file')} not admitted for over {format_duration(patience)}: {some(old, 2)}",
            "They are no jobs yet.",
            "Start `spoolq run`; if one runs, its messages say why.",
            waiting=len(drops),
            old=old[:20],
        )
    ]


def check_requests(patient: Patient) -> list[Finding]:
    """Requests in ``control/`` that nobody took, and a pause."""
    asked = control.read(patient.store)
    old = [request for request in asked.asked if patient.age(request.path) > _TAKEN_S]
    found = []
    if asked.paused:
        facts = control.pause_facts(patient.store) or {}
        why = f": {facts['reason']}" if facts.get("reason") else ""
        found.append(note("pause", f"the queue is paused{why}", "No runner claims.", "`spoolq resume` ends it."))
    if not old:
        return [*found, ok("requests", f"{count(len(asked.asked), 'request')} in control/, none for long")]
    said = [f"{request.verb} {request.key[-36:][:8]}" for request in old]
    return [
        *found,
        warning(
            "requests",
            f"{count(len(old), 'request')} that nobody took for a minute: {some(said)}",
            "What was asked for has not been done.",
            "Start `spoolq run` as the spool's owner; a running job's cancel is its own host's.",
            old=[request.path.name for request in old[:20]],
        ),
    ]


def check_claims(patient: Patient) -> list[Finding]:
    """Claims in ``running/`` whose owner is dead, or looks so."""
    standing = [running for name in sorted(patient.store.names(State.RUNNING)) if (running := parse_running(name))]
    dead = [(running, why) for running in standing if (why := why_dead(patient, running))]
    # RACE: one that has ended while we looked is nobody's leftover.
    still = set(patient.store.names(State.RUNNING)) if dead else set()
    dead = [(running, why) for running, why in dead if f"{running}.json" in still]
    if not dead:
        return [ok("claims", f"{count(len(standing), 'job')} running, each with a living owner", running=len(standing))]
    said = [f"{running.stem.uuid[:8]} of {running.claim.worker} ({why})" for running, why in dead]
    return [
        warning(
            "claims",
            f"{len(dead)} of {count(len(standing), 'claim')} without a living owner: {some(said, 2)}",
            "Those jobs neither run nor wait.",
            "Start `spoolq run` on that host, or on any once their heartbeats have stood still for heartbeat_timeout.",
            dead={str(running): why for running, why in dead[:20]},
            running=len(standing),
        )
    ]


def why_dead(patient: Patient, running: Running) -> str:
    """Why the owner of a claim is taken for dead; "" while it may live. Nothing is touched."""
    if running.claim.host != patient.host or running.claim.slot in RESERVED_SLOTS:
        return _silent(patient, running)
    try:
        slot = lock_directory(patient.settings.lock_dir) / f"{running.claim.slot}.lock"
    except (SpoolUnusable, OSError):
        return ""
    if is_held(slot):
        return ""
    owner = _Owner.of(patient, running)
    if owner is None:
        old = patient.age(patient.layout.running(running)) > _TAKEN_S
        return "its slot is free, and its history has no line" if old else ""
    return "" if owner.lives() else "its slot is free, runner and shim are dead"


def _silent(patient: Patient, running: Running) -> str:
    """A claim of another host is judged by its heartbeat, or by when it was made, by the file server's clock."""
    limit = patient.settings.heartbeat_timeout
    if running.claim.is_workers:
        limit = patient.settings.jobqueue.job_heartbeat_timeout
    beat = patient.layout.beat(running)
    try:
        silent = patient.server_now - beat.stat().st_mtime
    except OSError:
        silent, limit = patient.age(patient.layout.running(running)), limit + patient.settings.heartbeat
    return f"no heartbeat for {format_duration(silent)}" if silent > limit else ""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Runner and shim of a claim, as its history names them: pid and start time, and the boot they are of."""

    processes: tuple[tuple[int, int | None], ...]
    boot: str

    @classmethod
    def of(cls, patient: Patient, running: Running) -> _Owner | None:
        past = history.events(patient.store, running.stem.key)
        facts = history.last(past, "claimed", history.origin(past, running.claim.nonce))
        if facts is None:
            return None
        pairs = tuple((int(facts.get(name, 0)), facts.get(f"{name}_start")) for name in ("pid", "shim"))
        return cls(pairs, str(facts.get("boot")))

    def lives(self) -> bool:
        """Whether one of the two does."""
        return any(pid != os.getpid() and process.is_alive(pid, start, self.boot) for pid, start in self.processes)
