"""The tally: a team's self-reported score of each task beside what the evaluation has measured so far."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spoolq.generate import results_root
from spoolq.generate.instances import Instance, read_tasks
from spoolq.generate.refusals import Refused
from spoolq.generate.results_root import Results
from spoolq.generate.submissions import Submission, read_submissions
from spoolq.plain import one_line


@dataclass(frozen=True, slots=True)
class Row:
    """One team on one task; scores are q_scores, *finished* and *started* count instances."""

    team_slug: str
    task: str
    reported: float
    mean: float
    finished: int
    started: int


@dataclass(slots=True)
class Tally:
    """A row a team and task, and what a person should know of them."""

    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def tally(instances: Path, submissions: Path, root: Path) -> Tally:
    """Count: teams in the order of their submission files, tasks by name; what is not scored is 0.

    Raises Refused and OSError. Of two submissions of one team the later file's scores are shown: their results cannot
    be told apart.
    """
    tasks = read_tasks(instances)
    given = read_submissions(submissions)
    results_root.check_root(root)
    counted = Tally()
    for submission in _one_a_team(given, counted):
        results = results_root.results_of(root, submission.slug)
        for task, of_task in tasks.items():
            counted.rows.append(_row(counted, submission, results, task, of_task))
    return counted


def _one_a_team(given: Sequence[Submission], counted: Tally) -> Iterator[Submission]:
    teams: dict[str, Submission] = {}
    for submission in given:
        if earlier := teams.get(submission.slug):
            counted.warnings.append(f"{submission.file} is of the same team as {earlier.file}: its scores are shown")
        teams[submission.slug] = submission
    yield from teams.values()


def _row(counted: Tally, submission: Submission, results: Results, task: str, of_task: Sequence[Instance]) -> Row:
    names = {f"{task}_{instance.number}" for instance in of_task}
    scores = []
    for name in sorted(names & results.metrics):
        try:
            scores.append(results.score(name))
        except (Refused, OSError) as error:
            counted.warnings.append(f"not counted as finished: {error}")
    mean = sum(scores) / len(scores) if scores else 0.0
    started = len(names & (results.metrics | results.videos))
    return Row(submission.slug, task, submission.tasks.get(task, 0.0), mean, len(scores), started)


def to_csv(rows: Iterable[Row]) -> str:
    """The rows as the original prints them: no header, a comma and a space between, scores to two digits.

    A task that a terminal would obey is made harmless.
    """
    return "".join(
        f"{row.team_slug}, {_cell(row.task)}, {row.reported:.2f}, {row.mean:.2f}, {row.finished}, {row.started}\n"
        for row in rows
    )


def _cell(text: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([one_line(text)])
    return out.getvalue()
