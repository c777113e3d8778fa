"""`spoolq init`."""

from __future__ import annotations

from typing import Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, root


def command(
    spool: SpoolOption = None,
    shared: Annotated[
        str | None,
        typer.Option(metavar="GROUP", help="Let this group drop jobs; what runs, runs as the runner's user."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a spool, or mend one that lacks a directory. What it holds stays.

    Example: spoolq init --spool /nfs/evals
    """
    from spoolq import render
    from spoolq.create import create

    path = root(spool)
    made = create(path, shared)
    if json:
        render.emit_json({"spool": str(path), "made": [str(directory) for directory in made], "shared": shared})
        return
    render.line(f"{'made' if made else 'nothing missing in'} {path}")
    render.talk(f"Drop a job:  cp job.json {path}/queued/\nRun:         spoolq run --spool {path}")
