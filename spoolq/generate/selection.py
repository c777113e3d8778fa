"""Which submissions are evaluated, and on which of their tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from spoolq.generate.instances import Instance
from spoolq.generate.refusals import Refused
from spoolq.generate.submissions import Submission


def best(submissions: Sequence[Submission], top: int) -> list[Submission]:
    """The *top* best standard submissions and the *top* best privileged ones, in the order given.

    By overall q_score; of two that are equal the earlier counts as the better.
    """
    ranked = sorted(submissions, key=lambda one: one.overall, reverse=True)
    chosen = [one for track in (True, False) for one in [one for one in ranked if one.standard is track][:top]]
    return [one for one in submissions if one in chosen]


def tasks_of(submission: Submission, all_tasks: Collection[str]) -> list[str]:
    """The tasks with a score over 0 or, for a slug in *all_tasks*, every task that it names; sorted."""
    every = submission.slug in all_tasks
    return sorted(task for task, score in submission.tasks.items() if every or score > 0)


def check_slugs(slugs: Collection[str], submissions: Sequence[Submission]) -> None:
    """Raise Refused for a slug that no submission has: nothing would come of it."""
    known = sorted({one.slug for one in submissions})
    for slug in slugs:
        if slug not in known:
            raise Refused(f"no submission is of team {slug!r}; there are {', '.join(known)}. Correct --all-tasks.")


def check_instances(
    chosen: Sequence[Submission], all_tasks: Collection[str], tasks: dict[str, list[Instance]], folder: Path
) -> None:
    """Raise Refused when a chosen task has no instance: without it the team would silently be judged on fewer tasks."""
    for submission in chosen:
        missing = [task for task in tasks_of(submission, all_tasks) if task not in tasks]
        if missing:
            names = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
            raise Refused(
                f"{submission.file} has a score for {names}, of which {folder} holds no instance. "
                "Add the task's folder, or take the score away."
            )
