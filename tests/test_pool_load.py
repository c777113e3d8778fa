"""The two files of an eval-jobqueue, taken over as they are, once however often."""

import json
import os

import pytest

from spoolq import lock
from spoolq.create import create
from spoolq.errors import LockTimeout, NotAllowed, RequestInvalid
from spoolq.find import find
from spoolq.jobs import describe
from spoolq.pool_load import Loaded, load
from spoolq.pools import acquire, shelves
from spoolq.settings import Settings
from spoolq.stock import add, pools
from spoolq.store import Store
from spoolq.transitions import State
from spoolq.workers import Workers
from tests.spooltest.crashes import recover
from tests.spooltest.faults import Steps, observed
from tests.spooltest.jobs import say, submitted
from tests.spooltest.trees import places, record_of
from tests.spooltest.users import in_child

CUT = 9
RESOURCES = {"a_1": [{"host": "h", "port": 1}, {"host": "h", "port": 2}], "b_1": [{"host": "g", "port": 1}]}
#: As the generator writes it, and as the server rewrites it after its first change.
JOBS = [
    {"id": 0, "payload": {"team": "A", "task": "t"}, "resource_type": "a_1"},
    {"id": 1, "payload": {"team": "A", "task": "u"}, "resource_type": "a_1", "status": "in_progress",
     "assigned_to": "w", "assigned_at": 1.5, "last_heartbeat": 2.5, "attempts": 2},
    {"id": "2", "payload": {}, "resource_type": "b_1", "status": "done", "assigned_to": None, "attempts": 3},
    {"payload": {"x": [1, None]}, "resource_type": "none"},
]  # fmt: skip


def by_id(store):
    """The records of all jobs that have an id of another queue."""
    found = {}
    for job in places(store):
        record = describe(store, find(store, job))
        if record["external_id"] is not None:
            assert record["external_id"] not in found, "a job is there twice"
            found[record["external_id"]] = record
    return found


def test_the_two_files_are_taken_over(store):
    # Given the files, When they are loaded, Then resources and jobs are there as they were
    report = load(store, RESOURCES, JOBS)
    assert report == Loaded(3, 0, 3, 1, 0, {"none": 1})
    assert {pool.kind: [row.resource for row in pool.resources] for pool in pools(store)} == RESOURCES
    jobs = by_id(store)
    assert {job: (record["status"], record["attempt"]) for job, record in jobs.items()} == {
        "0": ("queued", 0),
        "1": ("queued", 2),
        "2": ("completed", 3),
        "3": ("queued", 0),
    }
    assert jobs["1"]["request"] == {"team": "A", "task": "u"} and jobs["1"]["resource_type"] == "a_1"
    done = record_of(store, jobs["2"]["job_id"])
    assert (done["outcome"], done["recipe"], done["resource_type"], done["request"]) == (
        "succeeded",
        "worker",
        "b_1",
        {},
    )
    # and they are served
    workers = Workers(store, say)
    assert [workers.take("w").job_id for _ in range(2)] == ["0", "1"]
    assert workers.take("w") is None


def test_loading_again_adds_nothing(store):
    # Given what was loaded, of which a job is running, one has ended, and a resource is leased
    submitted(store)
    load(store, RESOURCES, JOBS)
    workers = Workers(store, say)
    workers.take("w")
    workers.done("0", "w", None, None)
    workers.take("w")
    acquire(store, "a_1", "w", "1")
    before = by_id(store)
    # When the files are loaded again, Then all is as it was
    assert load(store, RESOURCES, JOBS) == Loaded(0, 3, 0, 0, 4, {"none": 1})
    assert by_id(store) == before
    assert shelves(store)["a_1"].total == 2
    # When a longer file is loaded, Then what is new is added
    more = {"a_1": [*RESOURCES["a_1"], {"host": "h", "port": 2}], "none": [{}]}
    report = load(store, more, [*JOBS, {"id": 9, "payload": {}, "resource_type": "a_1"}])
    assert report == Loaded(2, 2, 1, 0, 4, {})


def test_equal_resources_are_several(store):
    # Given a list with the same resource twice, one of which is there, When it is loaded, Then it is there twice
    add(store, "a", {"p": 1, "q": 2})
    assert load(store, {"a": [{"q": 2, "p": 1}, {"p": 1, "q": 2}]}).resources == 1
    assert shelves(store)["a"].total == 2


def test_an_id_of_another_job_is_refused(store):
    # Given a job with an id, When another one is loaded under it, Then nothing is
    load(store, RESOURCES, JOBS)
    before = by_id(store)
    with pytest.raises(NotAllowed, match="another job with the id '0'"):
        load(
            store, {"c": [{}]}, [{"id": 8, "payload": {}, "resource_type": "c"}, {**JOBS[0], "payload": {"team": "B"}}]
        )
    assert by_id(store) == before and "c" not in shelves(store)


