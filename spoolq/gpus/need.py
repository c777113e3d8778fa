"""What a job asks of GPUs: how many, how much memory, and whether it can do without one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolq.durations import parse_mebibytes
from spoolq.gpus import Gpu
from spoolq.sections import GpusSection
from spoolq.settings import Settings

#: Recipes whose `device` says where the harness computes. Without a GPU it computes on the CPU, and says so to nobody.
_HARNESSES = ("lm-eval", "lmms-eval")


@dataclass(frozen=True, slots=True)
class Need:
    """*count* None: as many as its slot has. *floor_mib* None: what ``[gpus]`` says must be free.

    *because* quotes what asks for a GPU outright; "" for a job that takes what its slot has, also nothing.
    """

    count: int | None = None
    floor_mib: float | None = None
    because: str = ""

    @property
    def least(self) -> int:
        """How many a slot must have for it to run there."""
        return (self.count or 1) if self.because else 0


def need_of(document: Mapping[str, Any], settings: Settings) -> Need:
    """What a job's file asks for, bare or an envelope; what is malformed is left to the recipe to refuse."""
    request = document.get("request")
    envelope = document if isinstance(request, dict) else {}
    request = request if isinstance(request, dict) else document
    recipe = _recipe(envelope, request, settings)
    count, because = _whole(envelope.get("num_gpus")), ""
    if count:
        because = f"`num_gpus` is {count}"
    elif count is None and recipe == "lmms-eval":
        # Its default, which each of its clients sends, is 1, also where there is no GPU: only more is asked outright.
        count = _whole(request.get("num_gpus")) or None
        because = f"`num_gpus` is {count}" if (count or 0) > 1 else ""
    device = request.get("device")
    if recipe in _HARNESSES and isinstance(device, str) and device.startswith("cuda") and not because:
        because = f"`device` is {device}"
    floor = None
    with contextlib.suppress(ValueError):
        if envelope.get("min_free_memory") is not None:
            floor = parse_mebibytes(envelope["min_free_memory"])
    return Need(count, floor, because)


def _recipe(envelope: Mapping[str, Any], request: Mapping[str, Any], settings: Settings) -> str | None:
    if envelope.get("resource_type") is not None or "command" in request:
        return None
    name = envelope.get("recipe") or (settings.default_recipe if "model" in request and "tasks" in request else None)
    if not isinstance(name, str) or name in settings.recipes:  # the operator's own, whatever it is called
        return None
    return name


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def floor_of(need: Need, gpu: Gpu, section: GpusSection) -> float | None:
    """MiB that must be free on *gpu*; None when the driver does not tell what it has, and the job does not ask."""
    if need.floor_mib is not None:
        return need.floor_mib
    setting = section.min_free_memory
    if isinstance(setting, str):
        return None if gpu.total_mib is None else gpu.total_mib * float(setting.rstrip("%")) / 100
    return setting


def size(mib: float) -> str:
    """As people read it: ``512 MiB``, ``40 GiB``, ``79.3 GiB``."""
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.1f}".removesuffix(".0") + " GiB"
