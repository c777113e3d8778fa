"""`spoolq run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spoolq.cli.options import SpoolOption, open_store

if TYPE_CHECKING:
    from spoolq.settings import Settings


def command(
    drain: Annotated[bool, typer.Option("--drain", help="End when the queue is empty.")] = False,
    slots: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=DEVICES]", help="A runner each; DEVICES is its CUDA_VISIBLE_DEVICES. Repeatable."),
    ] = None,
    spool: SpoolOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="At the end, the counts as one JSON document on stdout.")
    ] = False,
) -> None:
    """Watch the spool and run its jobs, one after another in a slot.

    Stays in the foreground. SIGTERM or Ctrl-C lets the job in hand finish; a second one stops and requeues it. Started
    twice for one slot, the second waits, and says who holds it. Without --slots: `slots` of spoolq.toml, else one slot
    `all` with all GPUs, or one a GPU with `mode = "per-gpu"` in its [gpus].

    Example: spoolq run --slots gpu0=0 --slots gpu1=1
    """
    from spoolq.recipes import find
    from spoolq.watcher import Watcher

    store = open_store(spool)
    chosen, faults = _chosen(store.settings, slots)
    for name in store.settings.recipes:
        find(name, store.settings)  # a recipe that is wrong is said now, not when its first job fails
    watcher = Watcher(store, chosen, drain=drain)
    for fault in faults:
        watcher.say(fault)
    watcher.say(
        f"watching {store.root} (slots {', '.join(chosen)}; a look every {store.poll:g} s besides)"
        + ("; until it is empty" if drain else "")
    )
    watcher.run()
    if json:
        from spoolq import render
        from spoolq.status import status

        render.emit_json(status(store))


def _chosen(settings: Settings, given: list[str] | None) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """Slot -> devices: as given, else the settings', else made from the GPUs; and what is wrong with any of these."""
    if given or settings.slots:
        return _slots(given) if given else {**settings.slots}, ()
    from spoolq.gpus.slots import slots

    return slots(settings.gpus)


def _slots(given: list[str]) -> dict[str, str | None]:
    from spoolq.names import SLOT_RULE, is_slot

    slots: dict[str, str | None] = {}
    for text in given:
        name, named, devices = text.partition("=")
        if not is_slot(name) or name in slots:
            raise typer.BadParameter(f"{text!r}: {SLOT_RULE}, each named once", param_hint="--slots")
        slots[name] = devices if named else None
    return slots
