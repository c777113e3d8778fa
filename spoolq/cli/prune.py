"""`spoolq prune`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, duration, open_store
from spoolq.transitions import TERMINAL, State

if TYPE_CHECKING:
    from spoolq.prune import Pruned


def command(
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Only jobs that ended longer ago: 30d.")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=0, metavar="N", help="Spare this many of the newest.")] = None,
    state: Annotated[
        list[State] | None, typer.Option("--state", metavar="STATE", help="completed, failed or cancelled. Repeatable.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every ended job, if neither limit is given.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Remove ended jobs with their logs and outputs; prints them.

    Safe in cron beside a running queue. Queued and running jobs are never touched. With both limits, a job goes only
    when it is past both.

    Example: spoolq prune --older-than 30d --keep 100 --state failed --dry-run
    """
    from spoolq import render
    from spoolq.prune import prune

    if older_than is None and keep is None and not all_:
        raise typer.BadParameter("say which: --older-than DURATION, --keep N, or --all")
    chosen = state or list(TERMINAL)
    for one in chosen:
        if one not in TERMINAL:
            raise typer.BadParameter(f"{one.value} jobs are never pruned", param_hint="--state")
    report = prune(
        open_store(spool), older_than=duration(older_than, "--older-than"), keep=keep, states=chosen, dry_run=dry_run
    )
    if json:
        render.emit_json({"dry_run": dry_run, **asdict(report)})
    else:
        _print(report, "would remove" if dry_run else "removed")


def _print(report: Pruned, verb: str) -> None:
    from spoolq import render

    for name, ids in report.jobs.items():
        for job in ids:
            render.line(f"{verb} {name} {job}")
    for key in report.orphans:
        render.line(f"{verb} run folder without a job {key}")
    count = sum(len(ids) for ids in report.jobs.values())
    noun = "job" if count == 1 else "jobs"
    render.line(f"{verb} {count} {noun}, {_size(report.bytes)}; kept {report.kept}")


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
