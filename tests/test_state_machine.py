"""The whole store against a model of it: any order of moves, by hand, by machine and with kills in between."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spoolq import requests
from spoolq.admit import Admission
from spoolq.attempt import Attempt
from spoolq.claims import adopt, claim, reclaim, requeue
from spoolq.create import create
from spoolq.find import find, position
from spoolq.names import PRIORITIES
from spoolq.people import cancel, prioritise, retry
from spoolq.prune import prune
from spoolq.replay import replay
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import TERMINAL, State
from tests.spooltest.faults import Steps, observed
from tests.spooltest.jobs import REQUEST, STATE_OF, conclude_as, opened
from tests.spooltest.trees import places, queue, record_of, running_file, set_aside_bytes, stem_of
from tests.spooltest.waiting import pass_tick

LEVELS = list(PRIORITIES)
levels = st.sampled_from(LEVELS)
outcomes = st.sampled_from(sorted(STATE_OF))


@dataclass
class ModelJob:
    """What must be true of one job."""

    state: State
    level: str
    place: int
    data: bytes
    outcome: str | None = None
    ended: int = 0


@dataclass
class Model:
    """The queue as it should be: jobs by id, drops by name, and a clock that counts."""

    jobs: dict[str, ModelJob] = field(default_factory=dict)
    drops: dict[str, ModelJob] = field(default_factory=dict)
    clock: int = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def of(self, *states: State) -> list[str]:
        return [job for job, known in self.jobs.items() if known.state in states]

    def queue(self) -> list[str]:
        def rank(job: str) -> tuple[int, int]:
            return LEVELS.index(self.jobs[job].level), self.jobs[job].place

        return sorted(self.of(State.QUEUED), key=rank)

    def end(self, job: str, state: State, outcome: str) -> None:
        known = self.jobs[job]
        known.state, known.outcome, known.ended = state, outcome, self.tick()

    def retriable(self) -> list[str]:
        return [job for job in self.of(State.FAILED, State.CANCELLED) if self.jobs[job].outcome != "invalid"]


class Killed(BaseException):
    """Ends a move in the middle, as SIGKILL would."""


class Queue(RuleBasedStateMachine):
    """Every move there is, made by the code and in the model."""

    @initialize(first=st.lists(levels, min_size=2, max_size=6))
    def make(self, first: list[str]) -> None:
        self.folder = tempfile.mkdtemp(prefix="spoolq-test-")
        create(Path(self.folder, "spool"))
        quick = Settings(durability="process", settle=0.0)
        self.store = Store(Path(self.folder, "spool"), host="host-a", settings=quick)
        self.admission = Admission(self.store, lambda document, uid: requests.accept(document, uid, quick))
        self.model = Model()
        self.attempts: dict[str, Attempt] = {}
        for level in first:
            self.submit_one(level)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def pick(self, data: st.DataObject, *states: State) -> str:
        return data.draw(st.sampled_from(self.model.of(*states)))

    def has(self, *states: State) -> bool:
        return hasattr(self, "model") and bool(self.model.of(*states))

    @rule(level=levels)
    def submit(self, level: str) -> None:
        self.submit_one(level)

    def submit_one(self, level: str) -> None:
        pass_tick()
        stem = publish(self.store, REQUEST, level)
        content = self.store.layout.queued(stem).read_bytes()
        self.model.jobs[stem.uuid] = ModelJob(State.QUEUED, level, self.model.tick(), content)

    @rule(level=levels, valid=st.booleans())
    def drop(self, level: str, valid: bool) -> None:
        content = json.dumps({"request": REQUEST if valid else {"command": []}, "priority": level}).encode()
        name = f"drop {len(self.model.drops)} {self.model.clock}.json"
        pass_tick()
        self.store.layout.drop(name).write_bytes(content)
        state = State.QUEUED if valid else State.FAILED
        level = level if valid else "normal"
        self.model.drops[name] = ModelJob(state, level, self.model.tick(), content, None if valid else "invalid")

    @rule()
    def admit(self) -> None:
        assert self.admission.turn() == len(self.model.drops)
        for name, job in self.model.drops.items():
            job.ended = self.model.tick()
            self.model.jobs[find(self.store, name).stem.uuid] = job
        self.model.drops.clear()

    @precondition(lambda self: self.has(State.QUEUED))
    @rule()
    def claim_the_first(self) -> None:
        job = self.model.queue()[0]
        taken = claim(self.store, find(self.store, job).stem, "gpu0")
        assert taken is not None and taken.fault is None
        self.attempts[job] = opened(self.store, taken)
        self.model.jobs[job].state = State.RUNNING

    @precondition(lambda self: self.has(State.QUEUED))
    @rule(outcome=outcomes, killed=st.booleans())
    def run_the_first(self, outcome: str, killed: bool) -> None:
        self.claim_the_first()
        self.end(list(self.attempts)[-1], outcome, killed)

    @precondition(lambda self: self.has(State.RUNNING))
    @rule(data=st.data(), started=st.booleans())
    def requeue(self, data: st.DataObject, started: bool) -> None:
        attempt = self.attempts.pop(self.pick(data, State.RUNNING))
        requeue(self.store, attempt.running, "stopped", nonce=attempt.origin, started=started)
        self.model.jobs[attempt.running.stem.uuid].state = State.QUEUED

    @precondition(lambda self: self.has(State.RUNNING))
    @rule(data=st.data())
    def adopt_and_reclaim(self, data: st.DataObject) -> None:
        attempt = self.attempts.pop(self.pick(data, State.RUNNING))
        mine = adopt(self.store, attempt.running, "gpu1")
        reclaim(self.store, mine, "lost", nonce=attempt.origin, attempt=attempt.number)
        self.model.jobs[mine.stem.uuid].state = State.QUEUED

    @precondition(lambda self: self.has(State.RUNNING))
    @rule(data=st.data(), outcome=outcomes, killed=st.booleans())
    def finish(self, data: st.DataObject, outcome: str, killed: bool) -> None:
        self.end(self.pick(data, State.RUNNING), outcome, killed)

    def end(self, job: str, outcome: str, killed: bool) -> None:
        attempt = self.attempts.pop(job)
        if killed:
            self.die_before_the_record(lambda: conclude_as(self.store, attempt, outcome))
        else:
            conclude_as(self.store, attempt, outcome)
        self.model.end(job, STATE_OF[outcome], outcome)

    @precondition(lambda self: self.has(State.QUEUED))
    @rule(data=st.data(), killed=st.booleans())
    def cancel(self, data: st.DataObject, killed: bool) -> None:
        job = self.pick(data, State.QUEUED)
        entry = find(self.store, job)
        if killed:
            self.die_before_the_record(lambda: cancel(self.store, entry))
        else:
            assert cancel(self.store, entry) == "cancelled"
        self.model.end(job, State.CANCELLED, "cancelled")

    def die_before_the_record(self, move) -> None:
        """Kill *move* between its commit and its record, and let a sweep find what it left."""

        def kill() -> None:
            if steps.names.count("rename") == 2:
                raise Killed

        class Deadly(Steps):
            def __call__(self, step: str, path: Path) -> None:
                super().__call__(step, path)
                if step == "rename":
                    kill()

        steps = Deadly()
        try:
            with observed(self.store, steps):
                move()
            raise AssertionError("it should have been killed")
        except Killed:
            assert replay(self.store) == 1

    @precondition(lambda self: hasattr(self, "model") and bool(self.model.retriable()))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.model.retriable()))
        known = self.model.jobs[job]
        known.data = self.store.layout.terminal(known.state, stem_of(self.store, job).key).read_bytes()
        retry(self.store, find(self.store, job))
        known.state, known.outcome = State.QUEUED, None

    @precondition(lambda self: self.has(State.QUEUED))
    @rule(data=st.data(), level=levels)
    def prioritise(self, data: st.DataObject, level: str) -> None:
        job = self.pick(data, State.QUEUED)
        prioritise(self.store, find(self.store, job), level)
        self.model.jobs[job].level = level

    @precondition(lambda self: hasattr(self, "model") and len(self.model.of(*TERMINAL)) > 3)
    @rule(keep=st.integers(0, 4), states=st.lists(st.sampled_from(TERMINAL), min_size=1, unique=True))
    def prune(self, keep: int, states: list[State]) -> None:
        report = prune(self.store, keep=keep, states=states)
        newest_first = sorted(self.model.of(*states), key=lambda job: -self.model.jobs[job].ended)
        assert sorted(job for jobs in report.jobs.values() for job in jobs) == sorted(newest_first[keep:])
        for job in newest_first[keep:]:
            del self.model.jobs[job]

    @invariant()
    def every_job_is_in_exactly_one_state(self) -> None:
        if hasattr(self, "model"):
            assert places(self.store) == {job: [known.state] for job, known in self.model.jobs.items()}

    @invariant()
    def the_queue_is_in_the_order_of_service_and_a_position_is_an_index(self) -> None:
        if hasattr(self, "model"):
            order = queue(self.store)
            assert order == self.model.queue()
            assert [position(self.store, job) for job in order] == list(range(len(order)))

    @invariant()
    def what_waits_or_runs_is_byte_for_byte_what_was_submitted(self) -> None:
        for job in self.model.of(State.QUEUED) if hasattr(self, "model") else []:
            assert self.store.layout.queued(stem_of(self.store, job)).read_bytes() == self.model.jobs[job].data
        for job in self.model.of(State.RUNNING) if hasattr(self, "model") else []:
            assert running_file(self.store, job).read_bytes() == self.model.jobs[job].data

    @invariant()
    def what_has_ended_has_its_whole_record(self) -> None:
        for job in self.model.of(*TERMINAL) if hasattr(self, "model") else []:
            record = record_of(self.store, job)
            assert record["outcome"] == self.model.jobs[job].outcome
            if record["outcome"] == "invalid":
                assert set_aside_bytes(self.store, stem_of(self.store, job).key) == self.model.jobs[job].data
            else:
                assert record["priority"] == self.model.jobs[job].level and record["request"]["command"] == ["true"]

    @invariant()
    def nothing_is_left_behind(self) -> None:
        if hasattr(self, "model"):
            assert os.listdir(self.store.layout.tmp) == []


TestQueue = Queue.TestCase
TestQueue.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
