"""`spoolq resume`."""

from __future__ import annotations

from spoolq.cli.options import JsonOption, SpoolOption, open_store


def command(spool: SpoolOption = None, json: JsonOption = False) -> None:
    """Let runners claim again after `pause`.

    Example: spoolq resume
    """
    from spoolq import control, render

    changed = control.resume(open_store(spool))
    if json:
        render.emit_json({"paused": False, "changed": changed})
    else:
        render.line("resumed" if changed else "was not paused")
