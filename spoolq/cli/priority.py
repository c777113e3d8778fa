"""`spoolq priority`."""

from __future__ import annotations

from typing import Annotated

import typer

from spoolq.cli.options import JobArgument, JsonOption, SpoolOption, open_spool


def command(
    job: JobArgument,
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="urgent, high, normal or low.")],
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Give a queued job another priority; prints its new position.

    Among the jobs of that priority it keeps the place of its age.

    Example: spoolq priority last urgent
    """
    from spoolq import render
    from spoolq.names import PRIORITIES

    if level not in PRIORITIES:
        raise typer.BadParameter(f"{level!r} is none of {', '.join(PRIORITIES)}", param_hint="LEVEL")
    opened = open_spool(spool)
    job_id = opened.record(job)["job_id"]
    place = opened.prioritise(job_id, level)
    now = opened.record(job_id)["priority"]
    if json:
        render.emit_json({"job_id": job_id, "priority": now, "position_in_queue": place})
    else:
        render.line(str(place))
    if now != level:
        render.talk("spoolq: requested; the operator's `spoolq run` will do it")
