"""`python -m spoolq.gpus.probe`: print what NVML tells of this host's GPUs as one JSON document, and end.

It prints ``{"absent": WHY}`` where there is no driver and ``{"error": WHY}`` where the driver refuses. A device that is
lost, or that we may not see, costs a sentence in `faults`; the others are listed.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

import pynvml as nvml

from spoolq.gpus import Gpu, Process
from spoolq.gpus.document import document_of

#: Errors that say that there is no GPU to be had on this host.
_ABSENT = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED, nvml.NVML_ERROR_NOT_FOUND)


def main() -> int:
    """Print the document; the exit code is 0 unless Python itself fails."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        json.dump({"absent" if error.value in _ABSENT else "error": f"NVML: {error}"}, sys.stdout)
        return 0
    gpus: list[Gpu] = []
    faults: list[str] = []
    try:
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                gpus += _card(index)
            except nvml.NVMLError as error:  # 15: fallen off the bus
                faults.append(f"GPU {index} cannot be used: {error}")
        json.dump({"gpus": [document_of(gpu) for gpu in gpus], "faults": faults}, sys.stdout)
    except nvml.NVMLError as error:
        json.dump({"error": f"NVML: {error}"}, sys.stdout)
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    return 0


def _card(index: int) -> list[Gpu]:
    """A card and, in MIG mode, its instances; raises NVMLError when it is lost."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid = _text(nvml.nvmlDeviceGetUUID(handle))
    instances = [_gpu(mig, None, parent=uuid) for mig in _instances(handle)]
    return [_gpu(handle, index, instances=tuple(str(mig.uuid) for mig in instances)), *instances]


def _instances(handle: Any) -> list[Any]:
    mode = _unless_refused(lambda: nvml.nvmlDeviceGetMigMode(handle))
    if not mode or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        return []
    found = []
    for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        with contextlib.suppress(nvml.NVMLError_NotFound, nvml.NVMLError_InvalidArgument):
            found.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place))
    return found


def _gpu(handle: Any, index: int | None, parent: str | None = None, instances: tuple[str, ...] = ()) -> Gpu:
    memory = _unless_refused(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    rates = _unless_refused(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    return Gpu(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(_unless_refused(lambda: nvml.nvmlDeviceGetName(handle)) or ""),
        total_mib=None if memory is None else memory.total / 2**20,
        free_mib=None if memory is None else memory.free / 2**20,
        utilisation=None if rates is None else rates.gpu,
        processes=_processes(handle),
        parent=parent,
        instances=instances,
    )


def _processes(handle: Any) -> tuple[Process, ...] | None:
    """What computes and what draws there; a process that does both is counted once, None when neither is told."""
    compute = _unless_refused(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    graphics = _unless_refused(lambda: nvml.nvmlDeviceGetGraphicsRunningProcesses(handle))
    if compute is None and graphics is None:
        return None
    used = {entry.pid: entry.usedGpuMemory for entry in [*(graphics or []), *(compute or [])]}
    return tuple(Process(pid, None if held is None else held / 2**20) for pid, held in used.items())


def _unless_refused(ask: Callable[[], Any]) -> Any:
    """The answer, None where this GPU or driver has none; a lost GPU is an error all the same."""
    try:
        return ask()
    except nvml.NVMLError as error:
        if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
            raise
        return None
    except nvml.NVMLLibraryMismatchError:  # a driver that is older than the bindings
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    sys.exit(main())
