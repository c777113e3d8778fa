"""`spoolq results`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_store

if TYPE_CHECKING:
    from spoolq.results import Row


class Form(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    CSV = "csv"
    MD = "md"
    JSON = "json"


def command(
    jobs: Annotated[list[str] | None, typer.Argument(metavar="[JOB...]", help="Else every completed job.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Jobs side by side; two also get the difference.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How to print them.")] = Form.TABLE,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """The scores of completed jobs.

    A pipe or a file gets whole lines; on a terminal they are cut to fit.

    Example: spoolq results --compare 1b4e28ba 9c1d22aa
    """
    from spoolq import render, results

    if compare and form in (Form.CSV, Form.MD):
        raise typer.BadParameter("--compare prints a table, or JSON", param_hint="--format")
    records = results.completed(open_store(spool), jobs or [])
    found = results.rows(records)
    if not json and form in (Form.CSV, Form.MD):
        found = [_harmless(row) for row in found]
    if json or form is Form.JSON:
        render.emit_json(_compared(found) if compare else [asdict(row) for row in found])
    elif form is Form.CSV:
        render.line(results.to_csv(found).rstrip("\n"))
    elif form is Form.MD:
        render.line(results.to_markdown(found).rstrip("\n"))
    elif compare:
        ids, lines = results.compare(found)
        header = ["task", "metric", *(job[:8] for job in ids), *(["difference"] if len(ids) == 2 else [])]
        cells = [[line[0], line[1], *(results.number(value) for value in line[2:])] for line in lines]
        render.table(header, cells, right=range(2, len(header)), flexible=0)
    else:
        cells = [
            [row.job_id[:8], row.model, row.task, row.metric, results.number(row.value), results.number(row.stderr)]
            for row in found
        ]
        render.table(["job", "model", "task", "metric", "value", "stderr"], cells, right=[4, 5], flexible=1)
    if form is Form.TABLE and not json:
        _without(records)


def _harmless(row: Row) -> Row:
    from spoolq.render import safe

    value = safe(row.value) if isinstance(row.value, str) else row.value
    return replace(row, model=safe(row.model), task=safe(row.task), metric=safe(row.metric), value=value)


def _compared(found: Sequence[Row]) -> list[dict[str, Any]]:
    from spoolq import results

    ids, lines = results.compare(found)
    documents = []
    for task, metric, *values in lines:
        document = {"task": task, "metric": metric, "values": dict(zip(ids, values, strict=False))}
        documents.append({**document, "difference": values[2]} if len(ids) == 2 else document)
    return documents


def _without(records: Sequence[dict[str, Any]]) -> None:
    """Say which jobs have no line, and why a table may be empty."""
    from spoolq import render

    ids = [record["job_id"][:8] for record in records if not record["metrics"]]
    if ids:
        shown = ", ".join(ids[:4]) + (", …" if len(ids) > 4 else "")
        render.talk(f"{len(ids)} {'job' if len(ids) == 1 else 'jobs'} without scores: {shown} (spoolq show JOB)")
    elif not records:
        render.talk("no completed jobs")
