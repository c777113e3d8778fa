"""What the demonstration drops: lm-eval evaluations, a command, a job that fails, a broken file."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The line that installs the harness into the Python that runs spoolq.
INSTALL = f"{sys.executable} -m pip install 'lm-eval>=0.4.9'"
_TASKS = Path(__file__).parent / "tasks"


@dataclass(frozen=True, slots=True)
class Drop:
    """One file to drop: its name, its text, and the program (`cp` or `mv`) that brings it."""

    name: str
    text: str
    by: str


def harness_installed() -> bool:
    """Whether lm-eval is importable by the Python that will run the evaluations."""
    return importlib.util.find_spec("lm_eval") is not None


def drops(python: str) -> list[Drop]:
    """The files, in the order in which they are dropped."""
    found = []
    if harness_installed():
        found += [_evaluation("choice.json", "spoolq_choice", "cp"), _evaluation("answer.json", "spoolq_answer", "mv")]
    command = {"command": [python, "-m", "spoolq.demo.count"], "results": "results.json"}
    fails = {"command": ["sh", "-c", "echo the model file is not there; exit 3"]}
    return [
        *found,
        Drop("count.json", _json(command), "mv"),
        Drop("fails.json", _json({"request": fails, "max_attempts": 1}), "cp"),
        Drop("broken.json", '{"model": "dummy", "tasks": ["spoolq_choice"', "mv"),
    ]


def _evaluation(name: str, task: str, by: str) -> Drop:
    request = {"model": "dummy", "tasks": [task], "include_path": str(_TASKS), "batch_size": 8}
    return Drop(name, _json({"recipe": "lm-eval", "request": request, "timeout": "10m"}), by)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def bring(drop: Drop, outbox: Path, queued: Path) -> list[str]:
    """Write the file outside the spool, then `cp` or `mv` it in; returns the command."""
    source = outbox / drop.name
    source.write_text(drop.text, encoding="utf-8")
    command = [drop.by, str(source), str(queued / drop.name)]
    subprocess.run(command, check=True)
    return command
