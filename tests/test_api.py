"""The Python API: a spool as an object, every method straight to the disk."""

import os
import subprocess
import sys

import pytest

import spoolq
from spoolq import control, history
from spoolq.api import Spool
from spoolq.errors import JobAmbiguous, JobNotFound, NotAllowed, RequestInvalid, SpoolUnusable, WaitTimeout
from spoolq.find import find
from spoolq.models import JobInfo
from spoolq.scores.choice import Choice
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, submitted
from tests.spooltest.scored import job_id, lm_eval
from tests.spooltest.trees import assert_state, queue, record_of

REQUEST = {"command": ["true"]}


@pytest.fixture
def spool(spool_path) -> Spool:
    return Spool(spool_path)


def run(spool: Spool, job: str, outcome: str = "succeeded", **facts) -> None:
    """Let a queued job run."""
    ended(spool.store, find(spool.store, job).stem, outcome, **facts)


def test_importing_the_package_costs_nothing():
    # Given a fresh interpreter, When spoolq is imported, Then neither pydantic nor the API is
    code = "import sys, spoolq; print('pydantic' in sys.modules, 'spoolq.api' in sys.modules, spoolq.__version__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == f"False False {spoolq.__version__}\n"


def test_the_package_gives_what_it_promises():
    # Given the names that the package lists, When they are asked for, Then they are there, and no other
    assert spoolq.Spool is Spool and spoolq.JobInfo is JobInfo
    assert all(getattr(spoolq, name) is not None for name in spoolq.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = spoolq.Nothing


def test_a_spool_is_made_and_opened(tmp_path):
    # Given nothing, When a spool is opened, Then that fails; When it is made, Then it is there
    with pytest.raises(SpoolUnusable, match="spoolq init"):
        Spool(tmp_path / "spool")
    made = Spool.create(str(tmp_path / "spool"))
    assert made.list() == []
    assert Spool(tmp_path / "spool").list() == []


def test_submitting_gives_the_job_as_it_stands(spool):
    # Given a request with policy in the forms that people write
    info = spool.submit(
        REQUEST, recipe="command", priority="high", timeout="2h", grace=5, max_attempts=2, retry_on=["lost", "exit"]
    )
    # When it is submitted, Then the job comes back, queued; only its place is not told, since that needs a listing
    assert (info.status, info.position_in_queue, info.priority) == (State.QUEUED, None, "high")
    assert (info.request, info.recipe, info.timeout, info.grace) == (REQUEST, "command", 7200, 5)
    assert (info.max_attempts, info.retry_on, info.submitted_by) == (2, ["lost", "exit"], os.getuid())
    assert spool.get(info.job_id) == info.model_copy(update={"position_in_queue": 0})
    assert_state(spool.store, info.job_id, State.QUEUED)


def test_submitting_lists_nothing(spool, monkeypatch):
    # Given a spool that cannot be listed, When a request is submitted, Then it is: a deep queue does not slow it down
    with monkeypatch.context() as patch:
        patch.setattr(spool.store, "names", None)
        patch.setattr(os, "listdir", None)
        info = spool.submit(REQUEST)
        bare = spool.submit_document(REQUEST)
    assert queue(spool.store) == [info.job_id, bare.job_id]
    assert spool.get(bare.job_id) == bare.model_copy(update={"position_in_queue": 1})


def test_a_document_is_submitted_as_it_would_be_dropped(spool):
    # Given a bare request and an envelope, When they are submitted, Then the envelope's policy holds
    bare = spool.submit_document({"command": ["true"]})
    enveloped = spool.submit_document({"request": {"command": ["false"]}, "priority": "urgent", "timeout": "2h"})
    assert queue(spool.store) == [enveloped.job_id, bare.job_id]
    assert enveloped.timeout == 7200
    # and what was asked for is still told when it was cancelled before it ran
    spool.cancel(enveloped.job_id)
    assert spool.get(enveloped.job_id).timeout == 7200


@pytest.mark.parametrize(
    ("request_", "policy", "field"),
    [
        ({}, {}, None),
        ({"command": []}, {}, "command"),
        ({"command": ["true"], "colour": "blue"}, {}, "colour"),
        (REQUEST, {"recipe": "none"}, "recipe"),
        (REQUEST, {"priority": "soon"}, "priority"),
        (REQUEST, {"timeout": "soon"}, "timeout"),
        (REQUEST, {"timeout": 0}, "timeout"),
        (REQUEST, {"timeout": -1}, "timeout"),
        (REQUEST, {"grace": "x"}, "grace"),
        (REQUEST, {"max_attempts": 0}, "max_attempts"),
        (REQUEST, {"retry_on": ["never"]}, "retry_on"),
    ],
)
def test_what_cannot_be_run_is_refused_by_the_name_of_its_field(spool, request_, policy, field):
    # Given a wrong request or policy
    with pytest.raises(RequestInvalid) as caught:
        spool.submit(request_, **policy)
    # When it is submitted, Then the error names the field, and nothing was queued
    assert (caught.value.field or "").split(".")[0] == (field or "")
    assert spool.list() == []


def test_jobs_are_listed_in_the_order_of_service_then_the_newest_first(spool):
    # Given jobs in all states
    done = [spool.submit(REQUEST).job_id for _ in range(3)]
    for job in done:
        run(spool, job)
    failed = spool.submit(REQUEST).job_id
    run(spool, failed, "exit")
    running = spool.submit(REQUEST).job_id
    opened(spool.store, claimed(spool.store, find(spool.store, running).stem))
    low, high = spool.submit(REQUEST, priority="low").job_id, spool.submit(REQUEST, priority="high").job_id
    # When they are listed, Then what runs, what waits in order, what has ended from the newest
    assert [info.job_id for info in spool.list()] == [running, high, low, failed, *done[::-1]]
    assert [info.position_in_queue for info in spool.list()] == [None, 0, 1, None, None, None, None]
    assert [info.job_id for info in spool.list(["completed"], limit=2)] == done[:0:-1]
    assert [info.job_id for info in spool.list([State.QUEUED, State.FAILED])] == [high, low, failed]
    assert len(spool.list(limit=3)) == 3
    assert spool.list([]) == []
    with pytest.raises(ValueError, match="nowhere"):
        spool.list(["nowhere"])


def test_records_are_the_same_as_plain_dictionaries(spool):
    # Given a job that has run, When it is asked for in both forms, Then they tell the same as the disk
    job = spool.submit(REQUEST).job_id
    run(spool, job)
    assert spool.record(job) == record_of(spool.store, job)
    assert JobInfo.model_validate(spool.record(job)) == spool.get(job)
    assert [JobInfo.model_validate(record) for record in spool.records()] == spool.list()


def test_a_position_is_the_place_in_the_queue(spool):
    # Given two jobs, When one is made urgent and then runs, Then the positions follow
    first, second = spool.submit(REQUEST).job_id, spool.submit(REQUEST).job_id
    assert (spool.position(first), spool.position(second)) == (0, 1)
    assert spool.prioritise(second, "urgent") == 0
    assert (spool.position(first), spool.get(first).position_in_queue) == (1, 1)
    run(spool, second)
    with pytest.raises(NotAllowed):
        spool.position(second)


def test_cancel_tells_requested_from_done(spool):
    # Given a queued and a running job
    queued, running = spool.submit(REQUEST).job_id, spool.submit(REQUEST).job_id
    attempt = opened(spool.store, claimed(spool.store, find(spool.store, running).stem))
    # When both are cancelled, Then one is, and the other's runner is asked
    assert spool.cancel(queued) == "cancelled"
    assert spool.cancel(running) == "requested"
    assert (spool.get(queued).status, spool.get(running).status) == (State.CANCELLED, State.RUNNING)
    # and when its runner has done it, there is nothing left to cancel, nor a request
    conclude_as(spool.store, attempt, "cancelled")
    with pytest.raises(NotAllowed):
        spool.cancel(running)
    assert control.read(spool.store).asked == ()


def test_a_retried_job_is_queued_again(spool):
    # Given a job that timed out, When it is retried, Then it waits, and its attempt is remembered
    job = spool.submit(REQUEST, priority="low").job_id
    run(spool, job, "timed_out")
    assert spool.retry(job) == "queued"
    info = spool.get(job)
    assert (info.status, info.priority, info.attempt, info.outcome) == (State.QUEUED, "low", 1, None)


@pytest.mark.parametrize("method", ["get", "record", "position", "cancel", "retry", "history", "log", "output"])
def test_a_job_that_is_not_there_is_always_the_same_error(spool, method):
    # Given an empty spool, When any method names a job, Then the error says that there is none
    with pytest.raises(JobNotFound):
        getattr(spool, method)("1b4e28ba")


def test_an_ambiguous_beginning_is_always_the_same_error(spool):
    # Given so many jobs that two ids begin alike
    jobs = [spool.submit(REQUEST).job_id for _ in range(17)]
    first = next(job[0] for job in jobs if sum(other[0] == job[0] for other in jobs) > 1)
    with pytest.raises(JobAmbiguous):
        spool.get(first)


def test_a_paused_queue_says_since_when_and_why(spool):
    # Given a queue, When it is paused and resumed, each twice, Then each says whether that changed anything
    assert spool.pause("maintenance") is True
    assert spool.pause() is False
    status = spool.status()
    assert status["paused"] is True and status["pause"]["reason"] == "maintenance"
    assert spool.resume() is True
    assert spool.resume() is False
    assert spool.status()["paused"] is False


def test_the_status_counts_every_state(spool):
    # Given jobs in every state and a drop
    store = spool.store
    for outcome in ("succeeded", "exit", "cancelled"):
        ended(store, submitted(store), outcome)
    running = claimed(store, submitted(store)).running
    waiting = [submitted(store), submitted(store)]
    store.layout.drop("job.json").write_text("{}")
    # When the status is asked for, Then it counts them
    status = spool.status()
    assert (status["queue_size"], status["running_job"], status["drops"]) == (2, running.stem.uuid, 1)
    assert status["queued_jobs"] == [stem.uuid for stem in waiting]
    assert (status["completed_jobs"], status["failed_jobs"], status["cancelled_jobs"]) == (1, 1, 1)
    assert [record["position_in_queue"] for record in status["waiting"]] == [0, 1]
    assert [record["job_id"] for record in status["running"]] == [running.stem.uuid]


def test_waiting_gives_the_ended_jobs(spool):
    # Given two jobs of which one has ended, When any, one or both are waited for, Then the right ones come
    first, second = spool.submit(REQUEST).job_id, spool.submit(REQUEST).job_id
    run(spool, second, "exit")
    assert [info.job_id for info in spool.wait([first, second], any_one=True, timeout="1s")] == [second]
    with pytest.raises(WaitTimeout):
        spool.wait([first], timeout="10ms")
    run(spool, first)
    assert [info.outcome for info in spool.wait([first, second])] == ["succeeded", "exit"]


def test_a_jobs_history_log_and_output_are_told(spool):
    # Given a job that has run
    job = spool.submit(REQUEST).job_id
    run(spool, job)
    run_dir = spool.store.root / spool.get(job).run_dir
    # When they are asked for, Then they lie in its run folder
    assert [event["event"] for event in spool.history(job)] == ["claimed", "finished"]
    assert spool.history(job) == history.events(spool.store, find(spool.store, job).stem.key)
    assert (spool.log(job), spool.output(job)) == (run_dir / "log.txt", run_dir / "output")


def test_results_are_the_metrics_of_completed_jobs(spool):
    # Given two jobs with metrics, When results are asked for, Then all of them come, or those that are named
    jobs = [spool.submit(REQUEST).job_id for _ in range(2)]
    for job, value in zip(jobs, (0.25, 0.5), strict=True):
        run(spool, job, metrics={"task": {"acc,none": value}})
    assert [row.value for row in spool.results()] == [0.25, 0.5]
    assert [row.job_id for row in spool.results([jobs[1]])] == [jobs[1]]


def test_pruning_takes_durations_and_states_as_people_write_them(spool):
    # Given three jobs, When they are pruned by age, state and number, Then only what is past all limits goes
    jobs = [spool.submit(REQUEST).job_id for _ in range(3)]
    for job in jobs:
        run(spool, job)
    assert spool.prune(older_than="7d").jobs == {}
    assert spool.prune(keep=2, states=["failed"]).jobs == {}
    assert spool.prune(keep=2, dry_run=True).jobs == {"completed": [jobs[0]]}
    assert spool.prune(keep=2).jobs == {"completed": [jobs[0]]}
    assert len(spool.list()) == 2


def test_a_relative_path_is_as_good_as_an_absolute_one(spool, monkeypatch):
    # Given a spool that is opened by a relative path
    monkeypatch.chdir(spool.store.root.parent)
    relative = Spool("spool")
    # When a job is submitted and run through it, Then the records are the same
    job = relative.submit(REQUEST).job_id
    run(relative, job)
    assert relative.record(job) == spool.record(job)
    assert spool.record(job)["run_dir"] == f"runs/{find(spool.store, job).stem.key}"


def test_two_openings_of_a_spool_see_the_same(spool):
    # Given one spool, opened twice, When one changes a job, Then the other sees it
    other = Spool(spool.store.root)
    job = spool.submit(REQUEST).job_id
    assert other.get(job) == spool.get(job)
    other.cancel(job)
    assert spool.get(job).status is State.CANCELLED


def test_results_are_filtered_and_compared(store):
    # Given two jobs with samples
    lm_eval(store, 1, "a", {"arc": [1, 0, 0, 1]}, labels={"k": "v"})
    lm_eval(store, 2, "b", {"arc": [1, 1, 1, 1]})
    spool = Spool(store.root)
    # When results are asked for, Then jobs, choice and limit count
    assert [row.model for row in spool.results()] == ["a", "b"]
    assert [row.model for row in spool.results(choice=Choice(labels={"k": "v"}))] == ["a"]
    assert [row.model for row in spool.results(limit=1)] == ["b"]
    assert [row.model for row in spool.results([job_id(2), job_id(1)])] == ["b", "a"]
    # and two are compared question by question
    (line,) = spool.compare(job_id(1), job_id(2))
    assert (line.difference, line.paired.n, line.paired.difference) == (0.5, 4, 0.5)
