"""The job that a path of the API names: by its whole id, an unambiguous beginning of it, or `last`.

Not by the name of a dropped file, as at the command line: for that every history would have to be read.
"""

from __future__ import annotations

import re

from spoolq.errors import JobAmbiguous, JobNotFound
from spoolq.jobs import Entry
from spoolq.names import SUFFIX
from spoolq.server.view import View
from spoolq.transitions import State

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: The length of a KEY.
_KEY = 60
_BEGINNING = re.compile(r"[0-9a-f]{1,8}(-[0-9a-f-]*)?")


def entry_of(view: View, job: str) -> Entry:
    """Where the job *job* is; raises JobNotFound, JobAmbiguous."""
    wanted = job.lower()
    if _ID.fullmatch(wanted):
        return _found(view, wanted, job)
    if job == "last":
        newest = max((name.partition("@")[0].removesuffix(SUFFIX)[-_KEY:] for _, name in _all(view)), default="")
        return _found(view, newest[-36:], job)
    if not _BEGINNING.fullmatch(wanted):
        raise JobNotFound(job, view.store.root)
    matches = sorted({uuid for uuid, _ in _all(view) if uuid.startswith(wanted)})
    if len(matches) > 1:
        raise JobAmbiguous(job, matches)
    return _found(view, matches[0] if matches else "", job)


def _found(view: View, uuid: str, asked: str) -> Entry:
    try:
        return view.find(uuid)
    except JobNotFound:
        raise JobNotFound(asked, view.store.root) from None


def _all(view: View) -> list[tuple[str, str]]:
    """Every job's id and name, as of now: another server, or a shell, may have queued it a moment ago."""
    return [pair for state in State for pair in list(view.proven(state).places.items())]
