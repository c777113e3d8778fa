"""The plan: the jobs and pools that come of submissions, instances and resources. Same inputs give the same plan."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spoolq.generate import results_root, selection
from spoolq.generate.groups import Group, as_document, group_for, read_groups
from spoolq.generate.instances import Instance, read_tasks
from spoolq.generate.submissions import Submission, read_submissions


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the inputs are, and what is asked: *top* submissions a track, *all_tasks* by slug, *results* to skip."""

    instances: Path
    submissions: Path
    resources: Path
    top: int = 5
    all_tasks: Collection[str] = ()
    results: Path | None = None


@dataclass(slots=True)
class Share:
    """What came of one chosen submission: tasks, new jobs, and instances that were finished already."""

    submission: str
    team: str
    team_slug: str
    tasks: int
    jobs: int = 0
    finished: int = 0


@dataclass(slots=True)
class Plan:
    """The jobs as ``jobs.json`` has them, the groups, a share a submission, and what a person should know."""

    groups: list[Group]
    jobs: list[dict[str, Any]] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def named_jobs(self) -> list[dict[str, Any]]:
        """The jobs under ids that stay theirs whatever other jobs there are, and that a URL takes: SLUG-TASK-NUMBER.

        A spool keeps what it was given: with numbers, the next plan's job 0 would be taken for the one it has.
        """
        return [{**job, "id": name} for job, name in zip(self.jobs, self.names, strict=True)]

    @property
    def resources(self) -> dict[str, list[dict[str, Any]]]:
        """The groups as ``resources.json`` has them."""
        return as_document(self.groups)


def make(inputs: Inputs) -> Plan:
    """Read everything, and plan; job ids count from 0 by submission file, task and instance. Changes nothing.

    Raises Refused for inputs that cannot be used, and OSError.
    """
    tasks = read_tasks(inputs.instances)
    submissions = read_submissions(inputs.submissions)
    selection.check_slugs(inputs.all_tasks, submissions)
    chosen = selection.best(submissions, inputs.top)
    selection.check_instances(chosen, inputs.all_tasks, tasks, inputs.instances)
    if inputs.results is not None:
        results_root.check_root(inputs.results)
    plan = Plan(read_groups(inputs.resources))
    planned: dict[tuple[str, str], str] = {}
    for submission in chosen:
        wanted = selection.tasks_of(submission, inputs.all_tasks)
        share = Share(submission.file, submission.team, submission.slug, len(wanted))
        plan.shares.append(share)
        finished = results_root.metrics_of(inputs.results, submission.slug) if inputs.results else frozenset()
        for task, group, instance in _placed(plan, submission, wanted, tasks):
            result = f"{task}_{instance.number}"
            if result in finished:
                share.finished += 1
            elif (earlier := planned.setdefault((submission.slug, result), submission.file)) != submission.file:
                _once(plan, submission, earlier)
            else:
                share.jobs += 1
                plan.names.append(re.sub(r"[^A-Za-z0-9_.-]", "_", f"{submission.slug}-{task}-{instance.number}"))
                plan.jobs.append(_job(len(plan.jobs), submission, task, group, instance))
    return plan


def _placed(
    plan: Plan, submission: Submission, wanted: Sequence[str], tasks: dict[str, list[Instance]]
) -> Iterator[tuple[str, Group, Instance]]:
    """The instances of the tasks that a group takes; a warning for each other task."""
    for task in wanted:
        group = group_for(plan.groups, submission.slug, task)
        if group is None:
            plan.warnings.append(f"no resources of team {submission.slug} take task {task}: it gets no jobs")
            continue
        yield from ((task, group, instance) for instance in tasks[task])


def _once(plan: Plan, submission: Submission, earlier: str) -> None:
    """Warn, once a file, that a team's second submission would be evaluated twice into the same result files."""
    warning = f"{submission.file} is of team {submission.slug}, as is {earlier}: what both have in common is one job"
    if warning not in plan.warnings:
        plan.warnings.append(warning)


def _job(number: int, submission: Submission, task: str, group: Group, instance: Instance) -> dict[str, Any]:
    payload = {
        "team": submission.team,
        "team_slug": submission.slug,
        "task": task,
        "instance_basename": instance.basename,
    }
    return {"id": number, "payload": payload, "resource_type": group.name, "status": "pending", "attempts": 0}
