"""GPUs: which there are, which of them a job may have now, and whether their memory came back after it.

A provider looks at them: one file each (`none`, `static`, `file`, `nvml`, `smi`, `auto`). A look is a moment's truth:
nothing here is kept for longer than a second, but for the quarantine, which is a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from spoolq.errors import EXIT_SPOOL_UNUSABLE, SettingsInvalid, SpoolqError

if TYPE_CHECKING:
    from spoolq.sections import GpusSection

PROVIDERS = ("auto", "none", "static", "nvml", "smi", "file")


class NoDriver(SpoolqError):
    """There is nothing to ask on this host: no driver, no library, no program. It has no GPU that we could use."""

    exit_code = EXIT_SPOOL_UNUSABLE


class DriverSilent(SpoolqError):
    """There is a driver and it did not answer, or not in a way that can be read: nobody knows what is free."""

    exit_code = EXIT_SPOOL_UNUSABLE


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a GPU by the driver's count: its pid on the host, and what it holds in MiB (None: not told)."""

    pid: int
    used_mib: float | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, or a MIG instance of one; None stands for what the driver does not tell. Memory in MiB.

    *index* is its place in the order of the PCI bus; a MIG instance has none, and *parent* is its card's UUID then.
    A card in MIG mode lists its *instances*, and is not to be had whole.
    """

    index: int | None
    uuid: str | None
    name: str = ""
    total_mib: float | None = None
    free_mib: float | None = None
    #: Per cent of the last moments in which it computed. 0 does not mean that it is free.
    utilisation: int | None = None
    processes: tuple[Process, ...] | None = None
    parent: str | None = None
    instances: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What tells it from all others of this host, whatever order they are listed in."""
        return self.uuid or f"index-{self.index}"

    @property
    def title(self) -> str:
        """What people call it."""
        return f"GPU {self.index}" if self.index is not None else f"GPU {self.uuid}"

    @property
    def used_mib(self) -> float | None:
        """What is not free of its memory."""
        return None if self.total_mib is None or self.free_mib is None else self.total_mib - self.free_mib


@dataclass(frozen=True, slots=True)
class Look:
    """What a provider has seen: the GPUs, and a sentence about each device that it could not look at."""

    gpus: tuple[Gpu, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """What a job can be given: MIG instances in the place of the cards that are cut into them."""
        return tuple(gpu for gpu in self.gpus if not gpu.instances)


class Provider(Protocol):
    """One way to see the GPUs of this host."""

    def look(self) -> Look:
        """What there is now; raises NoDriver or DriverSilent, after `probe_timeout` at the latest."""


def provider(section: GpusSection) -> Provider:
    """The provider that ``[gpus]`` names; raises SettingsInvalid when it lacks what that needs."""
    from importlib import import_module

    if section.provider == "file" and not section.file:
        raise SettingsInvalid("cannot use the GPU provider `file`: [gpus] has no `file`. Name one there.")
    if section.provider == "static" and not section.devices:
        raise SettingsInvalid("cannot use the GPU provider `static`: [gpus] has no `devices`. List them there.")
    made: Provider = import_module(f"{__name__}.{section.provider}").make(section)
    return made
