"""The environment of an evaluation: the runner's less what a launcher left, the slot's devices, `SPOOLQ_*`."""

from __future__ import annotations

from collections.abc import Iterable

from spoolq.names import Running
from spoolq.recipes import Plan
from spoolq.recipes.launcher import LAUNCHER_VARIABLES
from spoolq.settings import Settings
from spoolq.store import Store

#: What finds a process of an evaluation whose session is gone: this variable with the claim's text.
MARK = "SPOOLQ_CLAIM"


def mark(running: Running) -> str:
    """The `NAME=value` that every process of this claim's evaluation has in its environment."""
    return f"{MARK}={running}"


def build(
    store: Store,
    settings: Settings,
    base: Iterable[str],
    plan: Plan,
    running: Running,
    attempt: int,
    devices: str | None,
) -> tuple[dict[str, str], list[str]]:
    """What a run's environment has beside or instead of the runner's, and which of the names *base* it has not.

    *devices* None leaves `CUDA_VISIBLE_DEVICES` as the runner has it.
    """
    layout = store.absolute
    run = layout.run(running.stem.key)
    gone = LAUNCHER_VARIABLES | plan.scrub
    env = dict(settings.env)
    env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # NVML's order; CUDA's own is by speed
    if devices is not None:
        env["CUDA_VISIBLE_DEVICES"] = devices
    env.update(plan.env)
    env.update(
        SPOOLQ_SPOOL=str(layout.root),
        SPOOLQ_JOB_ID=running.stem.uuid,
        SPOOLQ_RUN_DIR=str(run.path),
        SPOOLQ_OUTPUT=str(run.partial),
        SPOOLQ_ATTEMPT=str(attempt),
        SPOOLQ_SLOT=running.claim.slot,
    )
    env[MARK] = str(running)
    return env, [name for name in base if (name in gone or name.startswith("SPOOLQ_")) and name not in env]
