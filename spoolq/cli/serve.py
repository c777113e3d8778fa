"""`spoolq serve`: the HTTP face of a spool."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from spoolq.cli.options import SpoolOption, open_store
from spoolq.errors import EXIT_TRY_AGAIN, NotAllowed, SettingsInvalid, SpoolqError

_Host = Annotated[str | None, typer.Option("--host", metavar="HOST", help="Listen here; 127.0.0.1 by default.")]
_Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="8000 by default; 0: any that is free.")]
_TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="Its first line is the token that callers need.")
]
_Most = Annotated[
    int | None,
    typer.Option(
        "--max-completed-jobs", min=1, metavar="N", help="Find no more ended jobs than these, lmms-eval's way."
    ),
]
_Prune = Annotated[bool, typer.Option("--prune", help="Remove the ended jobs beyond those from the disk, too.")]


class AddressInUse(SpoolqError):
    """Somebody else listens there."""

    exit_code = EXIT_TRY_AGAIN


def command(
    spool: SpoolOption = None, host: _Host = None, port: _Port = None, token_file: _TokenFile = None,
    max_completed_jobs: _Most = None, prune: _Prune = False,
) -> None:  # fmt: skip
    """Serve the spool over HTTP: a page, lmms-eval's routes, eval-jobqueue's, and an API of its own.

    Listens on this host only; elsewhere it refuses to start without a token. Needs the extra: pip install
    'spoolq[server]'. It runs nothing: for that there is `spoolq run`. Kill it when you like.

    Example: spoolq serve --port 8000

    Example: spoolq serve --host 0.0.0.0 --token-file /etc/spoolq/token
    """
    store = open_store(spool)
    told = {"host": host, "port": port, "token_file": str(token_file) if token_file else None}
    told |= {"max_completed_jobs": max_completed_jobs}
    given: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    options = dataclasses.replace(store.settings.server, **given)
    if prune and options.max_completed_jobs is None:
        raise typer.BadParameter("it needs --max-completed-jobs N: how many are kept", param_hint="--prune")
    try:
        from spoolq.server import listen
    except ModuleNotFoundError as error:
        raise SettingsInvalid(
            f"cannot serve: {error.name} is not installed. Install the extra: pip install 'spoolq[server]'."
        ) from None
    try:
        listen.serve(store, options, prune=prune)
    except listen.NotHere as error:
        raise NotAllowed(str(error)) from None
    except listen.Taken as error:
        raise AddressInUse(str(error)) from None
