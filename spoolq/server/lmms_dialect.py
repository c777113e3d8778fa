"""The jobs of a spool as lmms-eval's dialect finds and cancels them."""

from __future__ import annotations

from enum import Enum, auto

from spoolq import people
from spoolq.errors import ClaimLost
from spoolq.jobs import Entry, parse_entry
from spoolq.names import parse_key
from spoolq.server.face import Face
from spoolq.server.lmms_jobs import Jobs
from spoolq.server.lmms_kept import Kept
from spoolq.server.lmms_queue import Queue
from spoolq.transitions import TERMINAL, State

#: Any stamp makes a KEY of a whole id.
_ANY_STAMP = "20000101T000000.000000Z-"


class Cancel(Enum):
    """What became of a cancel."""

    DONE = auto()
    #: The operator's watcher must do it: a shared spool, and we may not move files.
    REQUESTED = auto()
    RUNS = auto()
    ENDED = auto()
    UNKNOWN = auto()


class Dialect:
    """One spool. For any thread."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.jobs, self.queue = Jobs(face), Queue(face)
        self.kept = Kept(face.store, face.view, face.options.max_completed_jobs)

    async def job(self, job_id: str) -> bytes | None:
        """The job as JSON; None when there is none of that (whole) id, or not any more."""
        if not _is_id(job_id):
            return None
        # On a local mount what is asked of the disk is a few system calls; elsewhere each may take its time.
        body = None if self.face.store.network else self._look(job_id)
        return body or await self.face.work(self._look_afresh, job_id)

    async def quick_job(self, job_id: str, _body: bytes) -> bytes | None:
        """The same, where the listings that there are lead to it."""
        return None if self.face.store.network or not _is_id(job_id) else self._look(job_id)

    async def queued(self, *_asked: object) -> bytes:
        """`/queue`."""
        visible = None if self.face.store.network else self.kept.known()
        if visible is not None:
            return self.queue.body(visible)
        return await self.face.work(lambda: self.queue.body(self.kept.look()))

    async def health(self) -> bytes:
        """`/health`."""
        return await self.face.work(self.queue.health) if self.face.store.network else self.queue.health()

    def cancel(self, job_id: str) -> Cancel:
        """Cancel a queued job. Raises NotAllowed (another user's, in a shared spool), LockTimeout, SpoolUnusable."""
        lost = False
        for _ in range(5):
            entry = self._find(job_id) if _is_id(job_id) else None
            if entry is None:
                return Cancel.UNKNOWN
            if lost and entry.state is State.CANCELLED:  # by us, the reply to which was lost, or by somebody as well
                return Cancel.DONE
            if entry.state is not State.QUEUED:
                return Cancel.RUNS if entry.state is State.RUNNING else Cancel.ENDED
            try:
                return Cancel.DONE if people.cancel(self.face.store, entry) == "cancelled" else Cancel.REQUESTED
            except ClaimLost:  # RACE: it was claimed, or ended, since we looked
                lost = True
        return Cancel.UNKNOWN

    def _look(self, job_id: str) -> bytes | None:
        """The job by the listings that there are; None: they may be old, or records must be read first."""
        entry = self._listed(job_id)
        if entry is None:
            return None
        if entry.state in TERMINAL:
            visible = self.kept.known()
            if visible is None or not visible.has(entry):
                return None
        return self.jobs.body(entry)

    def _look_afresh(self, job_id: str) -> bytes | None:
        for _ in range(5):  # RACE: the job moves on between the listing and the read
            entry = self._find(job_id)
            body = None if entry is None else self.jobs.body(entry)
            if entry is None or body is not None:
                return body
        return None

    def _find(self, job_id: str) -> Entry | None:
        """Where the job is now; None when it is nowhere, or has been forgotten."""
        entry = None
        for _ in range(2):  # RACE: a requeue goes against the order of our listings
            entry = entry or self._listed(job_id, proven=True)
        if entry is not None and entry.state in TERMINAL and not self.kept.look().has(entry):
            return None
        return entry

    def _listed(self, job_id: str, *, proven: bool = False) -> Entry | None:
        view = self.face.view
        for state in State:
            listing = view.proven(state) if proven else view.listing(state)
            name = listing.places.get(job_id)
            entry = parse_entry(state, name) if name else None
            if entry is not None:
                return entry
        return None


def _is_id(text: str) -> bool:
    return parse_key(_ANY_STAMP + text) is not None
