"""The provider ``static``: the GPUs are those in `devices`, by the operator's word. Their memory is not known.

For GPUs that no tool here can ask: other makes, and hosts where the driver's tools are kept from us.
"""

from __future__ import annotations

from spoolq.gpus import Gpu, Look
from spoolq.sections import GpusSection


class StaticGpus:
    """The GPUs *devices*, by index or UUID."""

    def __init__(self, devices: list[str]) -> None:
        self._devices = devices

    def look(self) -> Look:
        """The same each time."""
        return Look(tuple(map(stated, self._devices)))


def stated(device: str) -> Gpu:
    """The GPU that somebody names, of which no more is known."""
    return Gpu(int(device), None) if device.isdecimal() else Gpu(None, device)


def make(section: GpusSection) -> StaticGpus:
    """The provider for these settings."""
    return StaticGpus(section.devices)
