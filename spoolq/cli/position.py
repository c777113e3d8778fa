"""`spoolq position`."""

from __future__ import annotations

from spoolq.cli.options import JobArgument, JsonOption, SpoolOption, open_store


def command(job: JobArgument, spool: SpoolOption = None, json: JsonOption = False) -> None:
    """How many queued jobs are served before this one.

    0 is the next. Exit 4 when it is not queued.

    Example: spoolq position 1b4e28ba
    """
    from spoolq import find, render

    store = open_store(spool)
    entry, place = find.place(store, job)
    if json:
        render.emit_json({"job_id": entry.stem.uuid, "position_in_queue": place})
    else:
        render.line(str(place))
