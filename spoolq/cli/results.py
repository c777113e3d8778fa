"""`spoolq results`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_store


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

    Example: spoolq results --compare 1b4e28ba 9c1d22aa
    """
    from spoolq import render, results

    records = results.completed(open_store(spool), jobs or [])
    found = results.rows(records)
    if json or form is Form.JSON:
        render.emit_json([asdict(row) for row in found])
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
        without = sum(1 for record in records if not record["metrics"])
        if without:
            render.talk(f"without metrics: {without} (spoolq show JOB)")
