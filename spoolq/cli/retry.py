"""`spoolq retry`."""

from __future__ import annotations

from spoolq.cli.options import JobsArgument, JsonOption, SpoolOption, open_spool


def command(jobs: JobsArgument, spool: SpoolOption = None, json: JsonOption = False) -> None:
    """Put failed or cancelled jobs back into the queue, each in its old place, with its attempts counted anew.

    Example: spoolq retry 1b4e28ba
    """
    from spoolq import render

    opened = open_spool(spool)
    said = [{"job_id": opened.record(job)["job_id"], "retry": opened.retry(job)} for job in jobs]
    if json:
        render.emit_json(said[0] if len(said) == 1 else said)
        return
    for answer in said:
        render.line(f"{answer['job_id']} {answer['retry']}")
