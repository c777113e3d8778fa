"""Several processes at one spool, stopped and killed between two file system calls of any move, against a model."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from spoolq import attempt, claims, finish, history, people, sweep
from spoolq.create import create
from spoolq.finish import terminal_record
from spoolq.jobs import parse_entry
from spoolq.names import PRIORITIES, Claim
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State
from tests.spooltest.jobs import claimed, conclude_as, opened
from tests.spooltest.trees import places, queue, record_of, stem_of
from tests.spooltest.workers import ENDS, SETTINGS, Worker, close_all

#: Examples in the plain suite; SPOOLQ_STATE_EXAMPLES asks for more.
EXAMPLES = int(os.environ.get("SPOOLQ_STATE_EXAMPLES", "12"))
LIMIT = SETTINGS.heartbeat_timeout
levels = st.sampled_from(list(PRIORITIES))
#: Before which file system call of the move to stop; 0: not at all.
stops = st.sampled_from([0, 0, 0, *range(1, 13)])
RUNNERS, PERSON, SWEEPER = (0, 1), 2, 3


@dataclass(frozen=True)
class Job:
    """What the model knows of a job. *owner* is the worker that claimed it, None: dead, or taken over by the sweep."""

    state: State
    claim: str | None = None
    owner: int | None = None
    beaten: bool = False
    """Since the sweep has looked: then it must not be taken for dead."""
    half: bool = False
    """Its end was cut short, so its record may be missing."""
    record: str | None = None


class Model:
    """Who may change what. A change that no order to that worker explains is a fault."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.orders: dict[int, tuple[str, str | None]] = {}

    def of(self, *states: State) -> list[str]:
        return [job for job, known in self.jobs.items() if known.state in states]

    def held(self, worker: int) -> list[str]:
        return [job for job, known in self.jobs.items() if known.owner == worker]

    def explains(self, worker: int, job: str, old: Job | None, state: State) -> bool:
        """Whether *worker*, as it was told, may move *job* to *state*."""
        order, target = self.orders[worker]
        if old is None:
            return order == "submit" and state is State.QUEUED
        if order == "claim":
            return (old.state, state) == (State.QUEUED, State.RUNNING)
        if order == "finish":  # the fence: only the owner, and only of a claim that stands
            return old.state is State.RUNNING and old.owner == worker and state is not State.RUNNING
        if order == "sweep":
            return old.state is State.RUNNING and not old.beaten
        legal = {"cancel": ([State.QUEUED], State.CANCELLED), "retry": ([State.FAILED, State.CANCELLED], State.QUEUED)}
        return order in legal and job == target and old.state in legal[order][0] and state is legal[order][1]

    def see(self, worker: int, seen: dict[str, tuple[State, str | None]], cut: bool) -> None:
        """Take over what is there after *worker* was at work; *cut*: it did not come to the end of its move."""
        assert set(self.jobs) <= set(seen), "a job was lost"
        for job, (state, claim) in seen.items():
            old = self.jobs.get(job)
            if old and (old.state, old.claim) == (state, claim):
                continue
            assert self.explains(worker, job, old, state), f"{self.orders[worker]} of {worker}: {old} became {state}"
            owner = worker if self.orders[worker][0] == "claim" else None
            self.jobs[job] = Job(state, claim, owner, half=cut and state in TERMINAL)


