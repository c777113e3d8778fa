"""GPUs that are not there: a driver's library in C, an `nvidia-smi`, a file; each says what a test wants."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from spoolq.gpus import Gpu, Look

_SMI = r"""#!/bin/sh
case "$1" in
  --query-gpu=*) cat "$PRETEND_SMI/cards" ;;
  --query-compute-apps=*) cat "$PRETEND_SMI/held" ;;
  *) exit 2 ;;
esac
exit "$(cat "$PRETEND_SMI/code")"
"""


def card(index: int, free: float = 81000, **more: Any) -> dict[str, Any]:
    """One GPU of 80 GiB in a file of the provider ``file``; *free* in MiB."""
    return {"index": index, "uuid": f"GPU-{index:08d}", "name": "Pretend", "total": 81920, "free": free, **more}


class Shelf:
    """The file of the provider ``file``, which a test may change at any time."""

    def __init__(self, path: Path, *cards: dict[str, Any]) -> None:
        self.path = path
        self.set(*cards)

    def set(self, *cards: dict[str, Any]) -> None:
        """Say something else from now on, in one rename."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"gpus": list(cards)}))
        fresh.replace(self.path)

    def settings(self, **more: str) -> str:
        """The table of ``spoolq.toml`` that has runners read it."""
        lines = ["[gpus]", 'provider = "file"', f'file = "{self.path}"', *(f"{k} = {v}" for k, v in more.items())]
        return "\n".join(lines) + "\n"


class Told:
    """A provider that says what a test last put into `now`: a Look, or an error to raise."""

    def __init__(self, *gpus: Gpu) -> None:
        self.now: Look | Exception = Look(gpus)
        self.asked = 0

    def say(self, *gpus: Gpu, faults: tuple[str, ...] = ()) -> None:
        self.now = Look(gpus, faults)

    def look(self) -> Look:
        self.asked += 1
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


def built_library(folder: Path) -> Path:
    """The folder of a `libnvidia-ml.so.1` of ours; skips where there is no compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler: the pretended driver cannot be built")
    target = folder / "libnvidia-ml.so.1"
    source = Path(__file__).with_name("nvml.c")
    words = [compiler, "-std=gnu11", "-Wall", "-Werror", "-shared", "-fPIC", "-O1", "-o", str(target), str(source)]
    subprocess.run(words, check=True, capture_output=True, text=True)
    return folder


class Smi:
    """An `nvidia-smi` in *folder* that prints what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "nvidia-smi"
        program.write_text(_SMI)
        program.chmod(0o755)
        self.say("")

    def say(self, cards: str, held: str = "", code: int = 0) -> None:
        for name, text in (("cards", cards), ("held", held), ("code", str(code))):
            (self.folder / name).write_text(text)
