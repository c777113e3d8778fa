"""The provider ``smi``: the program `nvidia-smi`, for hosts without nvidia-ml-py. It does not know MIG instances."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from spoolq.gpus import DriverSilent, Gpu, Look, NoDriver, Process
from spoolq.gpus.child import ask
from spoolq.sections import GpusSection

PROGRAM = "nvidia-smi"
_CARD = "index,uuid,memory.total,memory.free,utilization.gpu,name"
_HELD = "gpu_uuid,pid,used_memory"
#: What it says, beside a bad exit code, on a host that has the program and no driver, and on one without a card.
_NONE = ("couldn't communicate with the NVIDIA driver", "No devices were found")


class SmiGpus:
    """What `nvidia-smi` prints within *timeout* seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def look(self) -> Look:
        """Two questions: the cards, and who computes on them."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise NoDriver(f"cannot list GPUs: there is no {PROGRAM}. Install the NVIDIA driver.")
        held: dict[str, list[Process]] = {}
        cards = list(_rows(self._ask(program, f"--query-gpu={_CARD}"), 6))
        if cards:
            for uuid, pid, used in _rows(self._ask(program, f"--query-compute-apps={_HELD}"), 3):
                if pid.isdecimal():
                    held.setdefault(uuid, []).append(Process(int(pid), _number(used)))
        gpus, faults = [], []
        for index, uuid, total, free, busy, name in cards:
            if not index.isdecimal():
                raise DriverSilent(f"cannot list GPUs: {PROGRAM} printed {index!r} for an index. Run it by hand.")
            if not uuid.startswith("GPU-"):  # `[GPU is lost]`, `[Unknown Error]`
                faults.append(f"GPU {index} cannot be used: {uuid}")
                continue
            percent = _number(busy)
            rest = (None if percent is None else int(percent), tuple(held.get(uuid, ())))
            gpus.append(Gpu(int(index), uuid, name, _number(total), _number(free), *rest))
        return Look(tuple(gpus), tuple(faults))

    def _ask(self, program: str, question: str) -> str:
        try:
            return ask([program, question, "--format=csv,noheader,nounits"], self._timeout)
        except DriverSilent as error:
            if any(words in str(error) for words in _NONE):
                raise NoDriver(str(error)) from None
            raise


def _rows(text: str, columns: int) -> Iterator[list[str]]:
    """The lines with that many fields; what else the program says (`No devices were found`) is none of them."""
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",", columns - 1)]
        if len(fields) == columns:
            yield fields


def _number(text: str) -> float | None:
    """MiB or per cent; None for `[N/A]` and its like."""
    try:
        return float(text)
    except ValueError:
        return None


def make(section: GpusSection) -> SmiGpus:
    """The provider for these settings."""
    return SmiGpus(section.probe_timeout)
