"""Moves that are cut short at every step, and what must be true afterwards."""

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spoolq import requests
from spoolq.admit import Admission
from spoolq.create import create
from spoolq.errors import SpoolqError
from spoolq.find import find
from spoolq.jobs import describe
from spoolq.replay import LITTER_AGE_S
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.sweep import Sweep
from spoolq.transitions import TERMINAL, State
from spoolq.waiting import wait

from .faults import LostReplies, Steps, observed, refuse
from .jobs import REQUEST, ended, submitted
from .trees import places, queue, record_of, stem_of
from .users import in_child

SETTINGS = Settings(settle=0.0)
#: What comes before and after a move need not survive a power cut, only be quick.
QUICK = Settings(settle=0.0, durability="process")
#: Exit status of a child that was ended at its step.
CUT = 9


class Interrupted(BaseException):
    """What comes out of anywhere, as a Ctrl-C does."""


def open_store(root: Path, ahead: float = 0.0, settings: Settings = SETTINGS) -> Store:
    """A spool as another process opens it; *ahead*: that many seconds from now."""
    store = Store(root, host="host-a", settings=settings, clock=lambda: time.time() + ahead)
    if ahead:
        server_time = store.server_time
        store.server_time = lambda: server_time() + ahead
    return store


def admission(store: Store) -> Admission:
    """Admission as the watcher has it."""
    return Admission(store, lambda document, uid: requests.accept(document, uid, store.settings))


@dataclass
class Fate:
    """How a move ended: it returned, it raised, or it was cut off; *fresh* are the jobs that it made."""

    how: str
    error: BaseException | None = None
    fresh: set[str] = field(default_factory=set)

    @property
    def returned(self) -> bool:
        return self.how == "returned"


@dataclass(frozen=True)
class Move:
    """A move between two other jobs: *prepare* brings the spool there, *act* is cut short, *judge* says what may be.

    *prepare* returns what *act* and *judge* need. *judge* is called after recovery and returns the target's id, or None
    when there is none. *last*: the move makes a job, which stands behind all others.
    """

    prepare: Callable[[Store], Any]
    act: Callable[[Store, Any], None]
    judge: Callable[[Store, Any, Fate], str | None]
    last: bool = False


def killed(store: Store, step: int, act: Callable[[Store], None]) -> Fate:
    """A process that is gone before its *step*, as by SIGKILL: nothing of it runs on, no `finally` and no `except`."""

    def run() -> None:
        own = open_store(store.root)
        own.disk.step = Steps(step, lambda: os._exit(CUT))
        act(own)

    status = in_child(run)
    assert status in (0, CUT), f"the child ended with {status}"
    return Fate("cut" if status == CUT else "returned")


def _in_process(at: Callable[[], None]) -> Callable[[Store, int, Callable[[Store], None]], Fate]:
    def cut(store: Store, step: int, act: Callable[[Store], None]) -> Fate:
        own = open_store(store.root)
        try:
            with observed(own, Steps(step, at)):
                act(own)
        except (SpoolqError, OSError) as error:
            return Fate("raised", error)
        except Interrupted as error:
            return Fate("cut", error)
        return Fate("returned")

    return cut


def _interrupt() -> None:
    raise Interrupted


def reply_lost(store: Store, rename: int, act: Callable[[Store], None]) -> Fate:
    """An NFS server that does every rename, and a client that says of the nth that there was no such file."""
    own = open_store(store.root)
    own.disk = LostReplies(errno.ENOENT, nth=rename)
    try:
        act(own)
    except (SpoolqError, OSError) as error:
        return Fate("raised", error)
    return Fate("returned")


#: Each way to cut a move short.
WAYS = {
    "killed": killed,
    "interrupted": _in_process(_interrupt),
    "ENOSPC": _in_process(refuse(errno.ENOSPC)),
    "EIO": _in_process(refuse(errno.EIO)),
    "EDQUOT": _in_process(refuse(errno.EDQUOT)),
    "ESTALE": _in_process(refuse(errno.ESTALE)),
    "reply lost": reply_lost,
}


