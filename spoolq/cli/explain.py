"""`spoolq submit --explain`: what would run, where and when, were the job queued now."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from typing import Any

from spoolq import environment, gates, status
from spoolq.control import read as control
from spoolq.durations import format_duration
from spoolq.find import count_before
from spoolq.masking import mask
from spoolq.names import Running, new_claim, new_stem
from spoolq.recipes import Place
from spoolq.requests import Job, accept
from spoolq.store import Store
from spoolq.transitions import State


def explain(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """What becomes of *document*, which has been checked; raises RequestInvalid, SpoolUnusable. Nothing is written.

    Secrets in `env` are masked. `argv` is that of a runner with this Python; `env` what is added to a runner's own.
    """
    job = accept(document, os.getuid(), store.settings)
    stem = new_stem(store.next_stamp(), job.envelope.priority)
    slots: dict[str, str | None] = {**store.settings.slots} or {"all": None}
    told: dict[str, Any] = {
        "recipe": job.recipe.name,
        "request": mask({"request": job.request})["request"],
        "priority": stem.priority,
        "position_in_queue": count_before(store, f"{stem}.json"),
        "slots": [] if job.is_workers else list(slots),
        "waits": _waits(store, job, f"{stem}.json"),
        "timeout": job.timeout,
        "idle_timeout": job.envelope.idle_timeout,
        "max_attempts": job.max_attempts,
        "retry_on": job.retry_on,
        "argv": None,
        "env": None,
        "cwd": None,
    }
    if job.is_workers:  # who runs it, and how, is the worker's affair
        return told
    slot = next(iter(slots))
    running = Running(stem, new_claim(store.host, slot))
    run = store.absolute.run(stem.key)
    plan = job.recipe.plan(job.request, Place(run.path, run.partial, 1, sys.executable))
    env, _ = environment.build(store, store.settings, os.environ, plan, running, 1, slots[slot])
    return {**told, "argv": plan.argv, "env": mask({"env": env})["env"], "cwd": str(plan.cwd)}


def _waits(store: Store, job: Job, name: str) -> list[str]:
    """All that it would wait for, in words; empty when a slot could take it at once."""
    found = []
    if control(store).paused:
        found.append("the queue is paused")
    asked = gates.Gates(store, gates.of(store))
    stem = new_stem(store.next_stamp(), job.envelope.priority)
    for gate in asked.gates:
        hold = gates.Gates(store, [gate]).judge(stem, job.policy)
        if hold is not None:
            found.append(hold.why)
    running = sum(1 for one in store.names(State.RUNNING) if one.endswith(".json") and not one.startswith("."))
    why = status.reason(store, count_before(store, name), None, running, job.envelope.resource_type)
    return [*found, why] if why != "next: about to be claimed" else found


def lines(said: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"recipe   {said['recipe']}"
    if said["argv"] is not None:
        yield f"argv     {shlex.join(said['argv'])}"
        yield f"cwd      {said['cwd']}"
        for name, value in sorted(said["env"].items()):
            yield f"env      {name}={shlex.quote(value)}"
    yield f"slots    {', '.join(said['slots']) or 'none of ours: a remote worker'}"
    yield f"position {said['position_in_queue']} ({said['priority']})"
    for why in said["waits"] or ["nothing"]:
        yield f"waits    {why}"
    for name in ("timeout", "idle_timeout"):
        if said[name] is not None:
            yield f"{name.replace('_timeout', ''):<8} {format_duration(said[name])}"
    yield f"attempts {said['max_attempts']}, again after {', '.join(said['retry_on']) or 'nothing'}"
