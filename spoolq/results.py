"""Results: the metrics in the records of completed jobs, as rows, side by side, and as CSV, Markdown or JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spoolq.find import entries, find
from spoolq.jobs import describe
from spoolq.plain import one_line
from spoolq.store import Store
from spoolq.transitions import State

_STDERR = re.compile(r"(?P<metric>.+)_stderr(?P<filter>,.*)?")


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one task of one job; `stderr` is the metric's standard error, where the harness gave it."""

    job_id: str
    model: str
    task: str
    metric: str
    value: float | str | None
    stderr: float | None = None


def completed(store: Store, jobs: Sequence[str]) -> list[dict[str, Any]]:
    """The records of *jobs*, or of every completed job, oldest first; raises JobNotFound, JobAmbiguous."""
    found = [find(store, job) for job in jobs] if jobs else entries(store, [State.COMPLETED])
    return [record for entry in found if (record := describe(store, entry))]


def rows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """A row a metric, in the order of the records; a `*_stderr` metric becomes the `stderr` of its own."""
    found = []
    for record in records:
        for task, metrics in sorted((record.get("metrics") or {}).items()):
            errors = {key: value for key, value in metrics.items() if _STDERR.fullmatch(key)}
            for metric, value in sorted(metrics.items()):
                if metric not in errors:
                    name, _, kind = metric.partition(",")
                    error = errors.get(f"{name}_stderr{',' + kind if kind else ''}")
                    number = error if isinstance(error, int | float) else None
                    found.append(Row(record["job_id"], model_of(record), task, metric, value, number))
    return found


def model_of(record: Mapping[str, Any]) -> str:
    """What was evaluated, in a few words: the model and what tells it from others, or the command."""
    request = record.get("request") or {}
    arguments = request.get("model_args")
    if isinstance(arguments, Mapping):
        named = next((str(arguments[key]) for key in ("pretrained", "model", "path") if key in arguments), None)
        if named:
            return named
    if request.get("model"):
        return str(request["model"])
    command = request.get("command")
    if not isinstance(command, list) or not command:
        return ""
    program, *rest = map(str, command)
    return " ".join([program.rpartition("/")[2] or program, *rest])


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
    out = io.StringIO()
    writer = csv.DictWriter(out, ["job_id", "model", "task", "metric", "value", "stderr"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in found)
    return out.getvalue()


def to_markdown(found: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| job | model | task | metric | value | stderr |", "| --- | --- | --- | --- | ---: | ---: |"]
    for row in found:
        cells = (row.job_id[:8], row.model, row.task, row.metric, number(row.value), number(row.stderr))
        lines.append("| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def number(value: Any) -> str:
    """A value for people: four significant decimals, empty for none."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else str(value)
