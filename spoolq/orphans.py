"""End a job that can never run, because one that it comes after did not complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spoolq import history
from spoolq.attempt import Attempt, Say, write_verdict
from spoolq.names import Running
from spoolq.outcome import Verdict
from spoolq.parents import Family
from spoolq.store import Store
from spoolq.transitions import State

if TYPE_CHECKING:
    from spoolq.requests import Job


def end_orphan(store: Store, running: Running, job: Job, say: Say) -> bool:
    """Finish the claimed *job* as `dependency_failed` if one of its parents will never complete; False if not.

    Its own children find it failed, and end so in their turn. Raises ClaimLost, OSError, SpoolUnusable. CRASH: before
    the commit of its finish the claim stands, without a line that says that it was opened; who recovers it asks again.
    """
    parents = job.envelope.after
    doom = Family(store).doom(parents) if parents else None
    if doom is None:
        return False
    number = history.attempts(history.events(store, running.stem.key))  # this claim begins none
    attempt = Attempt(running, running.claim.nonce, job, number, 0.0)
    verdict = Verdict(State.FAILED, "dependency_failed", f"It was to run after others, but {doom}")
    write_verdict(store, attempt, verdict, None, say)
    say(f"failed {attempt.short}: {doom}")
    return True
