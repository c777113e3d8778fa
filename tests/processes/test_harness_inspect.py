"""Inspect itself, with a task that brings its own model: success, an error, a cancel and a stranger's interrupt."""

import json
import os
import signal

import pytest

from tests.processes.conftest import Queue, wait_for
from tests.processes.harnesses import SCRIPTS, python_with

pytestmark = [pytest.mark.harness, pytest.mark.timeout(300)]
SUMS = 20


@pytest.fixture
def inspect(queue: Queue) -> Queue:
    queue.interpreter = python_with("inspect_ai", extra="'spoolq[inspect]'")
    queue.start()
    return queue


def submit(queue: Queue, at_once: int = SUMS, **said) -> str:
    """A job with the sums, of which so many are *at_once* with the model; *said* are arguments of its task."""
    request = {"tasks": [f"{SCRIPTS / 'inspect_sums.py'}@sums"], "task_args": said, "max_connections": at_once}
    return queue.spool.submit(request, recipe="inspect", max_attempts=1).job_id


def log_in(queue: Queue, job: str, output: str) -> dict:
    """The only log that Inspect left."""
    (path,) = (queue.spool.log(job).parent / output).glob("*.json")
    return json.loads(path.read_text())


def under_way(queue: Queue, job: str) -> None:
    """Wait until some samples are done, as the record tells it."""
    wait_for(lambda: (seen := queue.spool.get(job).progress) and seen.percent, 90, f"progress; {queue.said()}")


def test_the_scores_of_a_success_are_in_the_record(inspect: Queue):
    # Given a task with an argument that YAML would take for a number, and one with a blank and a colon
    job = submit(inspect, wait=0.01, note="3: 4")
    # When it has run
    ended = inspect.ended(job, timeout=120)
    # Then its scores are those of the log, which got the arguments as they were
    assert (ended.status, ended.outcome) == ("completed", "succeeded"), ended.error
    assert ended.metrics["sums"]["accuracy"] == 0.75 and ended.metrics["sums"]["stderr"] > 0
    log = json.loads((inspect.path / ended.result["sums"]["results"]).read_text())
    assert log["eval"]["task_args_passed"] == {"wait": 0.01, "note": "3: 4"}
    assert len(log["samples"]) == SUMS


def test_an_error_that_inspect_ends_with_0_on_is_a_failure(inspect: Queue):
    # Given a model that breaks, When the job has run, Then exit code 0 does not hide it
    ended = inspect.ended(submit(inspect, fail_at=3), timeout=120)
    assert (ended.status, ended.outcome, ended.exit_code) == ("failed", "no_results", 0)
    assert "'error', not 'success'" in ended.error and "no answer to number 3" in ended.error


def test_a_cancel_keeps_the_samples_that_are_done(inspect: Queue):
    # Given a job that has done some of its samples
    job = submit(inspect, at_once=1, wait=1.5)
    under_way(inspect, job)
    # When it is cancelled
    inspect.spool.cancel(job)
    ended = inspect.until(job, "cancelled", 60)
    # Then Inspect had the time to write what it has, its exit code is 0, and the job is not completed
    assert (ended.outcome, ended.exit_code, ended.result) == ("cancelled", 0, None)
    log = log_in(inspect, job, "output.partial")
    assert log["status"] == "cancelled" and log["samples"]


def test_an_interrupt_by_somebody_else_is_no_success(inspect: Queue):
    # Given a job that has done some of its samples
    job = submit(inspect, at_once=1, wait=1.5)
    under_way(inspect, job)
    # When a stranger interrupts it, so that it ends with 0
    os.kill(inspect.started(job)["evaluation"], signal.SIGINT)
    ended = inspect.ended(job, timeout=60)
    # Then its log's `cancelled` is no result
    assert (ended.status, ended.outcome, ended.exit_code) == ("failed", "no_results", 0)
    assert "'cancelled', not 'success'" in ended.error
