"""`spoolq worker`: remote workers of the eval-jobqueue kind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from spoolq.cli.options import duration
from spoolq.errors import SettingsInvalid

_Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The server; else $SPOOLQ_URL, else $JOB_QUEUE_URL.")
]
_Name = Annotated[
    str | None,
    typer.Option("--worker", metavar="ID", help="A name, to which digits are added; else user and host or Slurm job."),
]
_TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="The server's token; else $SPOOLQ_TOKEN_FILE.")
]
_Once = Annotated[bool, typer.Option("--once/--loop", help="Take one job and end; or one after another.")]
_Wait = Annotated[
    str | None,
    typer.Option(
        "--wait", metavar="DURATION", help="End after so long without a job; else for ever, or 0 with --once."
    ),
]
_Lanes = Annotated[int, typer.Option("--jobs", min=1, max=256, metavar="N", help="So many at once.")]
_Heartbeat = Annotated[str, typer.Option("--heartbeat", metavar="DURATION", help="Between two heartbeats.")]
_Grace = Annotated[str, typer.Option("--grace", metavar="DURATION", help="From SIGTERM to SIGKILL for a command.")]


def command(
    ctx: typer.Context, url: _Url = None, worker: _Name = None, token_file: _TokenFile = None, once: _Once = False,
    wait: _Wait = None, jobs: _Lanes = 1, heartbeat: _Heartbeat = "30s", grace: _Grace = "10s",
) -> None:  # fmt: skip
    """Take jobs with a resource_type from a server, and run a command for each. Needs no spool.

    The command finds its job in $SPOOLQ_PAYLOAD (a JSON file) and $SPOOLQ_JOB, and gets its resource by
    `spoolq pool acquire $SPOOLQ_RESOURCE_TYPE` when it has loaded. Exit 0 is done, all else is failed. SIGTERM or
    Ctrl-C: finish the job in hand; a second one stops it.

    Exit codes: 1 when the command cannot be started or, with --once, the job was not done; 75 when the server could not
    be reached, or a job was stopped.

    Example: spoolq worker --url http://head:8000 -- python evaluate.py

    Example: spoolq worker --url http://head:8000 --once -- python evaluate.py
    """
    from spoolq.worker.job import Command
    from spoolq.worker.program import Options, Worker, default_name

    argv: list[str] = list(ctx.obj or ())
    if not argv:
        raise typer.BadParameter("nothing to run: give a command after --")
    if shutil.which(argv[0]) is None:
        raise typer.BadParameter(f"there is no program {argv[0]!r}, and a job taken would fail for that")
    file = _token_file(token_file)
    beat, limit = duration(heartbeat, "--heartbeat"), duration(wait, "--wait")
    if not beat:
        raise typer.BadParameter("it must be more than 0 s", param_hint="--heartbeat")
    options = Options(
        url=_address(url),
        name=worker or default_name(),
        command=Command(argv, duration(grace, "--grace") or 0.0, str(file.absolute()) if file else None),
        once=once,
        wait=0.0 if once and limit is None else limit,
        heartbeat=beat,
        lanes=jobs,
        token=_token(file) if file else None,
    )
    raise typer.Exit(Worker(options).run())


def _address(url: str | None) -> str:
    address = url or os.environ.get("SPOOLQ_URL") or os.environ.get("JOB_QUEUE_URL") or ""
    if not address.startswith(("http://", "https://")):
        raise typer.BadParameter("say where the server is, as http://host:8000", param_hint="--url")
    return address


def _token_file(given: Path | None) -> Path | None:
    said = os.environ.get("SPOOLQ_TOKEN_FILE")
    return given or (Path(said) if said else None)


def _token(file: Path) -> str:
    try:
        return (file.read_text(encoding="utf-8").splitlines() or [""])[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsInvalid(f"cannot read token file {file}: {cause}. Name one that this user can read.") from None
