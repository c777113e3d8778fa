"""The options of `spoolq results`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    CSV = "csv"
    MD = "md"
    JSON = "json"


class Lines(StrEnum):
    """What `--rows` takes."""

    SCORES = "scores"
    JOBS = "jobs"
    TASKS = "tasks"


Jobs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[compare] [JOB...]", help="Else every completed job; after `compare`, side by side."),
]
Compare = Annotated[bool, typer.Option("--compare", help="Jobs side by side; two also get the difference.")]
Rows = Annotated[Lines, typer.Option("--rows", help="What a line of the table is; * is the best.")]
Label = Annotated[list[str] | None, typer.Option("--label", metavar="K=V", help="Only with this label.")]
Group = Annotated[str | None, typer.Option("--group", metavar="NAME", help="Only jobs of this group.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only this model, or pattern.")]
Task = Annotated[str | None, typer.Option("--task", metavar="NAME", help="Only this task, or pattern: 'mmlu_*'.")]
Recipe = Annotated[str | None, typer.Option("--recipe", metavar="NAME", help="Only jobs of this recipe.")]
Since = Annotated[str | None, typer.Option("--since", metavar="WHEN", help="Ended since: an age (7d) or a date.")]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Ended until then.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the N newest of them.")]
Format = Annotated[Form, typer.Option("--format", help="How to print them.")]
Csv = Annotated[bool, typer.Option("--csv", help="The same as --format csv.")]
Md = Annotated[bool, typer.Option("--md", help="The same as --format md.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw them as bars into FILE.svg or .png (extra `plot`).")
]
Trend = Annotated[bool, typer.Option("--trend", help="With --plot: over time, in place of bars.")]
