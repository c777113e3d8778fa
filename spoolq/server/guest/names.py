"""Which benchmarks or models a harness knows: ``python -c SOURCE HARNESS tasks|models``.

Prints `names` and `watched`, the folders of which a change may change the names, with their mtimes; or `error`.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def tasks(harness: str) -> list[str]:
    """All benchmarks, in the harness's own order."""
    return list(importlib.import_module(f"{harness}.tasks").TaskManager().all_tasks)


def models(harness: str) -> list[str]:
    """All model types, sorted."""
    known = importlib.import_module(f"{harness}.models")
    if hasattr(known, "list_available_models"):
        return sorted(known.list_available_models())
    return sorted(importlib.import_module(f"{harness}.api.registry").MODEL_REGISTRY.keys())


def watched(folders: list[str]) -> dict[str, int]:
    """When each of *folders* was last changed, in ns."""
    return {folder: Path(folder).stat().st_mtime_ns for folder in folders if folder and Path(folder).is_dir()}


def find(harness: str, kind: str) -> dict[str, Any]:
    """What is printed."""
    seen = watched(sys.path)
    try:
        names = tasks(harness) if kind == "tasks" else models(harness)
        home = Path(importlib.import_module(harness).__file__ or "").parent
    except Exception as error:
        return {"error": str(error) or type(error).__name__, "watched": seen}
    return {"names": names, "watched": {**seen, **watched([str(home), str(home / "tasks")])}}


if __name__ == "__main__":
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(find(sys.argv[1], sys.argv[2]), told)
    told.flush()
    os._exit(0)  # threads of the harness must not keep us
