"""The provider ``nvml``: NVIDIA's library by nvidia-ml-py (extra `gpu`), in a process of its own each time."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from spoolq.gpus import DriverSilent, Look, NoDriver
from spoolq.gpus.child import ask
from spoolq.gpus.document import look_of
from spoolq.sections import GpusSection

LIBRARY = "libnvidia-ml.so.1"
#: Where the library lies besides what the loader's cache lists.
_PLACES = ("/usr/lib/wsl/lib", "/usr/lib64", "/usr/lib", "/usr/local/nvidia/lib64", "/run/opengl-driver/lib")
_CACHE = Path("/etc/ld.so.cache")


class NvmlGpus:
    """What NVML tells within *timeout* seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def look(self) -> Look:
        """One probe; raises NoDriver without library, bindings or loaded driver."""
        if find_spec("pynvml") is None:
            raise NoDriver("cannot list GPUs: nvidia-ml-py is not installed. `pip install 'spoolq[gpu]'`.")
        said = ask([sys.executable, "-m", "spoolq.gpus.probe"], self._timeout)
        try:
            document = json.loads(said)
            if "absent" in document:
                raise NoDriver(f"cannot list GPUs: {document['absent']}. Install or load the NVIDIA driver.")
            if "error" in document:
                raise DriverSilent(f"cannot list GPUs: {document['error']}. See `nvidia-smi` and `dmesg`.")
            return look_of(said)
        except ValueError as error:
            raise DriverSilent(f"cannot list GPUs: the probe said what it should not: {error}. Report that.") from None


def library_is_there() -> bool:
    """Whether a driver's library seems to be there: by names alone, nothing is loaded and nobody is asked."""
    paths = [*filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)), *_PLACES]
    if any(os.path.lexists(f"{path}/{LIBRARY}") for path in paths):
        return True
    try:
        return LIBRARY.encode() in _CACHE.read_bytes()
    except OSError:
        return False


def make(section: GpusSection) -> NvmlGpus:
    """The provider for these settings."""
    return NvmlGpus(section.probe_timeout)
