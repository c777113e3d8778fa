"""Pools against a model of them: any order of moves by several workers, each perhaps cut short at any of its steps."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from spoolq.create import create
from spoolq.errors import LeaseLost, NoneFree, NotAllowed, PoolUnknown
from spoolq.pools import acquire, expire, heartbeat, heartbeat_all, release, shelves
from spoolq.settings import Settings
from spoolq.stock import add, drain, remove
from spoolq.store import Store
from tests.spooltest.faults import Steps, observed
from tests.spooltest.shelves import Holders, age, holders

KIND = "a_1"
TIMEOUT = 1000.0
workers = st.sampled_from(["w", "v", "u@x/1"])
jobs = st.sampled_from(["1", "2"])
numbers = st.integers(0, 4)
#: Before which call of a move everything stops; mostly before none.
cuts = st.none() | st.none() | st.integers(1, 8)


class Cut(BaseException):
    """The end of everything, as a kill is; what is cleared away on the way out is cleared by the test's own disk."""


def stop() -> None:
    raise Cut


class Pools(RuleBasedStateMachine):
    """One type. The model: who has which resource, how long ago its holder was heard, and whether it is drained."""

    @initialize(count=st.integers(0, 3))
    def begin(self, count: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="spoolq-pools-"))
        create(self.folder / "spool")
        self.store = Store(self.folder / "spool", settings=Settings(durability="process"), host="host-a")
        self.have: Holders = {}
        self.silent: dict[int, float] = {}
        self.draining = False
        for _ in range(count):
            self.add(None)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def try_it(self, cut: int | None, move: Callable[[], object]) -> tuple[str, object]:
        """How a move ended: ``done`` with its answer, ``refused`` with the error, or ``cut``."""
        if cut is None:
            try:
                return "done", move()
            except (LeaseLost, NoneFree, NotAllowed, PoolUnknown) as error:
                return "refused", error
        with observed(self.store, Steps(cut, stop)):
            try:
                return self.try_it(None, move)
            except Cut:
                return "cut", None

    def seen(self) -> Holders:
        pool = self.store.layout.pool(KIND)
        return holders(self.store, KIND) if pool.is_dir() else {}

    @rule(cut=cuts)
    def add(self, cut: int | None) -> None:
        number = max(self.have, default=-1) + 1
        how, answer = self.try_it(cut, lambda: add(self.store, KIND, {"host": "h", "port": number}))
        if how == "done":
            assert answer == number
        if how == "done" or number in self.seen():
            self.have[number] = None

    @rule(worker=workers, job=jobs, cut=cuts)
    def acquire(self, worker: str, job: str, cut: int | None) -> None:
        mine = [number for number, holder in self.have.items() if holder == (worker, job)]
        free = [number for number, holder in sorted(self.have.items()) if holder is None]
        expected = mine or ([] if self.draining else free[:1])
        how, answer = self.try_it(cut, lambda: acquire(self.store, KIND, worker, job))
        if how == "done":
            assert [answer.index] == expected and answer.fresh == (not mine)
        elif how == "refused":
            assert expected == [] and isinstance(answer, NoneFree if self.have else PoolUnknown)
        if expected and (how == "done" or self.seen()[expected[0]] == (worker, job)):
            self.have[expected[0]] = (worker, job)
            if how == "done" or not mine:
                self.silent[expected[0]] = 0.0
            else:  # cut before or after it was touched
                self.beat_somehow(expected[0])

    @rule(worker=workers, job=jobs, number=numbers, cut=cuts)
    def release(self, worker: str, job: str, number: int, cut: int | None) -> None:
        mine = self.have.get(number) == (worker, job)
        how, answer = self.try_it(cut, lambda: release(self.store, KIND, worker, job, number))
        assert (how == "done" and mine) or (how == "refused" and not mine) or how == "cut", answer
        if mine and (how == "done" or self.seen()[number] is None):
            self.have[number] = None

    @rule(worker=workers, job=jobs, number=numbers, cut=cuts)
    def heartbeat(self, worker: str, job: str, number: int, cut: int | None) -> None:
        mine = self.have.get(number) == (worker, job)
        how, _ = self.try_it(cut, lambda: heartbeat(self.store, KIND, worker, job, number))
        assert how == "cut" or (how == "done") == mine
        if mine:
            self.beat_somehow(number)

    @rule(worker=workers, cut=cuts)
    def heartbeat_all(self, worker: str, cut: int | None) -> None:
        mine = [number for number, holder in self.have.items() if holder is not None and holder[0] == worker]
        how, answer = self.try_it(cut, lambda: heartbeat_all(self.store, worker))
        assert how == "cut" or answer == ({KIND: len(mine)} if mine else {})
        for number in mine:
            self.beat_somehow(number)

    def beat_somehow(self, number: int) -> None:
        """Make sure that a lease is young: a move that was cut may have touched it or not."""
        holder = self.have[number]
        assert holder is not None
        heartbeat(self.store, KIND, *holder, number)
        self.silent[number] = 0.0

    # No sum of these is near the time-out: while the model's time stands still, the disk's goes on.
    @rule(seconds=st.sampled_from([1.0, TIMEOUT * 0.4, TIMEOUT + 100]))
    def pass_time(self, seconds: float) -> None:
        if self.store.layout.pool(KIND).is_dir():
            age(self.store, seconds, KIND)
        self.silent = {number: before + seconds for number, before in self.silent.items()}

    @rule(cut=cuts)
    def expire(self, cut: int | None) -> None:
        now = self.store.server_time()
        due = {n for n, holder in self.have.items() if holder is not None and self.silent[n] > TIMEOUT}
        how, answer = self.try_it(cut, lambda: [lease.index for _, lease in expire(self.store, TIMEOUT, now)])
        if how == "done":
            assert set(answer) == due
        for number in due if how == "done" else {n for n in due if self.seen()[n] is None}:
            self.have[number] = None

    @rule(on=st.booleans(), cut=cuts)
    def drain(self, on: bool, cut: int | None) -> None:
        how, answer = self.try_it(cut, lambda: drain(self.store, KIND, on))
        assert how == "cut" or (answer == (on != self.draining) if self.have else isinstance(answer, PoolUnknown))
        self.learn_whether_it_is_drained()

    def learn_whether_it_is_drained(self) -> None:
        self.draining = self.store.layout.draining(KIND).exists()

    @rule(number=st.none() | numbers, cut=cuts)
    def remove(self, number: int | None, cut: int | None) -> None:
        chosen = [n for n in self.have if number in (None, n)]
        free = [n for n in chosen if self.have[n] is None]
        how, answer = self.try_it(cut, lambda: remove(self.store, KIND, number))
        if how == "done":
            assert free == chosen != [] and answer == len(free)
        elif how == "refused":
            assert isinstance(answer, NotAllowed if chosen else PoolUnknown)
            assert not chosen or free != chosen
        there = self.seen()
        gone = set(free) - set(there)
        assert how == "cut" or gone == set(free)
        for n in gone:
            del self.have[n]
        self.learn_whether_it_is_drained()

    @invariant()
    def the_disk_shows_the_model(self) -> None:
        if not hasattr(self, "have"):
            return
        assert self.seen() == self.have
        shelf = shelves(self.store).get(KIND)
        assert (shelf.total if shelf else 0) == len(self.have)
        if shelf is not None:
            assert shelf.draining == self.draining

    @invariant()
    def nothing_is_left_in_tmp_but_what_was_cut(self) -> None:
        if hasattr(self, "store"):
            for path in self.store.layout.tmp.iterdir():
                assert path.name.endswith((".resource", ".probe"))
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()


TestPools = Pools.TestCase
TestPools.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
