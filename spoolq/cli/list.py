"""`spoolq list`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_spool
from spoolq.transitions import State


def command(
    state: Annotated[
        list[State] | None, typer.Option("--state", metavar="STATE", help="Only jobs of this state. Repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="Only jobs with this label. Repeatable.")
    ] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME", help="Only jobs of this group.")] = None,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """List jobs: running, queued in the order of service, ended.

    Ended ones come last, the newest first.

    Example: spoolq list --state failed --limit 5

    Example: spoolq list --group night --label limit=10
    """
    from spoolq import render
    from spoolq.cli.submit_policy import labels
    from spoolq.status import expected

    opened = open_spool(spool)
    records = expected(opened.store, opened.records(state, limit, labels=labels(label), group=group))
    if json:
        render.emit_json(records)
        return
    _table(records)
    if not records:
        render.talk("no jobs" if state is None or label or group else f"no {' or '.join(state)} jobs")


def _table(records: list[dict[str, Any]]) -> None:
    from spoolq import render

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
        lines.append([record["job_id"][:8], what, outcome, took, _expected(record), record["recipe"] or "", subject])
    header = ["job", "state", "outcome", "took", "expected", "recipe", "what"]
    if not any(line[4] for line in lines):
        header, lines = [*header[:4], *header[5:]], [[*line[:4], *line[5:]] for line in lines]
    render.table(header, lines, right=[3])


def _expected(record: dict[str, Any]) -> str:
    """`starts 14:32`, `ends 15:10`, `overdue`, or nothing."""
    from spoolq import render

    begins = record.get("expected_start")
    if record["status"] != "queued":
        return render.ending(record)
    return f"starts {render.clock_time(begins['p50'])}" if begins else ""
