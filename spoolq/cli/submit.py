"""`spoolq submit`: files, JSON lines, flags, or a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from spoolq.cli import request_flags
from spoolq.cli import submit_options as of
from spoolq.cli.options import JsonOption, SpoolOption, duration, open_store
from spoolq.errors import RequestInvalid, SpoolUnusable

if TYPE_CHECKING:
    from spoolq.names import Stem
    from spoolq.store import Store

#: A document, and what to call where it came from: a file, a line; None for the flags and a command.
_Sourced = tuple[str | None, dict[str, Any]]


# fmt: off
def command(
    ctx: typer.Context, files: of.Files = None, model: of.Model = None, tasks: of.Tasks = None,
    model_args: of.ModelArgs = None, limit: of.Limit = None, num_fewshot: of.NumFewshot = None,
    batch_size: of.BatchSize = None, gen_kwargs: of.GenKwargs = None, set_: of.Set = None, recipe: of.Recipe = None,
    cwd: of.Cwd = None, env: of.Env = None, priority: of.Priority = None, timeout: of.Timeout = None,
    grace: of.Grace = None, max_attempts: of.MaxAttempts = None, retry_on: of.RetryOn = None,
    spool: SpoolOption = None, json: JsonOption = False,
) -> None:
    # fmt: on
    """Queue jobs; prints a job id a line. Once it has returned, they survive a power cut.

    FILE holds a JSON object: a bare request, or an envelope with `request` and its policy. Several files, or several
    lines on stdin, are queued all or none.

    Example: spoolq submit --model qwen2_5_vl --tasks mme,mmmu_val --limit 8

    Example: spoolq submit --recipe lm-eval --priority high job.json other.json

    Example: spoolq submit --timeout 2h -- python eval.py --seed 1
    """
    policy = _told(recipe=recipe, priority=_level(priority), timeout=_limit(timeout), grace=duration(grace, "--grace"))
    policy |= _told(max_attempts=max_attempts, retry_on=_outcomes(retry_on))
    given = _told(model=model, tasks=tasks, model_args=model_args, limit=limit, num_fewshot=num_fewshot)
    given |= _told(batch_size=batch_size, gen_kwargs=gen_kwargs, set=set_ or None)
    store = open_store(spool)
    if sum(map(bool, (files, given, ctx.obj is not None))) > 1:
        raise typer.BadParameter("give files, flags, or a command after --, not two of them")
    if ctx.obj is None and (cwd is not None or env):
        raise typer.BadParameter("--cwd and --env are for a command after --; in a file, the request says them")
    if ctx.obj is None:
        _submit_requests(store, files or [], given, policy, json)
        return
    # Well-formed by construction, so no recipe checks it: that would import pydantic.
    with request_flags.refusing():
        envelope = request_flags.of_command(list(ctx.obj), cwd, env or [], policy)
    _publish(store, [(None, envelope)], [priority or "normal"], json)


def _told(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _submit_requests(
    store: Store, files: list[str], given: dict[str, Any], policy: dict[str, Any], json: bool
) -> None:
    if not files and not given:
        raise typer.BadParameter("nothing to submit: give files, -, --model and --tasks, or -- COMMAND")
    documents: list[_Sourced] = _read_files(files, policy) if files else [(None, _of_flags(given, policy))]
    priorities = []
    for source, document in documents:
        with request_flags.refusing(source):
            priorities.append(request_flags.check(store.settings, document, os.getuid()))
    _publish(store, documents, priorities, json)


def _level(priority: str | None) -> str | None:
    from spoolq.names import PRIORITIES

    if priority is not None and priority not in PRIORITIES:
        raise typer.BadParameter(f"{priority!r} is none of {', '.join(PRIORITIES)}", param_hint="--priority")
    return priority


def _of_flags(given: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    with request_flags.refusing():
        return request_flags.of_flags(given, policy)


def _limit(timeout: str | None) -> float | None:
    seconds = duration(timeout, "--timeout")
    if seconds == 0:
        raise typer.BadParameter(
            "a time limit is more than 0 s; without the option there is none", param_hint="--timeout"
        )
    return seconds


def _outcomes(retry_on: str | None) -> list[str] | None:
    if retry_on is None:
        return None
    try:
        return request_flags.outcomes(retry_on)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--retry-on") from None


def _read_files(files: list[str], policy: dict[str, Any]) -> list[_Sourced]:
    documents: list[_Sourced] = []
    for name in files:
        if name == "-":
            documents.extend(request_flags.of_lines(sys.stdin.buffer.read()))
        else:
            documents.append((name, _read_file(name)))
    return [(source, request_flags.with_policy(document, policy)) for source, document in documents]


def _read_file(name: str) -> dict[str, Any]:
    from spoolq.documents import MAX_BYTES, parse_object

    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        cause = error.strerror or error
        raise RequestInvalid(
            f"cannot submit {name}: {cause}. Nothing was queued; give the path of a job file, or -."
        ) from None
    with request_flags.refusing(name):
        return parse_object(data, "it")


def _publish(store: Store, documents: list[_Sourced], priorities: list[str], json: bool) -> None:
    from spoolq.submit import publish

    for source, document in documents:
        with request_flags.refusing(source):
            request_flags.check_size(document)
    stems: list[Stem] = []
    try:
        for (_, document), level in zip(documents, priorities, strict=True):
            stems.append(publish(store, document, level))
    except SpoolUnusable as error:
        if stems:
            _print(store, stems, json)  # they are queued, and nobody else would say so
            cause = str(error).replace("Nothing was queued", "The rest was not queued")
            raise SpoolUnusable(f"cannot submit all, only {len(stems)} of {len(documents)}: {cause}") from None
        raise
    _print(store, stems, json)


def _print(store: Store, stems: list[Stem], json: bool) -> None:
    from spoolq import render

    if not json:
        for stem in stems:
            render.line(stem.uuid)
        return
    from spoolq.find import count_before

    said = [
        {
            "job_id": stem.uuid,
            "position_in_queue": count_before(store, f"{stem}.json"),
            "path": str(store.layout.queued(stem)),
        }
        for stem in stems
    ]
    render.emit_json(said[0] if len(said) == 1 else said)
