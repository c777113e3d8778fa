"""Every move, cut short at every step: by SIGKILL, by an interrupt, and by a disk that is full, broken or not there.

Afterwards a watcher comes back, and: the job is in exactly one state, nothing acknowledged is lost, a record is whole,
the order is kept, no litter stays.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from spoolq import control, errands, history, requests
from spoolq.attempt import Attempt, conclude, reject
from spoolq.claims import Claimed, adopt, claim, read_claimed, reclaim, requeue
from spoolq.create import create
from spoolq.errors import ClaimLost
from spoolq.find import find
from spoolq.names import Stem, new_stem, parse_queued
from spoolq.orders import End
from spoolq.people import cancel, prioritise, retry
from spoolq.prune import prune
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.sweep import Sweep
from spoolq.transitions import State
from tests.spooltest.crashes import (
    CUT,
    WAYS,
    Fate,
    Move,
    admission,
    open_store,
    points_of,
    recover,
    steps_of,
    try_point,
)
from tests.spooltest.faults import Steps
from tests.spooltest.jobs import REQUEST, STATE_OF, claimed, conclude_as, ended, opened, retried, say, submitted
from tests.spooltest.trees import assert_state, places, record_of, set_aside_bytes, stem_of
from tests.spooltest.users import in_child
from tests.spooltest.waiting import pass_tick

#: How many points there are, at least; fewer means that the suite no longer looks where it did.
POINTS = 2052

NOT_JSON = b'{"command": ["tr'


def state_of(store: Store, job: str) -> State:
    """The one state that a job is in."""
    (state,) = places(store)[job]
    return state


# submit


def prepare_submit(store: Store) -> None:
    pass_tick()


def submit(store: Store, _context: None) -> None:
    publish(store, REQUEST)


def judge_submit(store: Store, _context: None, fate: Fate) -> str | None:
    # Then there is one job or none; an acknowledged one is there, and one that was refused is not
    assert len(fate.fresh) <= 1
    assert fate.fresh or not fate.returned
    assert not fate.fresh or fate.how != "raised", f"queued, and refused: {fate.error}"
    for job in fate.fresh:
        is_queued_unchanged(store, stem_of(store, job))
        return job
    return None


# queued and running jobs


def queued(store: Store) -> Stem:
    return submitted(store)


def is_queued_unchanged(store: Store, stem: Stem) -> None:
    assert_state(store, stem.uuid, State.QUEUED)
    assert json.loads(store.layout.queued(stem).read_bytes()) == REQUEST


def start_and_die(store: Store, stem: Stem) -> Attempt:
    """An attempt whose runner is dead, as whoever comes next finds it."""
    assert in_child(lambda: opened(store, claimed(store, stem))) == 0
    entry = find(store, stem.uuid)
    taken = read_claimed(store, entry.running)
    number = history.attempts(history.events(store, stem.key), taken.running.claim.nonce)
    job = requests.read(taken.data, taken.uid, store.settings)
    return Attempt(taken.running, taken.running.claim.nonce, job, number, taken.since)


def attempted(store: Store) -> Attempt:
    return opened(store, claimed(store, submitted(store)))


def orphaned(store: Store) -> Attempt:
    return start_and_die(store, submitted(store))


def claim_it(store: Store, stem: Stem) -> Claimed:
    taken = claim(store, stem, "gpu0")
    if taken is None:  # ESTALE: to whoever hears that, the job is gone
        raise ClaimLost("it was gone")
    return taken


def judge_claim(store: Store, stem: Stem, _fate: Fate) -> str:
    # Then whoever claimed is dead, and the job waits as before
    is_queued_unchanged(store, stem)
    return stem.uuid


def start_it(store: Store, stem: Stem) -> None:
    opened(store, claim_it(store, stem))


def requeue_it(store: Store, attempt) -> None:
    requeue(store, attempt.running, "stopped", nonce=attempt.origin, started=False)


def reclaim_it(store: Store, attempt) -> None:
    reclaim(store, attempt.running, "lost", nonce=attempt.origin, attempt=1)


def adopt_it(store: Store, attempt) -> None:
    adopt(store, attempt.running, "gpu1")


def judge_back(store: Store, attempt, _fate: Fate) -> str:
    is_queued_unchanged(store, attempt.running.stem)
    return attempt.running.stem.uuid


def judge_requeued(store: Store, attempt, fate: Fate) -> str:
    past = history.events(store, attempt.running.stem.key)
    assert history.attempts(past) == (0 if history.last(past, "requeued") else 1) or not fate.returned
    return judge_back(store, attempt, fate)


# the end of an evaluation, with its end record on disk: it must never run again


def with_end(store: Store):
    """An attempt of a dead runner, whose shim has written how it ended, and whose output is there."""
    attempt = orphaned(store)
    run = store.layout.run(attempt.running.stem.key)
    (run.partial / "results.json").write_text("{}")
    end = End(attempt.origin, store.now(), store.now(), exit_code=0)
    run.end(attempt.origin).write_text(json.dumps({"nonce": end.nonce, "started_at": end.started_at, "exit_code": 0}))
    history.record(store, attempt.running.stem.key, "started", nonce=attempt.origin, pid=1, start_time=1, since=0.0)
    return attempt, end


def conclude_it(store: Store, context) -> None:
    attempt, end = context
    conclude(store, attempt, end, say, stopping=lambda: True)


def conclude_and_claim(store: Store, context) -> None:
    """As a runner does it: the end's directories are synced with the claim of the next job."""
    store.disk.group = True
    conclude_it(store, context)
    claim_it(store, parse_queued(min(store.names(State.QUEUED))))


