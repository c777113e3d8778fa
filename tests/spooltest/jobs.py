"""Jobs in every state, brought there by the code that brings them there in real life."""

import os
from typing import Any

from spoolq import history, requests
from spoolq.attempt import Attempt, open_attempt, owner, write_verdict
from spoolq.claims import Claimed, claim
from spoolq.find import find
from spoolq.jobs import Entry
from spoolq.names import Stem
from spoolq.outcome import Verdict
from spoolq.people import retry
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import State

REQUEST = {"command": ["true"]}
#: Where each outcome of a run leads.
STATE_OF = {
    "succeeded": State.COMPLETED,
    "exit": State.FAILED,
    "signal": State.FAILED,
    "timed_out": State.FAILED,
    "could_not_start": State.FAILED,
    "no_results": State.FAILED,
    "lost": State.FAILED,
    "cancelled": State.CANCELLED,
}


def say(_line: str) -> None:
    """Whoever talks to the operator talks to nobody here."""


def submitted(store: Store, priority: str = "normal", **policy: Any) -> Stem:
    """A queued job that runs `true`."""
    document = {"request": REQUEST, **policy} if policy else dict(REQUEST)
    return publish(store, document, priority)


def claimed(store: Store, stem: Stem, slot: str = "gpu0") -> Claimed:
    """A queued job, claimed."""
    taken = claim(store, stem, slot)
    assert taken is not None
    return taken


def opened(store: Store, taken: Claimed) -> Attempt:
    """A claimed job whose claim is on record as an attempt; its owner is this process."""
    return open_attempt(store, taken, requests.read(taken.data, taken.uid, store.settings), owner(os.getpid()))


def begun(store: Store, stem: Stem, slot: str = "gpu0") -> Attempt:
    """A queued job, claimed, whose evaluation has been started."""
    attempt = opened(store, claimed(store, stem, slot))
    history.record(store, stem.key, "started", nonce=attempt.running.claim.nonce)
    return attempt


def conclude_as(store: Store, attempt: Attempt, outcome: str, **facts: Any) -> None:
    """End an attempt with *outcome*."""
    error = None if outcome == "succeeded" else f"it ended as {outcome}"
    write_verdict(store, attempt, Verdict(STATE_OF[outcome], outcome, error, **facts), store.now(), say)


def ended(store: Store, stem: Stem, outcome: str = "succeeded", **facts: Any) -> Entry:
    """A queued job, claimed and brought to its end."""
    conclude_as(store, opened(store, claimed(store, stem)), outcome, **facts)
    return Entry(STATE_OF[outcome], stem.with_priority("normal"))


def retried(store: Store, entry: Entry) -> Stem:
    """An ended job, back in the queue because somebody asked for it."""
    assert retry(store, entry) == "queued"
    return find(store, entry.stem.uuid).stem


def needed(store: Store, kind: str = "a_1", job: str | None = None, priority: str = "normal", **policy: Any) -> Stem:
    """A queued job of a remote worker, known as *job* to the eval-jobqueue dialect."""
    document = {"request": {"task": "t"}, "resource_type": kind, **policy}
    return publish(store, document | ({} if job is None else {"external_id": job}), priority)
