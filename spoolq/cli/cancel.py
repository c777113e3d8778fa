"""`spoolq cancel`."""

from __future__ import annotations

from spoolq.cli.options import GroupOption, JsonOption, SomeJobs, SpoolOption, allowed, meant, open_spool
from spoolq.transitions import ACTIVE


def command(
    jobs: SomeJobs = None, group: GroupOption = None, spool: SpoolOption = None, json: JsonOption = False
) -> None:
    """Cancel jobs. A queued one ends at once; for a running one it is requested, and `wait` tells when it is done.

    The runner sends the stop signal, waits the grace, then kills all that the job started. When one of the jobs
    cannot be cancelled, none is. Of a group, those that have not ended are meant.

    Example: spoolq cancel last && spoolq wait last

    Example: spoolq cancel --group night
    """
    from spoolq import render

    opened = open_spool(spool)
    named = meant(opened.store, jobs, group, ACTIVE)
    said = [{"job_id": job, "cancel": opened.cancel(job)} for job in allowed(opened.store, named, "cancel")]
    if json:
        render.emit_json(said[0] if len(said) == 1 else said)
        return
    for answer in said:
        render.line(f"{answer['job_id']} {answer['cancel']}")
