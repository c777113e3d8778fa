"""`spoolq cancel`."""

from __future__ import annotations

from spoolq.cli.options import JobsArgument, JsonOption, SpoolOption, allowed, open_spool


def command(jobs: JobsArgument, spool: SpoolOption = None, json: JsonOption = False) -> None:
    """Cancel jobs. A queued one ends at once; for a running one it is requested, and `wait` tells when it is done.

    The runner sends the stop signal, waits the grace, then kills all that the job started. When one of the jobs
    cannot be cancelled, none is.

    Example: spoolq cancel last && spoolq wait last
    """
    from spoolq import render

    opened = open_spool(spool)
    said = [{"job_id": job, "cancel": opened.cancel(job)} for job in allowed(opened.store, jobs, "cancel")]
    if json:
        render.emit_json(said[0] if len(said) == 1 else said)
        return
    for answer in said:
        render.line(f"{answer['job_id']} {answer['cancel']}")
