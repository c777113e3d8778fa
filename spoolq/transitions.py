"""The states, and the one table of the moves between them.

A state is a directory; a move is a rename. What the table does not list is refused.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Literal, get_args

from spoolq.errors import NotAllowed


class State(StrEnum):
    """Where a job's file is; the value is the directory's name."""

    #: Waits. Put there by a submit, a drop, a requeue, a reclaim or a retry.
    QUEUED = "queued"
    #: Claimed by a runner, whose claim is in the file name.
    RUNNING = "running"
    #: Ended: exit 0, and its recipe found fresh results that parse.
    COMPLETED = "completed"
    #: Ended any other way; ``outcome`` says which.
    FAILED = "failed"
    #: Ended because a person asked.
    CANCELLED = "cancelled"


#: States that no runner leaves by itself.
TERMINAL = (State.COMPLETED, State.FAILED, State.CANCELLED)
#: States in which a job still has work ahead.
ACTIVE = (State.QUEUED, State.RUNNING)

#: The outcomes that another attempt may cure. `invalid` and `dependency_failed` are none.
RetryOn = Literal["lost", "exit", "signal", "timed_out", "could_not_start", "no_results", "idle", "oom"]
#: What `retry_on` lists: outcomes, and exit codes as `exit:75`.
RETRY_ON: tuple[str, ...] = get_args(RetryOn)
RETRY_ON_RULE = f"one of {', '.join(RETRY_ON)}, or an exit code such as exit:75"
#: By this code a program says that it was called wrongly: `exit` alone does not mean it.
USAGE_EXIT = 2

#: (move, from) -> where it may lead. The owner is whoever holds the claim; a person is owner or operator.
MOVES: dict[tuple[str, State], tuple[State, ...]] = {
    ("claim", State.QUEUED): (State.RUNNING,),  # a runner
    ("prioritise", State.QUEUED): (State.QUEUED,),  # a person
    ("cancel", State.QUEUED): (State.CANCELLED,),  # a person
    ("cancel", State.RUNNING): (State.CANCELLED,),  # a person asks, the owner does it
    ("reject", State.QUEUED): (State.FAILED,),  # the watcher: a drop that is no job
    ("finish", State.RUNNING): (State.COMPLETED, State.FAILED, State.CANCELLED),  # the owner
    ("requeue", State.RUNNING): (State.QUEUED,),  # the owner gives it back
    ("reclaim", State.RUNNING): (State.QUEUED,),  # taken from a dead owner
    ("adopt", State.RUNNING): (State.RUNNING,),  # a dead owner's claim gets a new nonce
    ("retry", State.FAILED): (State.QUEUED,),  # a person
    ("retry", State.CANCELLED): (State.QUEUED,),  # a person
}

_EXIT = r"exit:(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_NEXT_STEP = {
    "cancel": "Only queued and running jobs can be cancelled.",
    "retry": "Only failed and cancelled jobs can be retried; submit a completed one again.",
    "prioritise": "Only queued jobs have a place to change.",
}


def is_retry_on(text: object) -> bool:
    """Whether `retry_on` may list *text*."""
    return isinstance(text, str) and (text in RETRY_ON or re.fullmatch(_EXIT, text) is not None)


def check(move: str, job: str, state: State) -> tuple[State, ...]:
    """Where *move* may lead from *state*; raises NotAllowed, with the next step, when the table has no such row."""
    targets = MOVES.get((move, state))
    if targets is None:
        raise NotAllowed(f"cannot {move} job {job}: it is {state}. {_NEXT_STEP.get(move, '')}".rstrip())
    return targets
