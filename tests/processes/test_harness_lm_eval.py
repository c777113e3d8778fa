"""lm-eval itself: an unknown task, a model on the CPU, and a second attempt that does only the rest."""

import contextlib
import os
import re
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.processes.conftest import Queue, wait_for
from tests.processes.harnesses import OFFLINE, ON_CPU, TASKS, python_with, small_model

pytestmark = [pytest.mark.harness, pytest.mark.timeout(400)]
HF = {"extra": "torch 'lm-eval[hf]'"}
#: Requests of the task with four choices to each of its questions, and how many of them are there twice.
ALL, TWICE = 160, 4
_BAR = re.compile(r"Running loglikelihood requests:[^|]*\|[^|]*\|\s*([0-9]+)/([0-9]+)")


def request(model: Path, **said) -> dict:
    return {
        "model": "hf",
        "model_args": {"pretrained": str(model)},
        "tasks": ["spoolq_choice"],
        "include_path": str(TASKS),
        "device": "cpu",
        "batch_size": 1,
        **said,
    }


def work(log: Path) -> tuple[int, int]:
    """How many requests the last bar of the work has done, of how many; zeros before there is one."""
    found = _BAR.findall(log.read_text(errors="replace")) if log.exists() else []
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


def answered(run: Path) -> int:
    """The answers in the only cache of a run."""
    (cache,) = (run / "cache").glob("*.db")
    with contextlib.closing(sqlite3.connect(cache)) as opened:
        return int(opened.execute("select count(*) from unnamed").fetchone()[0])


def test_a_task_that_is_not_there_fails_with_what_the_harness_says(queue: Queue):
    queue.interpreter = python_with("lm_eval", extra="'spoolq[demo]'", required=True)
    queue.start(env=OFFLINE)
    # Given a request for a task that nobody has, When it has run
    said = {"model": "dummy", "tasks": ["no_such_task"], "include_path": str(TASKS)}
    ended = queue.ended(queue.spool.submit(said, recipe="lm-eval").job_id, timeout=120)
    # Then it failed by its exit code, the reason is in the record, and it was not tried again
    assert (ended.status, ended.outcome, ended.attempt) == ("failed", "exit", 1)
    assert "no_such_task" in ended.error


def test_a_model_on_the_cpu_is_evaluated(queue: Queue, tmp_path: Path):
    queue.interpreter = python_with("lm_eval", "torch", "transformers", **HF)
    model = small_model(queue.interpreter, tmp_path / "model", 2, 32)
    queue.start(env=ON_CPU)
    # Given both kinds of task, When they have run
    said = request(model, tasks=["spoolq_choice", "spoolq_answer"], batch_size=8)
    ended = queue.ended(queue.spool.submit(said, recipe="lm-eval").job_id, timeout=200)
    # Then the scores are the harness's, and every answer is in the job's own cache
    assert ended.status == "completed", ended.error
    assert 0 < ended.metrics["spoolq_choice"]["acc"] < 1 and "acc_stderr" in ended.metrics["spoolq_choice"]
    assert ended.metrics["spoolq_answer"]["exact_match"] == 0
    assert answered(queue.path / ended.run_dir) == ALL - TWICE + 38  # questions, of which two come twice
    assert ended.progress is None or ended.progress.percent == 100


def test_an_attempt_after_a_kill_asks_only_for_the_rest(queue: Queue, tmp_path: Path):
    queue.interpreter = python_with("lm_eval", "torch", "transformers", **HF)
    # Given a model that takes its time, and a job that is tried again after a kill
    model = small_model(queue.interpreter, tmp_path / "model", 16, 128)
    queue.start(env={**ON_CPU, "TQDM_MININTERVAL": "0.05"})
    policy = {"recipe": "lm-eval", "retry_on": ["signal"], "max_attempts": 2}
    job = queue.spool.submit(request(model), **policy).job_id
    run = queue.spool.log(job).parent
    evaluation = queue.started(job)["evaluation"]
    # When it is killed at about half (the pause holds the second attempt until the answers are counted)
    wait_for(lambda: work(run / "log.txt")[0] >= ALL // 2, 120, "half of the work")
    queue.spool.pause()
    os.kill(evaluation, signal.SIGKILL)
    queue.until(job, "queued", 60)
    kept = answered(run)
    assert 0 < kept < ALL
    queue.spool.resume()
    ended = queue.ended(job, timeout=120)
    # Then the second attempt did the rest and no more
    assert (ended.status, ended.attempt) == ("completed", 2), ended.error
    assert work(run / "log.1.txt")[1] == ALL
    done, rest = work(run / "log.txt")
    assert done == rest and ALL - kept - TWICE <= rest <= ALL - kept
    assert answered(run) == ALL - TWICE
    # And its scores are those of a job that ran in one go, which kept nothing and was given nothing
    whole = queue.ended(queue.spool.submit(request(model, resume=False), recipe="lm-eval").job_id, timeout=200)
    assert work(queue.path / whole.log) == (ALL, ALL)
    assert whole.metrics == ended.metrics
    assert not (queue.path / whole.run_dir / "cache").exists()
