"""The provider ``file``: the GPUs are what a JSON file says, for whoever has a telemetry of their own, and for trials.

The file is read at every look. Whoever writes it writes another one and renames it over this one.
"""

from __future__ import annotations

from pathlib import Path

from spoolq.gpus import DriverSilent, Look
from spoolq.gpus.document import look_of
from spoolq.sections import GpusSection


class FileGpus:
    """The GPUs in the file at *path*."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> Look:
        """What it says now; raises DriverSilent for a file that is missing or wrong."""
        try:
            return look_of(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise DriverSilent(f"cannot list GPUs by {self._path}: {cause}. Mend that file.") from None


def make(section: GpusSection) -> FileGpus:
    """The provider for these settings."""
    return FileGpus(Path(section.file or ""))
