"""With `spoolq serve --prune`: what lmms-eval's dialect has forgotten is removed from the disk, with its runs."""

from __future__ import annotations

import logging

from spoolq import prune
from spoolq.errors import SpoolqError
from spoolq.server.face import Face
from spoolq.server.lmms_dialect import Dialect

log = logging.getLogger("spoolq.server")

#: Removed at once; then it is looked again, since a job may have been retried and have ended anew meanwhile.
_AT_ONCE = 50
#: Without a change of the spool it is looked again after so many seconds.
_TIMER_S = 60.0


async def keep_pruning(face: Face) -> None:
    """Remove what was forgotten whenever the spool has changed, until cancelled."""
    dialect, seen = face.part(Dialect), -1
    while True:
        seen = await face.wake.after(seen, _TIMER_S)
        try:
            while await face.work(_remove, face, dialect):
                pass
        except (SpoolqError, OSError) as error:  # the disk, or the lock: the next change tries again
            log.warning("cannot prune: %s", error)


def _remove(face: Face, dialect: Dialect) -> int:
    """Remove some; returns how many. Another server that does the same takes what we do not find."""
    forgotten = dialect.kept.look().forgotten()[:_AT_ONCE]
    if not forgotten:
        return 0
    report = prune.remove(face.store, forgotten)
    face.view.moved()
    removed = sum(len(ids) for ids in report.jobs.values())
    if removed:
        log.info("pruned %d jobs, %d bytes", removed, report.bytes)
    return removed