class Processes(RuleBasedStateMachine):
    """Two runners of one slot that no lock keeps apart, a person, and another host's sweep."""

    @initialize()
    def make(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="spoolq-test-")
        create(Path(self.folder, "spool"))
        self.store = Store(Path(self.folder, "spool"), host="host-a", settings=SETTINGS)
        hosts = ["host-a", "host-a", "host-a", "host-b"]
        self.workers = [Worker(self.store.root, host) for host in hosts]
        self.model, self.clock = Model(), 0.0
        self.armed: set[int] = set()
        """The workers that hold an attempt, whether or not its claim still stands."""

    def do(self, number: int, order: str, stop: int = 0, target: str | None = None, **what) -> dict | None:
        """Give an order, and hold that nothing but it has come about."""
        self.model.orders[number] = (order, target)
        return self.watch(number, self.workers[number].ask(order, stop, **what))

    def watch(self, number: int, said: dict | None) -> dict | None:
        seen = {}
        for state in State:
            for name in os.listdir(self.store.layout.state(state)):
                entry = parse_entry(state, name)
                if entry:
                    assert entry.stem.uuid not in seen, f"{entry.stem.uuid} is in two places"
                    seen[entry.stem.uuid] = (state, str(entry.claim) if entry.claim else None)
        self.model.see(number, seen, cut=said is None or "refused" in said)
        order = self.model.orders[number][0]
        if order == "claim" and said and said.get("done"):
            self.armed.add(number)
        if order == "sweep" and said:  # it has looked
            self.model.jobs = {job: replace(known, beaten=False) for job, known in self.model.jobs.items()}
        return said

    def idle(self, *numbers: int) -> list[int]:
        return [number for number in numbers if not self.workers[number].stopped] if hasattr(self, "workers") else []

    def working(self) -> list[int]:
        return [number for number in self.idle(*RUNNERS) if number in self.armed]

    def forget(self, number: int) -> None:
        """The worker knows nothing of its attempt any more, as if it had been killed and started anew."""
        self.armed.discard(number)
        for job in self.model.held(number):
            self.model.jobs[job] = replace(self.model.jobs[job], owner=None)

    @precondition(lambda self: self.idle(PERSON))
    @rule(level=levels, stop=stops)
    def submit(self, level: str, stop: int) -> None:
        said = self.do(PERSON, "submit", stop, level=level)
        assert said is None or self.model.jobs[said["done"]].state is State.QUEUED

    @precondition(lambda self: bool(self.idle(*RUNNERS)))
    @rule(data=st.data(), stop=stops)
    def claim(self, data: st.DataObject, stop: int) -> None:
        number = data.draw(st.sampled_from(self.idle(*RUNNERS)))
        self.forget(number)
        first = queue(self.store)[:1]
        said = self.do(number, "claim", stop)
        if said is not None:
            assert [said["done"]] == (first or [None]), "not the first"
            assert not first or self.model.jobs[first[0]].owner == number

    @precondition(lambda self: bool(self.working()))
    @rule(data=st.data(), outcome=st.sampled_from(sorted(ENDS)), stop=stops)
    def finish(self, data: st.DataObject, outcome: str, stop: int) -> None:
        number = data.draw(st.sampled_from(self.working()))
        mine = self.model.held(number)
        self.armed.discard(number)
        said = self.do(number, "finish", stop, outcome=outcome)
        if said is not None and mine:
            assert "done" in said and self.model.jobs[mine[0]].state is not State.RUNNING
        assert said is None or mine or "refused" in said, "a late owner was not told"

    @precondition(lambda self: bool(self.working()))
    @rule()
    def beat(self) -> None:
        for number in self.working():
            mine = self.model.held(number)
            assert self.workers[number].ask("beat") == {"done": bool(mine)}, "a heartbeat tells whose the claim is"
            for job in mine:  # a sweep that is in the middle of its look may have judged before
                self.model.jobs[job] = replace(self.model.jobs[job], beaten=not self.workers[SWEEPER].stopped)

    @precondition(lambda self: self.idle(PERSON) and self.model.of(State.QUEUED))
    @rule(data=st.data(), stop=stops)
    def cancel(self, data: st.DataObject, stop: int) -> None:
        job = data.draw(st.sampled_from(self.model.of(State.QUEUED)))
        said = self.do(PERSON, "cancel", stop, target=job, job=job)
        assert said is None or "refused" in said or self.model.jobs[job].state is State.CANCELLED

    @precondition(lambda self: self.idle(PERSON) and self.model.of(State.FAILED, State.CANCELLED))
    @rule(data=st.data(), stop=stops)
    def retry(self, data: st.DataObject, stop: int) -> None:
        job = data.draw(st.sampled_from(self.model.of(State.FAILED, State.CANCELLED)))
        said = self.do(PERSON, "retry", stop, target=job, job=job)
        assert said is None or "refused" in said or self.model.jobs[job].state is State.QUEUED

    @precondition(lambda self: self.idle(PERSON) and self.model.of(State.QUEUED))
    @rule(data=st.data(), level=levels, stop=stops)
    def prioritise(self, data: st.DataObject, level: str, stop: int) -> None:
        job = data.draw(st.sampled_from(self.model.of(State.QUEUED)))
        said = self.do(PERSON, "prioritise", stop, target=job, job=job, level=level)
        assert said is None or "refused" in said or stem_of(self.store, job).priority == level

    @precondition(lambda self: self.idle(SWEEPER))
    @rule(late=st.booleans(), stop=stops)
    def sweep(self, late: bool, stop: int) -> None:
        """*late*: long after the last look, so that who has not beaten since then is taken for dead."""
        self.clock += 1.01 * LIMIT if late else 1.0
        self.do(SWEEPER, "sweep", stop, now=self.clock)

    @precondition(lambda self: hasattr(self, "workers") and any(worker.stopped for worker in self.workers))
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([n for n, worker in enumerate(self.workers) if worker.stopped]))
        self.watch(number, self.workers[number].resume())

    @precondition(lambda self: hasattr(self, "workers"))
    @rule(number=st.sampled_from([*RUNNERS, PERSON, SWEEPER]))
    def kill(self, number: int) -> None:
        self.workers[number].restart()
        self.forget(number)

    @invariant()
    def the_queue_is_in_the_order_of_service(self) -> None:
        if hasattr(self, "model"):
            stems = [stem_of(self.store, job) for job in queue(self.store)]
            assert stems == sorted(stems, key=lambda stem: (list(PRIORITIES).index(stem.priority), stem.key))

    @invariant()
    def a_record_is_whole_and_stays(self) -> None:
        for job in self.model.of(*TERMINAL) if hasattr(self, "model") else []:
            known, stem = self.model.jobs[job], stem_of(self.store, job)
            record = terminal_record(self.store.layout.terminal(known.state, stem.key))
            if record is None:
                assert known.half, f"{known} has no record"
            if record is None or history.was_retried(history.events(self.store, stem.key), record):
                continue  # of an end before a retry, or of one that was about to be retried
            said = json.dumps(record_of(self.store, job))
            assert known.record in (None, said), "a record was replaced"
            self.model.jobs[job] = replace(known, record=said)

    def teardown(self) -> None:
        if not hasattr(self, "workers"):
            return
        try:
            close_all(self.workers)
            self.come_back()
        finally:
            shutil.rmtree(self.folder)

    def come_back(self) -> None:
        """All are dead: another host takes everything over, and runs what is left; then each job has ended, whole."""
        store = Store(self.store.root, host="host-c", settings=SETTINGS)
        now = [0.0]
        sweeper = sweep.Sweep(store, frozenset(), lambda _line: None, clock=lambda: now[0])
        for now[0] in (0.0, LIMIT, 2 * LIMIT):
            sweeper.turn()
        assert os.listdir(store.layout.state(State.RUNNING)) == []
        for job in queue(store):
            conclude_as(store, opened(store, claimed(store, stem_of(store, job))), "succeeded")
        found = places(store)
        assert set(found) == set(self.model.jobs)
        assert all(len(states) == 1 and states[0] in TERMINAL for states in found.values()), found
        for job in found:
            attempts = history.events(store, stem_of(store, job).key)
            made = {event["nonce"] for event in attempts if event["event"] == "claimed"}
            assert len(made) <= record_of(store, job)["attempt"] + sum(e["event"] == "retried" for e in attempts)


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# What the machine must notice: each takes one rule out of the code, before the workers are forked.


