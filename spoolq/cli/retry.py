"""`spoolq retry`."""

from __future__ import annotations

from spoolq.cli.options import JobsArgument, JsonOption, SpoolOption, open_spool


def command(jobs: JobsArgument, spool: SpoolOption = None, json: JsonOption = False) -> None:
    """Put failed or cancelled jobs back into the queue, each in its old place, with its attempts counted anew.

    Example: spoolq retry 1b4e28ba
    """
    from spoolq import render

    opened = open_spool(spool)
    records = [opened.record(opened.retry(job).job_id) for job in jobs]
    if json:
        render.emit_json(records[0] if len(records) == 1 else records)
        return
    for record in records:
        render.line(f"{record['job_id']} {record['status']}")
