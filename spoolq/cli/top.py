"""`spoolq top`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from spoolq.cli.options import JsonOption, SpoolOption, open_store

if TYPE_CHECKING:
    from rich.console import Console

    from spoolq.store import Store


def command(
    once: Annotated[bool, typer.Option("--once", help="Print one picture, and end.")] = False,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """A live view that fills the terminal: what runs, what waits, what ended.

    Keys: arrows, j and k select; c cancels (and asks); + and - change the priority; l or Enter follows the log, q or
    Ctrl-C comes back from it; p pauses and resumes; q quits. Without a terminal: `spoolq status`, or --once.

    Example: spoolq top --once
    """
    from spoolq.top.picture import Looker

    store = open_store(spool)
    if json:
        from spoolq import render

        picture = Looker(store).look()
        render.emit_json({**picture.seen, "ended": picture.ended})
    elif once:
        _print_one(store)
    else:
        from spoolq.top.terminal import insist

        insist()
        _show(store)


def _print_one(store: Store) -> None:
    import shutil

    from rich.console import ConsoleDimensions

    from spoolq.top.frame import View, frame
    from spoolq.top.picture import Looker

    console = _console()
    width, height = shutil.get_terminal_size((80, 24))
    console.size = ConsoleDimensions(width, height)
    console.print(frame(Looker(store).look(), View(), width, height), height=height, end="")


def _show(store: Store) -> None:
    from spoolq.top.screen import Screen

    ended_by = Screen(store, _console()).run()
    if ended_by is signal.SIGINT:
        raise typer.Exit(130)
    if ended_by is not None:  # die of it, as whoever sent it expects
        signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)


def _console() -> Console:
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)
