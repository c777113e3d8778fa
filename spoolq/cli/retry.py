"""`spoolq retry`."""

from __future__ import annotations

from spoolq.cli.options import JobsArgument, JsonOption, SpoolOption, allowed, open_spool


def command(jobs: JobsArgument, spool: SpoolOption = None, json: JsonOption = False) -> None:
    """Put failed or cancelled jobs back into the queue.

    Each in its old place, with its attempts counted anew. When one of the jobs cannot be retried, none is.

    Example: spoolq retry 1b4e28ba
    """
    from spoolq import render

    opened = open_spool(spool)
    said = [{"job_id": job, "retry": opened.retry(job)} for job in allowed(opened.store, jobs, "retry")]
    if json:
        render.emit_json(said[0] if len(said) == 1 else said)
        return
    for answer in said:
        render.line(f"{answer['job_id']} {answer['retry']}")