def adopt_ended(store: Store, context) -> None:
    adopt(store, context[0].running, "gpu1")


def judge_concluded(store: Store, context, _fate: Fate) -> str:
    # Then it has completed, whoever recorded that, with its output, as its first attempt
    job = context[0].running.stem.uuid
    record = record_of(store, job)
    assert (record["outcome"], record["exit_code"], record["attempt"]) == ("succeeded", 0, 1)
    assert (store.layout.run(context[0].running.stem.key).output / "results.json").exists()
    return job


# the end of an evaluation that left no end record: it is recorded, or the job runs again


def finish_as(outcome: str):
    def finish_it(store: Store, attempt) -> None:
        conclude_as(store, attempt, outcome)

    return finish_it


def judge_finished(outcome: str):
    def judge(store: Store, attempt, fate: Fate) -> str:
        job = attempt.running.stem.uuid
        if state_of(store, job) is State.QUEUED:
            assert not fate.returned
        else:
            record = record_of(store, job)
            assert (record["outcome"], record["attempt"]) == (outcome, attempt.number)
        return job

    return judge


def attempted_again(store: Store):
    """A job that has failed once, was retried, and runs: its file is the record of its first end."""
    entry = ended(store, submitted(store), "exit")
    return start_and_die(store, retried(store, entry))


# what is no job


def invalid(store: Store):
    stem = new_stem(store.next_stamp())
    store.layout.queued(stem).write_bytes(NOT_JSON)
    return claimed(store, stem)


def reject_it(store: Store, taken) -> None:
    reject(store, taken, "it is no valid JSON", say)


def judge_rejected(store: Store, taken, _fate: Fate) -> str:
    # Then it has failed, and its original is whole
    job = taken.running.stem.uuid
    assert record_of(store, job)["outcome"] == "invalid"
    assert set_aside_bytes(store, taken.running.stem.key) == NOT_JSON
    return job


def drop(content: bytes):
    def put(store: Store) -> bytes:
        pass_tick()
        store.layout.drop("job.json").write_bytes(content)
        pass_tick()
        return content

    return put


def admit_it(store: Store, _content: bytes) -> None:
    admission(store).turn()


def judge_admitted(store: Store, content: bytes, _fate: Fate) -> str:
    # Then the drop is a job, under the name that it came with
    entry = find(store, "job.json")
    assert store.layout.queued(entry.stem).read_bytes() == content
    assert not store.layout.drop("job.json").exists()
    return entry.stem.uuid


def judge_refused(store: Store, content: bytes, _fate: Fate) -> str:
    entry = find(store, "job.json")
    assert record_of(store, entry.stem.uuid)["outcome"] == "invalid"
    assert set_aside_bytes(store, entry.stem.key) == content
    assert not store.layout.drop("job.json").exists()
    return entry.stem.uuid


# people


def cancel_it(store: Store, stem: Stem) -> None:
    cancel(store, find(store, stem.uuid))


def judge_cancelled(store: Store, stem: Stem, fate: Fate) -> str:
    if state_of(store, stem.uuid) is State.QUEUED:
        assert not fate.returned
        is_queued_unchanged(store, stem)
    else:
        record = record_of(store, stem.uuid)
        assert (record["status"], record["outcome"], record["request"]) == ("cancelled", "cancelled", REQUEST)
    return stem.uuid


def cancelled_and_retried(store: Store) -> Stem:
    """A job that was cancelled once and is queued again: its file is the record of its first end."""
    stem = submitted(store)
    cancel(store, find(store, stem.uuid))
    first = record_of(store, stem.uuid)["claim"]
    retry(store, find(store, stem.uuid))
    store.layout.run(stem.key).path.joinpath("first").write_text(first)
    return stem


def judge_cancelled_again(store: Store, stem: Stem, fate: Fate) -> str:
    if state_of(store, stem.uuid) is State.QUEUED:
        assert not fate.returned
    else:
        # Then the record is that of its second end
        assert record_of(store, stem.uuid)["claim"] != store.layout.run(stem.key).path.joinpath("first").read_text()
    return stem.uuid


