"""The provider ``auto``: nvml, else smi, else none. A host without a driver pays for a look at names, no process."""

from __future__ import annotations

import shutil

from spoolq.gpus import DriverSilent, Look, NoDriver, Provider, nvml, smi
from spoolq.sections import GpusSection


class AutoGpus:
    """The first provider that answers, for *timeout* seconds each. The one that did is asked again."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._answered: Provider | None = None

    def look(self) -> Look:
        """Nothing where there is no driver; raises DriverSilent where there is one that does not answer."""
        silent: DriverSilent | None = None
        for candidate in [self._answered] if self._answered else self._candidates():
            try:
                seen = candidate.look()
            except NoDriver as error:
                if self._answered:  # it was there when we began
                    raise DriverSilent(str(error)) from None
                continue
            except DriverSilent as error:
                silent = silent or error
                continue
            self._answered = candidate
            return seen
        if silent is not None:  # to take a GPU that hangs for none would let harnesses run on the CPU all night
            raise silent
        return Look()

    def _candidates(self) -> list[Provider]:
        found: list[Provider] = [nvml.NvmlGpus(self._timeout)] if nvml.library_is_there() else []
        if shutil.which(smi.PROGRAM):
            found.append(smi.SmiGpus(self._timeout))
        return found


def make(section: GpusSection) -> AutoGpus:
    """The provider for these settings."""
    return AutoGpus(section.probe_timeout)