def points_of(way: str, steps: Steps) -> int:
    """At how many points a move of those steps can be cut short in that way."""
    return steps.names.count("rename") if way == "reply lost" else len(steps.seen)


def steps_of(root: Path, move: Move) -> Steps:
    """The file system calls that a move makes when nothing goes wrong."""
    context = prepared(root, move).context
    own = open_store(root)
    with observed(own, Steps()) as steps:
        move.act(own, context)
    return steps


@dataclass
class Prepared:
    """A spool that is ready for a move: what *prepare* returned, the other jobs, and all jobs that there are."""

    context: Any
    others: dict[str, Any]
    known: set[str]


def prepared(root: Path, move: Move) -> Prepared:
    """A new spool with a job before and one after the one that is to be moved, and one that is done."""
    create(root)
    store = open_store(root, settings=QUICK)
    done = ended(store, submitted(store)).stem.uuid
    before = submitted(store).uuid
    context = move.prepare(store)
    after = submitted(store).uuid
    files = {job: store.layout.queued(stem_of(store, job)).read_bytes() for job in (before, after)}
    others = {"done": done, "record": record_of(store, done), "before": before, "after": after, "files": files}
    return Prepared(context, others, set(places(store)))


def recover(root: Path) -> Store:
    """What a watcher does when it comes back: sweep and admit, now and when all that was left lying is old."""
    said: list[str] = []
    for ahead in (10.0, 2 * LITTER_AGE_S):
        store = open_store(root, ahead, QUICK)
        for _ in range(2):
            Sweep(store, frozenset(), said.append).turn()
            admission(store).turn()
    complaints = [line for line in said if line.startswith("cannot")]
    assert not complaints, f"recovery has left something: {complaints}"
    return store


def try_point(root: Path, move: Move, way: str, step: int) -> Fate:
    """Cut *move* short at *step*, recover, and hold what must be true; returns what became of it."""
    ready = prepared(root, move)
    fate = WAYS[way](open_store(root, settings=QUICK), step, lambda own: move.act(own, ready.context))
    hold(recover(root), move, ready, fate)
    return fate


def hold(after: Store, move: Move, ready: Prepared, fate: Fate) -> None:
    """What must be true of a spool that has been recovered; AssertionError says what is not."""
    others, found = ready.others, places(after)
    assert all(len(states) == 1 for states in found.values()), f"a job in two states: {found}"
    fate.fresh = set(found) - ready.known
    target = move.judge(after, ready.context, fate)
    known = {others["done"], others["before"], others["after"]} | ({target} if target else set())
    assert set(places(after)) == known, "a job was lost, or made up"
    assert record_of(after, others["done"]) == others["record"]
    for job, data in others["files"].items():
        assert after.layout.queued(stem_of(after, job)).read_bytes() == data
    _as_everybody_sees_it(after)
    _in_order(after, others, target, move.last)
    _clean(after)


def _as_everybody_sees_it(store: Store) -> None:
    """Whoever looks is shown what is there, and who waits for an ended job has it."""
    for job, (state,) in places(store).items():
        shown = describe(store, find(store, job))
        assert shown is not None and shown["status"] == state
        if state in TERMINAL:
            assert shown["outcome"] is not None, f"{job[:8]} is {state} and nobody is told"
            assert wait(store, [job], timeout=0)[0] == record_of(store, job)
        else:
            assert shown["outcome"] is None and shown["request"]["command"] == REQUEST["command"]


def _in_order(store: Store, others: dict[str, Any], target: str | None, last: bool) -> None:
    """First in, first out: the target stands between the two others when it has their priority."""
    order = [job for job in queue(store) if stem_of(store, job).priority == "normal"]
    mine = [target] if target in order else []
    expected = [others["before"], others["after"], *mine] if last else [others["before"], *mine, others["after"]]
    assert order == expected


def _clean(store: Store) -> None:
    """Nothing is left of the move but what it made."""
    assert os.listdir(store.layout.tmp) == []
    assert os.listdir(store.layout.state(State.RUNNING)) == []
    for state in State:
        assert all(not name.startswith(".") for name in os.listdir(store.layout.state(state)))
