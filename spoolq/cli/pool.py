"""`spoolq pool`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption


class Action(StrEnum):
    """What is done to a pool."""

    ADD = "add"
    LIST = "list"
    LOAD = "load"
    ACQUIRE = "acquire"
    HEARTBEAT = "heartbeat"
    RELEASE = "release"
    DRAIN = "drain"
    REMOVE = "remove"


_LEASES = (Action.ACQUIRE, Action.HEARTBEAT, Action.RELEASE)
#: Which of the options go with which actions; the others are a slip.
_OF = {
    "--jobs": (Action.LOAD,),
    "--wait": (Action.ACQUIRE,),
    "--worker": _LEASES,
    "--job": _LEASES,
    "--index": (Action.RELEASE, Action.REMOVE),
    "--off": (Action.DRAIN,),
}


_Action = Annotated[
    Action, typer.Argument(metavar="ACTION", help="add, list, load, acquire, heartbeat, release, drain or remove.")
]
_Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TYPE] [RESOURCE...]", help="A type; resources as host:port or JSON; a file."),
]
_Jobs = Annotated[Path | None, typer.Option("--jobs", metavar="FILE", help="load: the jobs.json beside it.")]
_Wait = Annotated[
    str | None, typer.Option("--wait", metavar="DURATION", help="acquire: wait no longer; 0: not at all.")
]
_Worker = Annotated[
    str | None, typer.Option("--worker", metavar="ID", help="Whose lease; else $SPOOLQ_WORKER, else user@host.")
]
_Job = Annotated[str | None, typer.Option("--job", metavar="ID", help="For which job; else $SPOOLQ_JOB, else none.")]
_Index = Annotated[int | None, typer.Option("--index", min=0, metavar="N", help="release, remove: only that one.")]
_Off = Annotated[bool, typer.Option("--off", help="drain: allow new leases again.")]


def command(
    action: _Action, words: _Words = None, jobs: _Jobs = None, wait: _Wait = None, worker: _Worker = None,
    job: _Job = None, index: _Index = None, off: _Off = False, spool: SpoolOption = None, json: JsonOption = False,
) -> None:  # fmt: skip
    """Resources that remote workers share: stock and lease them. A TYPE is what a job's resource_type says.

    \b
    add TYPE RESOURCE...    each `host:port`, or a JSON object
    list [TYPE]             what there is, and who has it
    load RESOURCES.json     with --jobs JOBS.json: the files of an eval-jobqueue
    acquire TYPE            lease the first that is free, once one is
    heartbeat TYPE          keep what this worker has for this job
    release TYPE            give it back
    drain TYPE              no new leases; with --off, again
    remove TYPE             all that is free, or one with --index

    `load` takes the files as they are, and adds nothing twice. `acquire` prints HOST PORT, or the JSON of a resource
    that has not both. A lease that is not heard of for resource_heartbeat_timeout (20m) is free again.

    Inside `spoolq worker` (SPOOLQ_URL, SPOOLQ_WORKER and SPOOLQ_JOB are set) leases are had from its server, otherwise
    from the spool's disk.

    Example: spoolq pool add a_1 gpu-07:5000 gpu-08:5000

    Example: spoolq pool load resources.json --jobs jobs.json

    Example: spoolq pool acquire a_1 --wait 10m
    """
    given = {"--jobs": jobs, "--wait": wait, "--worker": worker, "--job": job, "--index": index, "--off": off or None}
    rest = _words(action, words or [], [option for option, value in given.items() if value is not None])
    if action in _LEASES:
        from spoolq.cli import pool_leases

        pool_leases.run(action, rest[0], wait=wait, worker=worker, job=job, index=index, spool=spool, as_json=json)
    else:
        from spoolq.cli import pool_stock

        pool_stock.run(action, rest, jobs=jobs, index=index, off=off, spool=spool, as_json=json)


def _words(action: Action, words: list[str], options: list[str]) -> list[str]:
    """What stands behind the action; a usage error when it, or an option, does not go with that."""
    for option in options:
        if action not in _OF[option]:
            raise typer.BadParameter(f"is for `pool {' and '.join(_OF[option])}`", param_hint=option)
    least, most, what = {
        Action.ADD: (2, None, "a TYPE and resources"),
        Action.LIST: (0, 1, "at most one TYPE"),
        Action.LOAD: (1, 1, "one file RESOURCES.json"),
    }.get(action, (1, 1, "one TYPE"))
    if len(words) < least or (most is not None and len(words) > most):
        raise typer.BadParameter(f"`pool {action}` takes {what}", param_hint="[TYPE] [RESOURCE...]")
    return words
