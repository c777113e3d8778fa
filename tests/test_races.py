"""Many processes at one spool, with and without its lock: nobody loses a job, and nobody ends one twice."""

import collections
import contextlib
import os
import random
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from spoolq import requests
from spoolq.admit import Admission
from spoolq.claims import adopt, claim, reclaim, requeue
from spoolq.errors import ClaimLost, JobNotFound, NotAllowed
from spoolq.find import entries, find
from spoolq.names import PRIORITIES
from spoolq.people import cancel, prioritise, retry
from spoolq.replay import replay
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State
from tests.spooltest.jobs import STATE_OF, conclude_as, opened, submitted
from tests.spooltest.trees import places, record_of
from tests.spooltest.waiting import wait_for

JOBS, DROPS = 40, 10
#: What may happen to anybody who is not alone.
OVERTAKEN = (ClaimLost, JobNotFound, NotAllowed, FileNotFoundError)

Part = Callable[[Store, random.Random, Callable[[str, str], None]], None]


def run_jobs(store: Store, dice: random.Random, tell: Callable[[str, str], None]) -> None:
    """A runner: claims the first, and ends it, gives it back, or sleeps over it."""
    queued = entries(store, [State.QUEUED])
    taken = claim(store, queued[0].stem, f"gpu{os.getpid() % 7}") if queued else None
    if taken is None or taken.fault is not None:
        return
    attempt = opened(store, taken)
    what = dice.random()
    if what < 0.15:
        requeue(store, attempt.running, "stopped", nonce=attempt.origin, started=False)
    elif what < 0.25:
        reclaim(store, attempt.running, "lost", nonce=attempt.origin, attempt=attempt.number)
    else:
        time.sleep(dice.random() * 0.01)
        conclude_as(store, attempt, dice.choice(sorted(STATE_OF)))
        tell("ended", attempt.running.stem.uuid)


def steal(store: Store, dice: random.Random, tell: Callable[[str, str], None]) -> None:
    """Somebody who takes a runner for dead that only sleeps, and ends its job or takes it back."""
    running = entries(store, [State.RUNNING])
    if not running or dice.random() < 0.5:
        return
    mine = adopt(store, dice.choice(running).running, "sweep")
    reclaim(store, mine, "lost", nonce=mine.claim.nonce, attempt=1)


def people(store: Store, dice: random.Random, tell: Callable[[str, str], None]) -> None:
    """Somebody who cancels, retries and reorders."""
    found = entries(store, list(State))
    if not found:
        return
    entry, what = dice.choice(found), dice.random()
    if what < 0.2 and entry.state is State.QUEUED:
        if cancel(store, entry) == "cancelled":
            tell("ended", entry.stem.uuid)
    elif what < 0.3:
        retry(store, entry)
        tell("retried", entry.stem.uuid)
    else:
        prioritise(store, entry, dice.choice(list(PRIORITIES)))


def look_after(store: Store, dice: random.Random, tell: Callable[[str, str], None]) -> None:
    """A watcher: admits and replays."""
    Admission(store, lambda document, uid: requests.accept(document, uid, store.settings)).turn()
    replay(store)


PARTS: list[Part] = [run_jobs, run_jobs, run_jobs, steal, people, look_after, look_after]


def play(root: Path, part: Part, seed: int, locked: bool, told: Path, stop: Path) -> None:
    """One process: plays its part until it is told to stop. Only being overtaken is no failure."""
    store = Store(root, host="host-a", settings=Settings(durability="process", settle=0.0))
    if not locked:
        store.locked = lambda **_options: contextlib.nullcontext()
    log = os.open(told, os.O_WRONLY | os.O_APPEND)
    dice = random.Random(seed)
    while not stop.exists():
        with contextlib.suppress(*OVERTAKEN):
            part(store, dice, lambda what, job: os.write(log, f"{what} {job}\n".encode()))


def start(root: Path, part: Part, seed: int, locked: bool, told: Path, stop: Path) -> int:
    """A process of its own that plays *part*; its pid. It ends with 0 when nothing but being overtaken befell it."""
    pid = os.fork()
    if pid:
        return pid
    try:
        play(root, part, seed, locked, told, stop)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def drop(store: Store, number: int) -> None:
    """A file that is moved in whole; nobody waits for a half one here."""
    part = store.layout.drop(f".{number}.part")
    part.write_text('{"command": ["true"]}')
    part.rename(store.layout.drop(f"{number}.json"))


@pytest.mark.parametrize("locked", [True, False])
def test_every_job_ends_once_for_each_time_that_it_was_asked_for(tmp_path, store, locked):
    # Given a queue, and processes that all work on it at once
    told, stop = tmp_path / "told", tmp_path / "stop"
    told.touch()
    pids = [start(store.root, part, seed, locked, told, stop) for seed, part in enumerate(PARTS)]
    # When jobs are submitted and dropped meanwhile, and it goes on for a while
    try:
        for number in range(JOBS):
            submitted(store)
            if number < DROPS:
                drop(store, number)
        wait_for(lambda: len(told.read_bytes().splitlines()) >= 2 * JOBS, timeout=20, what="enough to have happened")
    finally:
        stop.touch()
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    # Then nobody met anything but being overtaken
    assert statuses == [0] * len(PARTS)
    # and once what still waits has run, every job is in one state, with its record
    own = Store(store.root, host="host-a", settings=Settings(durability="process", settle=0.0))
    with told.open("a") as log:
        look_after(own, random.Random(0), print)
        while entries(own, [State.QUEUED]):
            run_jobs(own, random.Random(0), lambda what, job: print(what, job, file=log))
    assert entries(own, [State.RUNNING]) == []
    found = places(store)
    assert len(found) == JOBS + DROPS
    assert all(len(states) == 1 and states[0] in TERMINAL for states in found.values())
    # and each has ended once more than it was retried
    said = collections.Counter(told.read_text().splitlines())
    for job in found:
        record = record_of(store, job)
        assert record["outcome"] is not None
        assert said[f"ended {job}"] == said[f"retried {job}"] + 1, job
        assert find(store, job).state == record["status"]
    assert os.listdir(store.layout.tmp) == []
