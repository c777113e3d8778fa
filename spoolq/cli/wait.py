"""`spoolq wait`."""

from __future__ import annotations

from typing import Annotated

import typer

from spoolq.cli.options import GroupOption, JsonOption, SomeJobs, SpoolOption, duration, meant, open_store
from spoolq.errors import EXIT_JOB_FAILED
from spoolq.transitions import State


def command(
    jobs: SomeJobs = None,
    group: GroupOption = None,
    any_one: Annotated[bool, typer.Option("--any/--all", help="Until one has ended, or all (the default).")] = False,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Give up after this long (exit 75).")] = None,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Wait until jobs have ended: exit 0 when they completed, else 1.

    Example: spoolq wait --timeout 8h last

    Example: spoolq wait --group night
    """
    from spoolq import render
    from spoolq.waiting import wait

    store = open_store(spool)
    named = meant(store, jobs, group, State)
    records = wait(store, named, timeout=duration(timeout, "--timeout"), any_one=any_one)
    if json:
        render.emit_json(records[0] if jobs and len(named) == 1 else records)
    else:
        for record in records:
            render.line(f"{record['job_id']} {record['status']}")
    if any(record["status"] != "completed" for record in records):
        raise typer.Exit(EXIT_JOB_FAILED)
