"""Which Python has a real evaluation harness, and what such a test needs of it."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: More interpreters, each with spoolq in it, separated by `:`; a harness that drags in much may have one of its own.
MORE = "SPOOLQ_HARNESS_PYTHON"
REQUIRED = "SPOOLQ_REQUIRE_HARNESS"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
#: One thread: on a machine that is busy, those of torch wait for each other a hundred times longer than they work.
ON_CPU = {**OFFLINE, "OMP_NUM_THREADS": "1"}
TASKS = Path(__file__).parents[2] / "spoolq" / "demo" / "tasks"
SCRIPTS = Path(__file__).with_name("scripts")


def python_with(*modules: str, extra: str, required: bool = False) -> str:
    """The first interpreter that has spoolq and *modules*; else skips the test, or fails it where it is *required*."""
    for python in [sys.executable, *filter(None, os.environ.get(MORE, "").split(os.pathsep))]:
        if _has(python, ("spoolq", *modules)):
            return python
    said = f"no Python here has {' and '.join(modules)} (pip install {extra}, or name one in {MORE})"
    if required and os.environ.get(REQUIRED):
        pytest.fail(f"{said}, and this run must have it")
    pytest.skip(said)


@functools.cache
def _has(python: str, modules: tuple[str, ...]) -> bool:
    found = f"import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, {modules!r})))"
    return subprocess.run([python, "-c", found], cwd="/", capture_output=True).returncode == 0


def small_model(python: str, folder: Path, layers: int, width: int) -> Path:
    """A model of random weights in *folder*, in the form of the hub."""
    argv = [python, str(SCRIPTS / "small_model.py"), str(folder), str(layers), str(width)]
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **OFFLINE}, timeout=120)
    return folder
