"""Run a hook once by hand, with a real record or a made-up one. Leaves no mark and no line: it is no notice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from spoolq import jobs
from spoolq.errors import SpoolqError
from spoolq.find import find, newest
from spoolq.jobs import Entry
from spoolq.names import STAMP_FORMAT, Stem, new_uuid
from spoolq.notify import notice, ways
from spoolq.notify.delivery import Result, deliver
from spoolq.notify.hooks import Hook
from spoolq.plain import one_line
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State


def try_hook(store: Store, hook: Hook, job: str | None = None) -> tuple[str, Result]:
    """Tell *hook* of *job* (None: the one submitted last of those that have ended, or one that never was), as its first
    event; the subject, and what came of it. Raises JobNotFound, JobAmbiguous."""
    stem, record = _subject_of(store, job)
    texts = notice.texts(store, hook.name, hook.on[0], stem, record, "")
    texts["subject"] = f"a test of the hook {hook.name}: {texts['subject']}"
    try:
        delivery = ways.delivery(hook, texts, notice.document(texts, record))
    except SpoolqError as error:
        return texts["subject"], Result(None, False, str(error), 0.0)
    ((_, result),) = deliver([delivery], 1)
    said = ways.discreet(one_line(result.said), hook)
    return texts["subject"], Result(result.exit, result.timed_out, said, result.seconds)


def _subject_of(store: Store, job: str | None) -> tuple[Stem, dict[str, Any]]:
    """The job that a trial is about, and its record."""
    if job is not None:
        entry = find(store, job)
        record = jobs.describe(store, entry)
        if record is not None:
            return entry.stem, record
    ended: list[Entry] = [entry for state in TERMINAL for entry in newest(store, state, 1)]
    for entry in sorted(ended, key=lambda entry: entry.stem.key, reverse=True):
        if (record := jobs.describe(store, entry)) is not None:
            return entry.stem, record
    stem = Stem("", datetime.fromtimestamp(store.clock(), UTC).strftime(STAMP_FORMAT), new_uuid())
    made_up = {"request": {"command": ["true"]}, "recipe": "command", "outcome": "exit", "error": "it never was a job"}
    return stem, {**jobs.blank(store, State.FAILED, stem), **made_up}
