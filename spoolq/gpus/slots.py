"""Slots made from the GPUs that there are: one with all of them, or one each."""

from __future__ import annotations

import os

from spoolq.gpus import Gpu, Look, Provider, provider
from spoolq.gpus.visible import chosen, device_list, named
from spoolq.sections import GpusSection

#: The slot with all that the host has.
ALL = "all"


def slots(section: GpusSection, source: Provider | None = None) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """Slot -> its `CUDA_VISIBLE_DEVICES`, and a sentence about each device that cannot be used.

    Without a GPU it is the one slot `all`, which inherits that variable. Raises NoDriver or DriverSilent where
    ``[gpus]`` names a provider that has no answer, or where there is a driver that has none.
    """
    seen = (source or provider(section)).look()
    gpus = ours(section, seen)
    if not gpus:
        return {ALL: None}, seen.faults
    if section.mode == "single":
        return {ALL: device_list(gpus)}, seen.faults
    return {slot_name(gpu, seen): device_list([gpu]) for gpu in gpus}, seen.faults


def ours(section: GpusSection, seen: Look) -> list[Gpu]:
    """What of it is ours: by `devices` of ``[gpus]``, else by the `CUDA_VISIBLE_DEVICES` that we were started with."""
    usable = list(seen.usable)
    if section.devices:
        return chosen(usable, section.devices)
    inherited = os.environ.get("CUDA_VISIBLE_DEVICES")
    if inherited is None or not usable:
        return usable
    return [gpu for gpu in chosen(usable, named(inherited)) if gpu in usable]


def slot_name(gpu: Gpu, seen: Look) -> str:
    """`gpu0`; `gpu0-mig1` for the second instance of GPU 0."""
    if gpu.index is not None:
        return f"gpu{gpu.index}"
    card = next((card for card in seen.gpus if card.uuid == gpu.parent and gpu.parent), None)
    if card is not None and gpu.uuid in card.instances:
        return f"gpu{card.index}-mig{card.instances.index(gpu.uuid)}"
    text = "".join(letter if letter.isalnum() else "-" for letter in gpu.key.lower())
    return text[:32]