def failed(store: Store):
    entry = ended(store, submitted(store), "exit")
    return entry, store.layout.terminal(State.FAILED, entry.stem.key).read_bytes()


def retry_it(store: Store, context) -> None:
    retry(store, context[0])


def judge_retried(store: Store, context, fate: Fate) -> str:
    # Then it is queued, or failed as before; in either place its file is the record that it had
    (entry, data) = context
    state = state_of(store, entry.stem.uuid)
    assert state is State.QUEUED or not fate.returned
    assert (store.layout.state(state) / f"{entry.stem}.json").read_bytes() == data
    return entry.stem.uuid


def prioritise_it(store: Store, stem: Stem) -> None:
    prioritise(store, find(store, stem.uuid), "high")


def judge_prioritised(store: Store, stem: Stem, fate: Fate) -> str:
    now = stem_of(store, stem.uuid)
    assert now.priority == "high" or (now == stem and not fate.returned)
    is_queued_unchanged(store, now)
    return stem.uuid


def prune_one(store: Store, _entry) -> None:
    prune(store, states=[State.CANCELLED])


def judge_pruned(store: Store, entry, fate: Fate) -> str | None:
    job = entry.stem.uuid
    if job in places(store):
        # Then it is still there, with its record, and the next prune takes it and its run
        assert not fate.returned
        record_of(store, job)
        assert prune(store, states=[State.CANCELLED]).jobs == {"cancelled": [job]}
    assert job not in places(store)
    assert not store.layout.run(entry.stem.key).path.exists()
    return None


def cancelled_with_output(store: Store):
    entry = ended(store, submitted(store), "cancelled")
    store.layout.run(entry.stem.key).log.write_text("log")
    return entry


# the recovery itself, of what an earlier kill has left


def sweep_it(store: Store, _context) -> None:
    Sweep(store, frozenset(), say).turn()


def half(prepare, act, rename: int):
    """What a process leaves that was killed before its nth rename of *act*."""

    def prepare_and_die(store: Store):
        context = prepare(store)

        def run() -> None:
            own, renames = open_store(store.root), []

            def step(name: str, _path: Path) -> None:
                renames.append(name == "rename")
                if sum(renames) == rename:
                    os._exit(CUT)

            own.disk.step = step
            act(own, context)

        assert in_child(run) == CUT
        return context

    return prepare_and_die


def judge_swept(outcome: str):
    def judge(store: Store, attempt: Attempt, _fate: Fate) -> str:
        # Then it has ended as its runner found, because that was written down before the kill
        record = record_of(store, attempt.running.stem.uuid)
        assert (record["outcome"], record["attempt"]) == (outcome, attempt.number)
        return attempt.running.stem.uuid

    return judge


def judge_cancel_swept(store: Store, stem: Stem, _fate: Fate) -> str:
    assert record_of(store, stem.uuid)["outcome"] == "cancelled"
    return stem.uuid


# requests


def asked_to_cancel(store: Store) -> Stem:
    stem = submitted(store)
    control.request(store, "cancel", stem.key)
    return stem


def asked_to_retry(store: Store):
    context = failed(store)
    control.request(store, "retry", context[0].stem.key)
    return context


def run_errands(store: Store, _context) -> None:
    errands.turn(store, say)


def judge_errand(judge):
    def judge_after_another_turn(store: Store, context, fate: Fate) -> str:
        # Given that errands are looked at again and again, When they are once more, Then it is done
        errands.turn(store, say)
        assert control.read(store).asked == ()
        return judge(store, context, Fate("returned", fate.error))

    return judge_after_another_turn


