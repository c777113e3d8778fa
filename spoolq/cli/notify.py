"""`spoolq notify`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_store
from spoolq.errors import EXIT_JOB_FAILED

if TYPE_CHECKING:
    from spoolq.notify.hooks import Hook
    from spoolq.store import Store


class Action(StrEnum):
    """What is done with hooks."""

    LIST = "list"
    TEST = "test"


def command(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="list or test.")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="test: the hook.")] = None,
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="test: what to tell it of; else a job that has ended.")
    ] = None,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """List the hooks of spoolq.toml, or try one.

    A hook that is tried is really run, now and here, and as the user who types this; its subject says that it is a
    test. Exit 1 when it fails.

    Example: spoolq notify list

    Example: spoolq notify test mail
    """
    from spoolq.notify.hooks import read_hooks

    store = open_store(spool)
    hooks = read_hooks(store.settings)
    if action is Action.LIST:
        if name is not None:
            raise typer.BadParameter("`notify list` takes nothing", param_hint="[NAME]")
        _list(hooks, json)
        return
    found = next((hook for hook in hooks if hook.name == name), None)
    if found is None:
        known = ", ".join(hook.name for hook in hooks) or "none"
        what = "`notify test` takes the NAME of a hook" if name is None else f"there is no hook {name!r}"
        raise typer.BadParameter(f"{what}; spoolq.toml has {known}", param_hint="[NAME]")
    _test(store, found, job, json)


def _list(hooks: list[Hook], json: bool) -> None:
    """URLs are not shown: they may hold secrets."""
    from spoolq import render

    if json:
        rows = [{"hook": h.name, "on": list(h.on), "way": h.way, "timeout": h.timeout} for h in hooks]
        render.emit_json({"hooks": rows})
    elif hooks:
        rows_of_text = [[h.name, ", ".join(h.on), h.way, f"{h.timeout:g} s"] for h in hooks]
        render.table(["hook", "on", "way", "limit"], rows_of_text, flexible=1)
    else:
        render.line("no hooks; write a [notify.NAME] into spoolq.toml: see docs/notify.md")


def _test(store: Store, hook: Hook, job: str | None, json: bool) -> None:
    from spoolq import render
    from spoolq.notify.trial import try_hook

    subject, result = try_hook(store, hook, job)
    if json:
        facts = {"ok": result.ok, "exit": result.exit, "timed_out": result.timed_out, "said": result.said or None}
        render.emit_json({"hook": hook.name, "subject": subject, **facts, "seconds": round(result.seconds, 3)})
    else:
        how = "ok" if result.ok else f"killed after {hook.timeout:g} s" if result.timed_out else f"exit {result.exit}"
        how = "could not run" if result.exit is None else how
        render.line(f"{hook.name}: {how}{f': {render.safe(result.said)}' if result.said else ''}")
    if not result.ok:
        raise typer.Exit(EXIT_JOB_FAILED)
