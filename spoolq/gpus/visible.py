"""Device lists as `CUDA_VISIBLE_DEVICES` has them: which GPUs a list names, and the list that names some GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spoolq.gpus import Gpu
from spoolq.gpus.static import stated


def named(devices: str) -> list[str]:
    """The entries of a list; `""`, `-1` and `NoDevFiles` (as Slurm writes it) name none, and so does what follows."""
    found = []
    for entry in map(str.strip, devices.split(",")):
        if entry in ("", "-1", "NoDevFiles"):
            break
        found.append(entry)
    return found


def chosen(gpus: Sequence[Gpu], devices: Iterable[str]) -> list[Gpu]:
    """The GPU of each entry: an index, a UUID or the beginning of one. One that nobody has seen is taken as stated."""
    return [next((gpu for gpu in gpus if _is(gpu, entry)), None) or stated(entry) for entry in devices]


def _is(gpu: Gpu, entry: str) -> bool:
    if entry.isdecimal():
        return gpu.index == int(entry)
    return gpu.uuid is not None and gpu.uuid.startswith(entry)


def device_list(gpus: Sequence[Gpu], *, uuids: bool = False) -> str:
    """The list that shows exactly *gpus*: by index in the order of the PCI bus, or by UUID.

    Indices are the default, since harnesses call `int()` on them. A MIG instance has none, so then all are UUIDs.
    """
    if uuids or any(gpu.index is None for gpu in gpus):
        return ",".join(gpu.uuid if gpu.uuid is not None else str(gpu.index) for gpu in gpus)
    return ",".join(str(gpu.index) for gpu in gpus)
