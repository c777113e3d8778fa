"""Scores as tables: the best value of each metric of a task marked, a line a job or a line a task."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spoolq.results import Row, number
from spoolq.scores.direction import lower_is_better, word

#: What stands behind the best value.
MARK = "*"


@dataclass(frozen=True, slots=True)
class Table:
    """A header, lines of cells, and from which column on they are numbers."""

    header: list[str]
    lines: list[list[Any]]
    numbers: int


def best(found: Iterable[Row], lower: Collection[str] = ()) -> dict[tuple[str, str], float]:
    """(Task, metric) -> the best value, where two jobs or more have a number; *lower*: of which less is better."""
    numbers: dict[tuple[str, str], list[float]] = {}
    for row in found:
        if is_number(row.value):
            numbers.setdefault((row.task, row.metric), []).append(row.value)  # type: ignore[arg-type]
    return {
        name: min(values) if lower_is_better(name[1], lower) else max(values)
        for name, values in numbers.items()
        if len(values) > 1
    }


def is_number(value: Any) -> bool:
    """Whether a value is one that can be more or less."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def scores(found: Sequence[Row], lower: Collection[str] = ()) -> Table:
    """A line a metric of a task of a job."""
    pen = _Pen(found, lower)
    lines = [[row.job_id[:8], row.model, row.task, row.metric, pen.cell(row), number(row.stderr)] for row in found]
    return Table(["job", "model", "task", "metric", "value", "stderr"], lines, 4)


def by_task(found: Sequence[Row], lower: Collection[str] = (), *, plain: bool = False) -> Table:
    """A line a metric of a task, with the direction that is better, and a column a job.

    *plain*: for programs, whole ids and numbers without marks.
    """
    pen, cells = _Pen(found, lower, plain), {(row.job_id, row.task, row.metric): row for row in found}
    jobs = list(dict.fromkeys(row.job_id for row in found))
    lines = [
        [task, metric, pen.better(metric), *(pen.cell(cells.get((job, task, metric))) for job in jobs)]
        for task, metric in _names(found)
    ]
    return Table(["task", "metric", "better", *map(pen.job, jobs)], lines, 3)


def by_job(found: Sequence[Row], lower: Collection[str] = (), *, plain: bool = False) -> Table:
    """A line a job, and a column a metric of a task, and which is better in its head; *plain* as above."""
    pen, cells = _Pen(found, lower, plain), {(row.job_id, row.task, row.metric): row for row in found}
    names, models = _names(found), {row.job_id: row.model for row in found}
    lines = [
        [pen.job(job), model, *(pen.cell(cells.get((job, *name))) for name in names)] for job, model in models.items()
    ]
    heads = [f"{task} {metric} ({pen.better(metric)})" for task, metric in names]
    return Table(["job", "model", *heads], lines, 2)


def _names(found: Iterable[Row]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row.task, row.metric) for row in found))


class _Pen:
    """Writes cells: for people with marks, or *plain* for programs."""

    def __init__(self, found: Sequence[Row], lower: Collection[str], plain: bool = False) -> None:
        self._lower, self._plain = lower, plain
        self._best = {} if plain else best(found, lower)
        self._pad = " " * len(MARK) if self._best else ""

    def better(self, metric: str) -> str:
        return word(lower_is_better(metric, self._lower))

    def job(self, job: str) -> str:
        return job if self._plain else job[:8]

    def cell(self, row: Row | None) -> Any:
        """The value, and behind it the mark or as much room, or the numbers of a column would not be in line."""
        if row is None:
            return None if self._plain else ""
        if self._plain:
            return row.value
        marked = is_number(row.value) and self._best.get((row.task, row.metric)) == row.value
        return f"{number(row.value)}{MARK if marked else self._pad}"
