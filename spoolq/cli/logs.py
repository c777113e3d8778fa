"""`spoolq logs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from spoolq.cli.options import JobArgument, JsonOption, SpoolOption, open_store

if TYPE_CHECKING:
    from spoolq.jobs import Entry
    from spoolq.store import Store


def command(
    job: JobArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="From before the start to the end; ends with the job's exit code.")
    ] = False,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, metavar="N", help="Only the last so many.")
    ] = None,
    spool: SpoolOption = None,
    json: JsonOption = False,
) -> None:
    """Print a job's log, as its evaluation wrote it.

    With --follow: 0 when the job completed, its own exit code when it failed, 128 + N after signal N, else 1.

    Example: spoolq logs -f last
    """
    from spoolq import find, render
    from spoolq.logs import read_tail
    from spoolq.transitions import ACTIVE

    store = open_store(spool)
    entry = find.find(store, job)
    log = store.layout.run(entry.stem.key).log
    if json:
        size = log.stat().st_size if log.exists() else None
        seen = {"job_id": entry.stem.uuid, "log": str(log), "bytes": size, "status": entry.state.value}
        render.emit_json({**seen, "progress": _progress(store, entry)})
        return
    if not follow:
        _copy(read_tail(log, lines))
        if not log.exists():
            hint = " yet (-f waits for it)" if entry.state in ACTIVE else ""
            render.talk(f"spoolq: job {entry.stem.uuid[:8]} is {entry.state} and has no log{hint}")
        elif progress := _progress(store, entry):
            sys.stdout.flush()
            render.talk(f"spoolq: job {entry.stem.uuid[:8]} is {entry.state}: {render.progress_text(progress)}")
        return
    _follow(store, entry, lines)


def _progress(store: Store, entry: Entry) -> dict[str, Any] | None:
    """How far a running job is; None for any other."""
    from spoolq.jobs import describe
    from spoolq.status import with_progress
    from spoolq.transitions import State

    record = describe(store, entry) if entry.state is State.RUNNING else None
    return with_progress(store, record)["progress"] if record else None


def _follow(store: Store, entry: Entry, lines: int | None) -> NoReturn:
    from spoolq import render
    from spoolq.logs import exit_code, follow
    from spoolq.transitions import State

    if entry.state is State.QUEUED:
        render.talk(f"spoolq: job {entry.stem.uuid[:8]} is queued; waiting for it to start")
    record = _copy(follow(store, entry.stem.uuid, lines))
    assert record is not None, "follow ends with the record"
    render.talk(f"spoolq: {record['job_id'][:8]} {record['status']} ({record['outcome']})")
    raise typer.Exit(exit_code(record))


def _copy(chunks: Any) -> dict[str, Any] | None:
    """Write bytes to stdout as they come; a terminal gets them without what it would obey. Returns the final record."""
    from spoolq.render import LogFilter

    harmless = LogFilter() if sys.stdout.isatty() else None
    try:
        for chunk in chunks:
            if isinstance(chunk, dict):
                return chunk
            sys.stdout.buffer.write(harmless.feed(chunk) if harmless else chunk)
            sys.stdout.buffer.flush()
    finally:
        if harmless:
            sys.stdout.buffer.write(harmless.end())
            sys.stdout.buffer.flush()
    return None
