"""`spoolq submit`: files, JSON lines, flags, or a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spoolq.cli import request_flags
from spoolq.cli.options import JsonOption, SpoolOption, duration, open_store
from spoolq.errors import RequestInvalid

if TYPE_CHECKING:
    from spoolq.store import Store


def command(
    ctx: typer.Context,
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE...|-]", help="Job files; - reads stdin.")] = None,
    model: Annotated[str | None, typer.Option(help="What to evaluate.")] = None,
    tasks: Annotated[str | None, typer.Option(metavar="A,B", help="The benchmarks.")] = None,
    model_args: Annotated[str | None, typer.Option(metavar="K=V,K=V", help="Also as a JSON object.")] = None,
    limit: Annotated[float | None, typer.Option(help="Samples a task; a fraction below 1.")] = None,
    num_fewshot: Annotated[int | None, typer.Option(help="Examples in the prompt.")] = None,
    batch_size: Annotated[str | None, typer.Option(help="A number, or auto.")] = None,
    gen_kwargs: Annotated[str | None, typer.Option(metavar="K=V,K=V", help="For generation.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other field of the request.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="lm-eval, lmms-eval, command, or one of your own.")] = None,
    cwd: Annotated[str | None, typer.Option(metavar="DIR", help="For a command; else where you are.")] = None,
    env: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="For a command.")] = None,
    priority: Annotated[str, typer.Option(metavar="LEVEL", help="urgent, high, normal or low.")] = "normal",
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Limit of one attempt: 90, 2h30m.")] = None,
    grace: Annotated[str | None, typer.Option(metavar="DURATION", help="From the stop signal to SIGKILL.")] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1, max=100, help="Runs in all.")] = None,
    retry_on: Annotated[str | None, typer.Option(metavar="A,B", help="lost, exit, signal, timed_out, ...")] = None,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Queue jobs; prints a job id a line. Once it has returned, they survive a power cut.

    FILE holds a JSON object: a bare request, or an envelope with `request` and its policy. Several files, or several
    lines on stdin, are queued all or none.

    Example: spoolq submit --recipe lm-eval --model hf --model-args pretrained=gpt2 --tasks arc_easy --limit 100

    Example: spoolq submit --timeout 2h -- python eval.py --seed 1
    """
    from spoolq.names import PRIORITIES

    if priority not in PRIORITIES:
        raise typer.BadParameter(f"{priority!r} is none of {', '.join(PRIORITIES)}", param_hint="--priority")
    flags: dict[str, Any] = {
        "model": model,
        "tasks": tasks,
        "model_args": model_args,
        "limit": limit,
        "num_fewshot": num_fewshot,
    }
    flags |= {"batch_size": batch_size, "gen_kwargs": gen_kwargs, "set": set_ or None}
    policy = {
        "recipe": recipe,
        "priority": None if priority == "normal" else priority,
        "timeout": duration(timeout),
        "grace": duration(grace),
        "max_attempts": max_attempts,
        "retry_on": retry_on.split(",") if retry_on else None,
    }
    policy = {key: value for key, value in policy.items() if value is not None}
    given = {key: value for key, value in flags.items() if value is not None}
    store = open_store(spool)
    if ctx.obj is not None:
        if files or given:
            raise typer.BadParameter("give files, flags, or a command after --, not two of them")
        # Well-formed by construction, so it is not checked again: that would import pydantic.
        document = request_flags.of_command(list(ctx.obj), cwd, env or [], policy)
        _publish(store, [(document, priority)], json)
        return
    if files:
        if given:
            raise typer.BadParameter("give files, flags, or a command after --, not two of them")
        documents = _read_files(files, policy)
    elif given:
        documents = [request_flags.of_flags(given, policy)]
    else:
        raise typer.BadParameter("nothing to submit: give files, - , --model and --tasks, or -- COMMAND")
    checked = [(document, request_flags.check(store.settings, document, os.getuid())) for document in documents]
    _publish(store, checked, json)


def _read_files(files: list[str], policy: dict[str, Any]) -> list[dict[str, Any]]:
    documents = []
    for name in files:
        if name == "-":
            documents.extend(request_flags.of_lines(sys.stdin.buffer.read()))
        else:
            documents.append(_read_file(name))
    return [request_flags.with_policy(document, policy) for document in documents]


def _read_file(name: str) -> dict[str, Any]:
    from spoolq.documents import parse_object

    try:
        return parse_object(Path(name).read_bytes(), name)
    except OSError as error:
        raise RequestInvalid(f"cannot read {name}: {error.strerror}. Give the path of a job file, or - .") from None
    except RequestInvalid as error:
        raise RequestInvalid(f"cannot submit {name}: {error}. Nothing was queued.", error.field) from None


def _publish(store: Store, documents: list[tuple[dict[str, Any], str]], json: bool) -> None:
    from spoolq import render
    from spoolq.submit import publish

    stems = [publish(store, document, level) for document, level in documents]
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
