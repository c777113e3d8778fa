"""Options that many verbs share, and how a verb opens its spool."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spoolq.durations import parse_duration

if TYPE_CHECKING:
    from spoolq.api import Spool
    from spoolq.store import Store
    from spoolq.transitions import State

#: Where the spool is when nobody says.
DEFAULT_SPOOL = "spool"

SpoolOption = Annotated[
    Path | None,
    typer.Option("--spool", metavar="DIR", readable=False, help="The spool; else $SPOOLQ_SPOOL, else ./spool."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; talk goes to stderr.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="An id, the beginning of one, `last`, or a file name.")]
JobsArgument = Annotated[
    list[str], typer.Argument(metavar="JOB...", help="Ids, beginnings of them, `last`, or file names.")
]
SomeJobs = Annotated[
    list[str] | None, typer.Argument(metavar="[JOB...]", help="Ids, beginnings of them, `last`, or file names.")
]
GroupOption = Annotated[str | None, typer.Option("--group", metavar="NAME", help="All jobs of this group, too.")]


def root(spool: Path | None) -> Path:
    """The spool's directory: the option, the environment, ./spool."""
    return spool or Path(os.environ.get("SPOOLQ_SPOOL") or DEFAULT_SPOOL)


def open_store(spool: Path | None) -> Store:
    """The spool for verbs that start often: no pydantic."""
    from spoolq.store import Store

    return Store(root(spool))


def open_spool(spool: Path | None) -> Spool:
    """The spool as the Python API has it."""
    from spoolq.api import Spool

    return Spool(root(spool))


def allowed(store: Store, jobs: list[str], move: str) -> list[str]:
    """The ids of *jobs*, each once, when every one exists and its state allows *move*: one that does not stops all."""
    from spoolq.find import find
    from spoolq.transitions import check

    entries = [find(store, job) for job in jobs]
    for entry in entries:
        check(move, entry.stem.uuid, entry.state)
    return list(dict.fromkeys(entry.stem.uuid for entry in entries))


def meant(store: Store, jobs: list[str] | None, group: str | None, states: Iterable[State]) -> list[str]:
    """*jobs*, and the ids of those of *group* that are in *states*; a usage error when there is neither."""
    if not jobs and group is None:
        raise typer.BadParameter("name jobs, or a group with --group", param_hint="JOB")
    if group is None:
        return jobs or []
    from spoolq.chosen import members

    return [*(jobs or []), *(entry.stem.uuid for entry in members(store, group, states))]


def duration(value: str | None, option: str) -> float | None:
    """Seconds of a duration given as *option*; a usage error (exit 2) when it is none."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
