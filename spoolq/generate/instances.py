"""The test instances: a folder a task, a JSON file an instance, whose number ends its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spoolq.files import names_in
from spoolq.generate.refusals import Refused

SUFFIX = "_template-tro_state.json"


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a task: its file's name, and the number by which its results are named."""

    basename: str
    number: int


def read_tasks(folder: Path) -> dict[str, list[Instance]]:
    """Task -> instances, both in the order of their names; a folder without instances is no task, hidden is nothing.

    Raises Refused when there is none at all, a name has no number, or two of a task have the same; and OSError.
    """
    tasks = {task: found for task in _shown(folder) if (found := _instances(folder / task))}
    if not tasks:
        raise Refused(f"no task folder in {folder} holds an instance. Name their folder with --test-instances-dir.")
    return tasks


def _shown(folder: Path) -> list[str]:
    return sorted(name for name in names_in(folder) if not name.startswith("."))


def _instances(task: Path) -> list[Instance]:
    if not task.is_dir():
        return []
    names = [name for name in _shown(task) if name.lower().endswith(".json") and (task / name).is_file()]
    found: dict[int, Instance] = {}
    for name in names:
        number = _number(task / name)
        if number in found:
            raise Refused(f"{task / name} and {found[number].basename} have one number. Rename one, or move it away.")
        found[number] = Instance(name, number)
    return [*found.values()]


def _number(path: Path) -> int:
    last = path.name.removesuffix(SUFFIX).rpartition("_")[2]
    if not re.fullmatch(r"[0-9]{1,18}", last):
        raise Refused(f"{path} has no instance number: a name ends in _NUMBER{SUFFIX}. Rename it, or move it away.")
    return int(last)