@pytest.mark.parametrize(
    ("resources", "jobs", "said"),
    [
        ([], [], "must be an object"),
        ({"a": {}}, [], "must be a list"),
        ({"a": []}, [], "No resources defined for type a"),
        ({"a": [1]}, [], r"a\[0\] must be an object"),
        ({"a/b": [{}]}, [], "a type's name is"),
        ({"a": [{"x": float("nan")}]}, [], r"resource a\[0\]"),
        ({"a": [{"x": "y" * 70_000}]}, [], "larger than"),
        ({}, {}, "must be a list"),
        ({}, "[]", "must be a list"),
        ({}, [1], "job 0: it must be an object"),
        ({}, [{"resource_type": "a", "payload": [1]}], "its payload must be an object"),
        ({}, [{"payload": {}}], "it has no resource_type"),
        ({}, [{"resource_type": "a/b"}], "resource_type"),
        ({}, [{"resource_type": "a", "id": ""}], "external_id"),
        ({}, [{"resource_type": "a", "attempts": "many"}], "its attempts are no number"),
        ({}, [{"resource_type": "a", "attempts": -1}], "attempts_before"),
        ({}, [{"resource_type": "a", "id": 1}, {"resource_type": "a", "id": "1"}], "the id '1' stands twice"),
        ({}, [{"resource_type": "a", "payload": {"x": float("inf")}}], "cannot load job 0"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_anything_is_added(store, resources, jobs, said):
    # Given files with one fault behind good entries
    good = {"good": [{}]}
    resources = good | resources if isinstance(resources, dict) else resources
    jobs = [{"resource_type": "good", "id": "g"}, *jobs] if isinstance(jobs, list) and jobs else jobs
    said = said.replace("job 0", "job 1")
    # When they are loaded, Then the fault is told, and nothing is there
    with pytest.raises(RequestInvalid, match=said):
        load(store, resources, jobs)
    assert shelves(store) == {} and places(store) == {}


def test_attempts_may_be_written_as_text(store):
    load(store, {"a": [{}]}, [{"resource_type": "a", "attempts": "2"}])
    assert by_id(store)["0"]["attempt"] == 2


def test_two_loads_wait_for_one_another(store):
    # Given somebody who loads, When another does, Then it waits for its turn and gives up after a while
    store.settings = Settings(lock_timeout=0.05)
    with lock.held(store.layout.load_lock, 1.0), pytest.raises(LockTimeout):
        load(store, RESOURCES, JOBS)
    load(store, RESOURCES, JOBS)
    assert len(by_id(store)) == 4


def test_what_is_no_job_is_passed_over(store):
    # Given files in the way that are torn, or mention such ids
    store.layout.drop("x.json").write_text('{"external_id": "0"}')
    stem = submitted(store)
    store.layout.queued(stem).write_text('{"external_id": "0"')
    other = submitted(store)
    store.layout.queued(other).write_text('["external_id"]')
    # When the files are loaded, Then all of them
    assert load(store, RESOURCES, JOBS).pending == 3


def test_a_load_that_is_cut_short_anywhere_is_finished_by_the_next(tmp_path):
    # Given a load
    settings = Settings(durability="process")

    def fresh(name):
        create(tmp_path / name)
        return Store(tmp_path / name, host="host-a", settings=settings)

    whole = fresh("whole")
    with observed(whole, Steps()) as steps:
        load(whole, RESOURCES, JOBS)
    for number in range(1, len(steps.seen) + 1):
        store = fresh(f"cut{number}")

        def run(at=number, root=store.root):
            own = Store(root, host="host-a", settings=settings)
            own.disk.step = Steps(at, lambda: os._exit(CUT))
            load(own, RESOURCES, JOBS)

        # When it is killed before one of its calls, and then made again
        assert in_child(run) == CUT
        report = load(store, RESOURCES, JOBS)
        # Then all is there, once
        assert report.resources + report.resources_known == 3
        assert report.pending + report.done + report.jobs_known == 4
        assert {job: record["status"] for job, record in by_id(store).items()} == {
            "0": "queued",
            "1": "queued",
            "2": "completed",
            "3": "queued",
        }
        assert {kind: shelf.total for kind, shelf in shelves(store).items()} == {"a_1": 2, "b_1": 1}
        # and what was under way is cleared away
        assert os.listdir(recover(store.root).layout.tmp) == []


def test_a_record_that_was_loaded_is_a_valid_envelope(store):
    # Given a done job that was loaded, When its record is read, Then everything that a record has is there
    load(store, RESOURCES, JOBS)
    job = by_id(store)["2"]["job_id"]
    path = store.layout.terminal(State.COMPLETED, find(store, job).stem.key)
    assert json.loads(path.read_text())["attempts_before"] == 3
    assert store.names(State.COMPLETED) == [path.name]
