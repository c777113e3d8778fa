"""The provider ``none``: no GPU is looked for, and slots have their devices as they are told or inherit them."""

from __future__ import annotations

from spoolq.gpus import Look
from spoolq.sections import GpusSection


class NoGpus:
    """A host whose GPUs, if it has any, are none of our business."""

    def look(self) -> Look:
        """Nothing."""
        return Look()


def make(_section: GpusSection) -> NoGpus:
    """The provider."""
    return NoGpus()
