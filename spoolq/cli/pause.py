"""`spoolq pause`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_store


def command(
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; `status` shows it.")] = None,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Let runners claim nothing more. What runs goes on, and jobs may still be submitted.

    Example: spoolq pause --reason "driver update"
    """
    from spoolq import control, render

    changed = control.pause(open_store(spool), os.getuid(), reason)
    if json:
        render.emit_json({"paused": True, "changed": changed})
    else:
        render.line("paused" if changed else "already paused")