MOVES = {
    "submit": Move(prepare_submit, submit, judge_submit, last=True),
    "admit": Move(drop(b'{ "command": ["true"] }'), admit_it, judge_admitted),
    "admit, no JSON": Move(drop(NOT_JSON), admit_it, judge_refused),
    "admit, no request": Move(drop(b'{"command": []}'), admit_it, judge_refused),
    "claim": Move(queued, claim_it, judge_claim),
    "claim and start": Move(queued, start_it, judge_claim),
    "requeue": Move(attempted, requeue_it, judge_requeued),
    "reclaim": Move(attempted, reclaim_it, judge_back),
    "adopt": Move(attempted, adopt_it, judge_back),
    "adopt, ended": Move(with_end, adopt_ended, judge_concluded),
    "conclude": Move(with_end, conclude_it, judge_concluded),
    "conclude and claim": Move(with_end, conclude_and_claim, judge_concluded),
    **{f"finish, {outcome}": Move(attempted, finish_as(outcome), judge_finished(outcome)) for outcome in STATE_OF},
    "finish, failed again": Move(attempted_again, finish_as("timed_out"), judge_finished("timed_out")),
    "set aside": Move(invalid, reject_it, judge_rejected),
    "cancel": Move(queued, cancel_it, judge_cancelled),
    "cancel again": Move(cancelled_and_retried, cancel_it, judge_cancelled_again),
    "retry": Move(failed, retry_it, judge_retried),
    "prioritise": Move(queued, prioritise_it, judge_prioritised),
    "prune": Move(cancelled_with_output, prune_one, judge_pruned),
    "errand: cancel": Move(asked_to_cancel, run_errands, judge_errand(judge_cancelled)),
    "errand: retry": Move(asked_to_retry, run_errands, judge_errand(judge_retried)),
    "sweep: lost": Move(orphaned, sweep_it, judge_back),
    "sweep: ended": Move(with_end, sweep_it, judge_concluded),
    "sweep: adopted": Move(half(with_end, adopt_ended, 1), sweep_it, judge_concluded),
    "sweep: before the commit": Move(half(orphaned, finish_as("exit"), 1), sweep_it, judge_swept("exit")),
    "sweep: after the commit": Move(half(orphaned, finish_as("exit"), 2), sweep_it, judge_swept("exit")),
    "sweep: after the second commit": Move(
        half(attempted_again, finish_as("timed_out"), 2), sweep_it, judge_swept("timed_out")
    ),
    "sweep: set aside": Move(half(invalid, reject_it, 2), sweep_it, judge_rejected),
    "sweep: cancel": Move(half(queued, cancel_it, 2), sweep_it, judge_cancel_swept),
}


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> Callable[[str], Steps]:
    """The steps of a move by its name, found out once."""
    return cache(lambda name: steps_of(tmp_path_factory.mktemp("whole"), MOVES[name]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MOVES)
def test_a_move_that_is_cut_short_loses_nothing(tmp_path, steps, name, way):
    # Given a move and the points at which it can be cut short in this way
    move = MOVES[name]
    points = points_of(way, steps(name))
    # When it is, at each of them, and a watcher comes back
    for point in range(1, points + 1):
        try:
            fate = try_point(tmp_path / str(point), move, way, point)
        except AssertionError as error:
            raise AssertionError(f"{name}, {way} at point {point} of {points}: {error}") from error
        # Then what must be true is (and a process that was cut off did not return)
        assert way not in ("killed", "interrupted") or fate.how == "cut", f"{name} went on at point {point}"


def test_a_move_that_nothing_cuts_short_is_done(tmp_path):
    # Given each move, When it is made to its end, Then it was, and all holds too
    for number, (name, move) in enumerate(MOVES.items()):
        for way in ("killed", "EIO"):
            fate = try_point(tmp_path / f"{number} {way}", move, way, 10_000)
            assert fate.returned, f"{name}: {fate.error}"


@pytest.mark.parametrize("adopted", [False, True])
def test_a_claim_that_a_power_cut_brings_back_is_not_run_again(tmp_path, adopted):
    # Given a job that has ended, and a power cut that kept its record and forgot that its claim went
    create(tmp_path / "spool")
    store = open_store(tmp_path / "spool")
    attempt = start_and_die(store, submitted(store))
    mine = adopt(store, attempt.running, "gpu1") if adopted else attempt.running
    data = store.layout.running(mine).read_bytes()
    conclude_as(store, replace(attempt, running=mine), "succeeded")
    record = record_of(store, mine.stem.uuid)
    store.layout.running(mine).write_bytes(data)
    # When a watcher comes back, Then the claim goes, and the record stays
    recover(store.root)
    assert places(store) == {mine.stem.uuid: [State.COMPLETED]}
    assert record_of(store, mine.stem.uuid) == record


def test_the_suite_looks_at_as_many_points_as_it_did(steps, capsys):
    # Given every move, When its points are counted, Then they are as many as when this was written, or more
    points = {name: sum(points_of(way, steps(name)) for way in WAYS) for name in MOVES}
    total = sum(points.values())
    with capsys.disabled():
        print(f"\ncrash points: {total} ({len(MOVES)} moves, {len(WAYS)} ways)")
    assert total >= POINTS, f"only {total} crash points, {POINTS} were tried before: {points}"


def test_the_suite_notices_a_move_that_loses_a_job(tmp_path):
    # Given a move that removes a job's file on its way
    def lose(store: Store, stem: Stem) -> None:
        store.disk.step("unlink", store.layout.queued(stem))
        os.unlink(store.layout.queued(stem))  # noqa: PTH108
        store.disk.step("create", store.layout.queued(stem))

    bad = Move(queued, lose, judge_claim)
    # When it is cut short after that, Then the suite fails
    with pytest.raises(AssertionError):
        try_point(tmp_path / "spool", bad, "killed", 2)
    assert steps_of(tmp_path / "whole", bad).names == ["unlink", "create"]
