"""`spoolq list`."""

from __future__ import annotations

from typing import Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_spool
from spoolq.transitions import State


def command(
    state: Annotated[
        list[State] | None, typer.Option("--state", metavar="STATE", help="Only jobs of this state. Repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """List jobs: running, queued in the order of service, ended.

    Ended ones come last, the newest first.

    Example: spoolq list --state failed --limit 5
    """
    from spoolq import render

    records = open_spool(spool).records(state, limit)
    if json:
        render.emit_json(list(records))
        return
    lines = []
    for record in records:
        if record["completed_at"] and record["started_at"]:
            took = render.age(record["started_at"], record["completed_at"])
        else:
            took = render.age(record["started_at"]) if record["status"] == "running" else ""
        position = record["position_in_queue"]
        what = f"{record['status']} {position}" if position is not None else record["status"]
        outcome = record["outcome"] if record["outcome"] not in (None, "succeeded", "cancelled") else ""
        subject = render.subject(record) or record["error"] or ""
        lines.append([record["job_id"][:8], what, outcome, took, record["recipe"] or "", subject])
    render.table(["job", "state", "outcome", "took", "recipe", "what"], lines, right=[3])
    if not lines:
        render.talk("no jobs" if state is None else f"no {' or '.join(state)} jobs")