def no_nonce(patch) -> None:
    """A claim is named by host and slot alone."""
    patch.setattr(claims, "new_claim", lambda host, slot: Claim(host, "gpu0", "00000000"))


def no_fence(patch) -> None:
    """A finish moves the job's file wherever it is."""
    whole = finish._commit

    def commit(store, source, target, running, record) -> None:
        for folder in (State.RUNNING, State.QUEUED):
            for name in os.listdir(store.layout.state(folder)):
                if running.stem.uuid in name and name.endswith(".json"):
                    source = store.layout.state(folder) / name
        whole(store, source, target, running, record)

    patch.setattr(finish, "_commit", commit)
    patch.setattr(attempt, "stands", lambda store, running: True)


def no_heartbeat(patch) -> None:
    """A heartbeat always looks the same, so a living owner is taken for dead."""
    patch.setattr(sweep.Sweep, "_beat", lambda self, running: None)


def careless_cancel(patch) -> None:
    """A cancel removes the job's file, then writes the record."""

    def cancel(store, source, running, record, **_options) -> None:
        store.disk.step("unlink", source)
        source.unlink()
        target = store.layout.terminal(State.CANCELLED, running.stem.key)
        store.disk.write_new(target, json.dumps(record).encode())

    patch.setattr(people, "finish", cancel)


class Always:
    """Stands in for the data that Hypothesis draws."""

    def __init__(self, value: object) -> None:
        self.value = value

    def draw(self, _strategy: object) -> object:
        return self.value


def a_late_owner(machine: Processes) -> None:
    """The first runner is taken for dead, the second runs the job, and the first finishes."""
    machine.submit("normal", 0)
    machine.claim(Always(0), 0)
    machine.sweep(False, 0)
    machine.sweep(True, 0)
    machine.claim(Always(1), 0)
    machine.finish(Always(0), "exit", 0)


def a_living_owner(machine: Processes) -> None:
    """An owner beats, and the sweep looks long after."""
    machine.submit("normal", 0)
    machine.claim(Always(0), 0)
    machine.sweep(False, 0)
    machine.beat()
    machine.sweep(True, 0)


def a_slow_cancel(machine: Processes) -> None:
    """A person who cancels is stopped on the way, before each call in turn."""
    for stop in range(1, 6):
        machine.submit("normal", 0)
        (job, *_) = machine.model.of(State.QUEUED)
        machine.cancel(Always(job), stop)
        if machine.workers[PERSON].stopped:
            machine.go_on(Always(PERSON))


#: Each of them, the way to it, and what the model then says.
FAULTS = [
    (no_nonce, a_late_owner, "('finish', None) of 0"),
    (no_fence, a_late_owner, "('finish', None) of 0"),
    (no_heartbeat, a_living_owner, "('sweep', None) of 3"),
    (careless_cancel, a_slow_cancel, "a job was lost"),
]


@pytest.mark.parametrize(("fault", "way", "said"), FAULTS, ids=lambda what: getattr(what, "__name__", ""))
def test_the_model_notices_a_rule_that_is_missing(monkeypatch, fault, way, said):
    # Given processes of the code as it is, When they go a certain way, Then the model has nothing to say
    walk(way)
    # Given the code without one of its rules, When they go the same way, Then it says what may not be
    fault(monkeypatch)
    with pytest.raises(AssertionError) as found:
        walk(way)
    assert said in str(found.value)


def walk(way: Callable[[Processes], None]) -> None:
    machine = Processes()
    machine.make()
    try:
        way(machine)
    finally:
        close_all(machine.workers)
        shutil.rmtree(machine.folder)
