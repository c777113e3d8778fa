"""`spoolq submit`: files, JSON lines, flags, or a command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from spoolq.cli import request_flags
from spoolq.cli import submit_options as of
from spoolq.cli.options import JsonOption, SpoolOption, duration, open_store
from spoolq.cli.submit_policy import jobs, labels, level, mebibytes, moment, outcomes, told
from spoolq.cli.submit_policy import limit as time_limit
from spoolq.cli.submit_wish import Checked, Once, Placed, Sourced, Wish, check_all
from spoolq.errors import RequestInvalid, SpoolqError, SpoolUnusable

if TYPE_CHECKING:
    from spoolq.store import Store


# fmt: off
def command(
    ctx: typer.Context, files: of.Files = None, model: of.Model = None, tasks: of.Tasks = None,
    model_args: of.ModelArgs = None, limit: of.Limit = None, num_fewshot: of.NumFewshot = None,
    batch_size: of.BatchSize = None, gen_kwargs: of.GenKwargs = None, set_: of.Set = None, recipe: of.Recipe = None,
    cwd: of.Cwd = None, env: of.Env = None, priority: of.Priority = None, timeout: of.Timeout = None,
    idle_timeout: of.IdleTimeout = None, grace: of.Grace = None, max_attempts: of.MaxAttempts = None,
    retry_on: of.RetryOn = None, backoff: of.Backoff = None, after: of.After = None, not_before: of.NotBefore = None,
    num_gpus: of.NumGpus = None, min_free_memory: of.MinFreeMemory = None, label: of.Label = None,
    group: of.Group = None, unique: of.Unique = False, key: of.Key = None, sweep: of.Sweep = None,
    split_tasks: of.SplitTasks = False, explain: of.Explain = False, spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    # fmt: on
    """Queue jobs; prints a job id a line. Once it has returned, they survive a power cut.

    FILE holds a JSON object: a bare request, or an envelope with `request` and its policy. Several files, or several
    lines on stdin, are queued all or none.

    Example: spoolq submit --model qwen2_5_vl --tasks mme,mmmu_val --limit 8

    Example: spoolq submit --recipe lm-eval --priority high job.json other.json

    Example: spoolq submit --timeout 2h -- python eval.py --seed 1
    """
    policy = told(recipe=recipe, priority=level(priority), timeout=time_limit(timeout, "--timeout"))
    policy |= told(grace=duration(grace, "--grace"), idle_timeout=time_limit(idle_timeout, "--idle-timeout"))
    policy |= told(max_attempts=max_attempts, retry_on=outcomes(retry_on), backoff=duration(backoff, "--backoff"))
    policy |= told(after=jobs(after), not_before=moment(not_before), labels=labels(label), group=group)
    policy |= told(num_gpus=num_gpus, min_free_memory=mebibytes(min_free_memory))
    given = told(model=model, tasks=tasks, model_args=model_args, limit=limit, num_fewshot=num_fewshot)
    given |= told(batch_size=batch_size, gen_kwargs=gen_kwargs, set=set_ or None)
    store = open_store(spool)
    wish = Wish(given, policy, ctx.obj, cwd, env or [], tuple(sweep or ()), split_tasks)
    documents = _documents(files or [], wish)
    found = check_all(store, documents, plain=wish.is_plain)
    if explain:
        _explain(store, found, json)
        return
    _publish(store, found, Once(unique, key), json)


def _documents(files: list[str], wish: Wish) -> list[Sourced]:
    """The documents that the command line means, before they are checked."""
    if sum(map(bool, (files, wish.given, wish.command is not None))) > 1:
        raise typer.BadParameter("give files, flags, or a command after --, not two of them")
    if wish.command is None and (wish.cwd is not None or wish.env):
        raise typer.BadParameter("--cwd and --env are for a command after --; in a file, the request says them")
    if wish.command is None and not files and not wish.given:
        raise typer.BadParameter("nothing to submit: give files, -, --model and --tasks, or -- COMMAND")
    return wish.expanded(_read_files(files, wish.policy) if files else [(None, wish.own())])


def _read_files(files: list[str], policy: dict[str, Any]) -> list[Sourced]:
    documents: list[Sourced] = []
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


def _publish(store: Store, found: list[Checked], once: Once, json: bool) -> None:
    if once.key is not None and len(found) > 1:
        raise typer.BadParameter(f"it is for one job, and these are {len(found)}", param_hint="--key")
    for one in found:
        with request_flags.refusing(one.source):
            request_flags.check_size(one.document)
    placed: list[Placed] = []
    try:
        for one in found:
            placed.append(once.put(store, one))
    except SpoolqError as error:
        if placed:
            _print(store, placed, json)  # they are queued, and nobody else would say so
            cause = str(error).replace("Nothing was queued", "The rest was not queued")
            raise SpoolUnusable(f"cannot submit all, only {len(placed)} of {len(found)}: {cause}") from None
        raise
    _print(store, placed, json)


def _print(store: Store, placed: list[Placed], json: bool) -> None:
    from spoolq import render

    if not json:
        for one in placed:
            render.line(one.uuid)
        if known := sum(not one.new for one in placed):
            render.talk("it is there already" if len(placed) == 1 else f"{known} of these were there already")
        return
    said = [one.document(store) for one in placed]
    render.emit_json(said[0] if len(said) == 1 else said)


def _explain(store: Store, found: list[Checked], json: bool) -> None:
    from spoolq import render
    from spoolq.cli.explain import explain, lines

    said = [explain(store, one.document) for one in found]
    if json:
        render.emit_json(said[0] if len(said) == 1 else said)
        return
    for place, one in enumerate(said):
        if place:
            render.line("")
        for line in lines(one):
            render.line(line)
