"""Pseudo-groups: a team's resources that take the same tasks are one resource type, `SLUG_NUMBER`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.generate.refusals import Refused, read_object

#: The tasks that a resource names under a key, sorted; None without it: no restriction.
_Tasks = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Group:
    """Resources of one team with the same restrictions, under the name of their resource type."""

    name: str
    team: str
    compatible: _Tasks
    not_compatible: _Tasks
    resources: list[dict[str, Any]]

    def takes(self, task: str) -> bool:
        """Whether jobs of *task* can use its resources; an empty `compatible_task` takes none."""
        return task not in (self.not_compatible or ()) and (self.compatible is None or task in self.compatible)


def read_groups(path: Path) -> list[Group]:
    """The groups of a file of raw resources, team by team in its order, numbered from 1 as they first appear.

    Raises Refused, with the place, for a file that is not ``{slug: [resource, …]}``, a team named twice included, and
    OSError.
    """
    return [group for team, resources in read_object(path).items() for group in _of_team(path, team, resources)]


def _of_team(path: Path, team: str, resources: Any) -> Iterable[Group]:
    if not isinstance(resources, list):
        raise Refused(f"team {team!r} of {path} has no list of resources. Mend that file.")
    groups: dict[tuple[_Tasks, _Tasks], Group] = {}
    for number, resource in enumerate(resources):
        where = f"resource {number} of team {team!r} of {path}"
        if not isinstance(resource, dict):
            raise Refused(f"{where} is no object. Mend that file.")
        key = (_tasks(where, resource, "compatible_task"), _tasks(where, resource, "not_compatible_task"))
        group = groups.setdefault(key, Group(f"{team}_{len(groups) + 1}", team, *key, []))
        group.resources.append(resource)
    return groups.values()


def _tasks(where: str, resource: dict[str, Any], key: str) -> _Tasks:
    named = resource.get(key)
    if isinstance(named, str | None):
        return (named,) if named else None
    if not isinstance(named, list) or not all(isinstance(task, str) for task in named):
        raise Refused(f"`{key}` of {where} is neither a text nor a list of texts. Mend that file.")
    return tuple(sorted(set(named)))


def group_for(groups: Sequence[Group], team: str, task: str) -> Group | None:
    """The first group of exactly this team that takes the task; a second one gets no jobs of it."""
    return next((group for group in groups if group.team == team and group.takes(task)), None)


def as_document(groups: Iterable[Group]) -> dict[str, list[dict[str, Any]]]:
    """``resources.json``: resource type -> its resources, as they stand in the raw file."""
    return {group.name: group.resources for group in groups}
