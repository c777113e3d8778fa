"""Results: the metrics in the records of completed jobs, as rows, side by side, and as CSV, Markdown or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from spoolq.find import entries, find
from spoolq.jobs import describe
from spoolq.plain import one_line
from spoolq.scores.cards import Card, card_of, errors_of
from spoolq.scores.choice import Choice
from spoolq.scores.index import Cards
from spoolq.store import Store
from spoolq.transitions import State


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one task of one job; `stderr` is the metric's standard error, where the harness gave it."""

    job_id: str
    model: str
    task: str
    metric: str
    value: float | str | None
    stderr: float | None = None

    def document(self) -> dict[str, Any]:
        """The row as JSON has it; `asdict`, which copies deep, takes ten times as long."""
        return {name: getattr(self, name) for name in HEADER}


#: The names of a row's values, in order.
HEADER = [setting.name for setting in fields(Row)]


def completed(store: Store, jobs: Sequence[str]) -> list[dict[str, Any]]:
    """The records of *jobs*, or of every completed job, oldest first; raises JobNotFound, JobAmbiguous."""
    found = [find(store, job) for job in jobs] if jobs else entries(store, [State.COMPLETED])
    return [record for entry in found if (record := describe(store, entry))]


def chosen(store: Store, jobs: Sequence[str], choice: Choice, limit: int | None = None) -> list[Card]:
    """The cards of *jobs* in that order, or of every completed job, oldest first, that *choice* takes.

    With *limit* only the last so many. Raises JobNotFound, JobAmbiguous.
    """
    cards = [card_of(record) for record in completed(store, jobs)] if jobs else Cards(store).all()
    found = choice.of(cards)
    return found if limit is None else found[max(0, len(found) - limit) :]


def rows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """A row a metric, in the order of the records; a `*_stderr` metric becomes the `stderr` of its own."""
    return rows_of(map(card_of, records))


def rows_of(cards: Iterable[Card]) -> list[Row]:
    """The same of cards."""
    found = []
    for card in cards:
        for task, metrics in sorted(card.metrics.items()):
            errors = errors_of(metrics)
            hidden = set(errors.values())
            for metric, value in sorted(metrics.items()):
                if metric not in hidden:
                    error = metrics.get(errors.get(metric, ""))
                    number = error if isinstance(error, int | float) else None
                    found.append(Row(card.job_id, card.model, task, metric, value, number))
    return found


def compare(found: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Jobs side by side: the job ids, and a line a (task, metric) with each job's value.

    With exactly two jobs each line ends with the second value less the first.
    """
    jobs = list(dict.fromkeys(row.job_id for row in found))
    values = {(row.task, row.metric, row.job_id): row.value for row in found}
    lines: list[list[Any]] = []
    for task, metric in dict.fromkeys((row.task, row.metric) for row in found):
        cells = [values.get((task, metric, job)) for job in jobs]
        line: list[Any] = [task, metric, *cells]
        if len(jobs) == 2:
            first, second = cells
            both = isinstance(first, int | float) and isinstance(second, int | float)
            line.append(second - first if both else None)  # type: ignore[operator]
        lines.append(line)
    return jobs, lines


def to_csv(found: Sequence[Row]) -> str:
    """The rows as CSV with a header line."""
    return csv_of(HEADER, [list(row.document().values()) for row in found])


def csv_of(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Lines as CSV under a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()


def to_markdown(found: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [(row.job_id[:8], row.model, row.task, row.metric, number(row.value), number(row.stderr)) for row in found]
    return markdown_of(["job", "model", "task", "metric", "value", "stderr"], lines, 4)


def markdown_of(header: Sequence[str], lines: Iterable[Sequence[Any]], numbers: int = 2) -> str:
    """Lines as a Markdown table, the columns from *numbers* on to the right."""
    rules = ["---"] * numbers + ["---:"] * (len(header) - numbers)
    cells = [header, rules, *lines]
    return "".join("| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in line) + " |\n" for line in cells)


def number(value: Any) -> str:
    """A value for people: four significant decimals, empty for none."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else str(value)
