"""The environment of an evaluation: the runner's less what a launcher left, the slot's devices, `SPOOLQ_*`."""

from __future__ import annotations

from collections.abc import Mapping

from spoolq.layout import RunDir
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
    base: Mapping[str, str],
    plan: Plan,
    running: Running,
    attempt: int,
    devices: str | None,
) -> dict[str, str]:
    """The whole environment of a run. *devices* None leaves `CUDA_VISIBLE_DEVICES` as the runner has it."""
    run: RunDir = store.layout.run(running.stem.key)
    gone = LAUNCHER_VARIABLES | plan.scrub
    env = {name: value for name, value in base.items() if name not in gone and not name.startswith("SPOOLQ_")}
    env.update(settings.env)
    env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # NVML's order; CUDA's own is by speed
    if devices is not None:
        env["CUDA_VISIBLE_DEVICES"] = devices
    env.update(plan.env)
    root = store.root.absolute()
    env.update(
        SPOOLQ_SPOOL=str(root),
        SPOOLQ_JOB_ID=running.stem.uuid,
        SPOOLQ_RUN_DIR=str(root / run.path.relative_to(store.root)),
        SPOOLQ_OUTPUT=str(root / run.partial.relative_to(store.root)),
        SPOOLQ_ATTEMPT=str(attempt),
        SPOOLQ_SLOT=running.claim.slot,
    )
    env[MARK] = str(running)
    return env
