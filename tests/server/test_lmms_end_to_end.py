"""From `POST /evaluate` to results: a real server, a real `spoolq run`, and a package in place of the harness."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from spoolq.client import AsyncEvalClient, JobCancelled
from tests.server.dialect import FILLED, REQUEST
from tests.server.lmms_lab import Lab
from tests.spooltest.waiting import wait_for


def argv_of(lmms_lab: Lab, job: dict[str, Any]) -> list[str]:
    """What the evaluation was started with, from its log."""
    (log,) = lmms_lab.served.path.glob(f"runs/*{job['job_id']}/log.txt")
    line = next(row for row in log.read_text().splitlines() if row.startswith("argv "))
    argv: list[str] = json.loads(line.removeprefix("argv "))
    return argv


def test_an_evaluation_leaves_results_where_the_job_says(lmms_lab, capsys):
    # Given a server and a runner
    lmms_lab.run()
    with lmms_lab.client() as client:
        assert client.is_healthy() and client.list_tasks() == ["mme", "mmmu_val", "ai2d"]
        assert client.list_models() == ["alpha", "beta", "zeta"]
        # When an evaluation is submitted and waited for
        asked = client.evaluate("good", ["mme", "ai2d"], {"pretrained": "org/tiny", "n": 1}, num_fewshot=0, limit=0)
        job = client.wait_for_job(asked["job_id"], poll_interval=0.05, timeout=60)
    # Then it has completed, and the result names files of the server that are there
    assert job["status"] == "completed" and job["error"] is None and job["position_in_queue"] is None
    assert job["created_at"] < job["started_at"] <= job["completed_at"]
    assert job["request"] == {
        **FILLED, "model": "good", "tasks": ["mme", "ai2d"], "model_args": {"pretrained": "org/tiny", "n": 1},
        "num_fewshot": 0, "limit": 0,
    }  # fmt: skip
    ((folder, found),) = job["result"].items()
    assert folder == "org__tiny" and json.loads(Path(found["results"]).read_text())["results"]
    assert [Path(path).name[16:] for path in found["samples"]] == ["samples_ai2d.jsonl", "samples_mme.jsonl"]
    assert all(Path(path).is_absolute() and Path(path).exists() for path in found["samples"])
    # and the command line was the server's own
    argv = argv_of(lmms_lab, job)
    output = argv[argv.index("--output_path") + 1]
    assert argv == [
        "--model", "good", "--tasks", "mme,ai2d", "--output_path", output, "--model_args", "pretrained=org/tiny,n=1",
        "--num_fewshot", "0", "--log_samples",
    ]  # fmt: skip
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"Job {job['job_id'][:8]}... completed!"
    assert all(row.startswith(f"Job {job['job_id'][:8]}... ") for row in said)


def test_samples_alone_are_a_result(lmms_lab):
    lmms_lab.run()
    with lmms_lab.client() as client:
        job = client.wait_for_job(client.evaluate("samples", ["mme"])["job_id"], 0.05, 60, verbose=False)
    assert job["status"] == "completed" and job["result"]["org__tiny"]["results"] is None
    assert len(job["result"]["org__tiny"]["samples"]) == 1


ENDS = {
    "fails": "Evaluation failed with return code 3. Last lines of ",
    "nothing": "Evaluation produced no parsed results. Last lines of ",
}


@pytest.mark.parametrize("model", ENDS)
def test_an_evaluation_without_results_has_failed(lmms_lab, model):
    # Given an evaluation that exits with 3, and one that exits with 0 and leaves nothing
    lmms_lab.run()
    with lmms_lab.client() as client:
        job_id = client.evaluate(model, ["mme"])["job_id"]
        # When it is waited for, Then the error has the contract's beginning and the end of the log
        with pytest.raises(RuntimeError, match=f"Job failed: {ENDS[model]}"):
            client.wait_for_job(job_id, 0.05, 60, verbose=False)
        job = client.get_job(job_id)
    assert (job["status"], job["result"]) == ("failed", None)
    assert job["error"].startswith(ENDS[model]) and "\nargv [" in job["error"]
    assert "Traceback of what it swallows" in job["error"]
    assert job["completed_at"] is not None


def test_one_runs_at_a_time_and_a_queued_one_is_cancelled(lmms_lab):
    # Given one that runs and two that wait
    lmms_lab.run()
    with lmms_lab.client() as client:
        running, second, third = (client.evaluate("waits", ["mme"])["job_id"] for _ in range(3))
        wait_for(lambda: client.get_job(running)["status"] == "running", 30, "the start")
        assert client.get_queue_status() == {
            "queue_size": 2, "running_job": running, "queued_jobs": [second, third], "completed_jobs": 0,
            "failed_jobs": 0,
        }  # fmt: skip
        # When the second is cancelled, Then a wait for it ends, and the third moves up
        assert client.cancel_job(second) == {"message": f"Job {second} cancelled"}
        with pytest.raises(JobCancelled, match="Job cancelled: "):
            client.wait_for_job(second, 0.05, 60)
        assert client.get_job(third)["position_in_queue"] == 0
        with pytest.raises(TimeoutError, match=f"Timeout waiting for job {third}"):
            client.wait_for_job(third, 0.01, 0.05, verbose=False)
        lmms_lab.harness.gate.touch()
        assert client.wait_for_job(third, 0.05, 60, verbose=False)["status"] == "completed"
        assert client.get_queue_status()["completed_jobs"] == 2


def test_a_server_that_is_killed_forgets_nothing(lmms_lab):
    # Given a running job, one that waits, and one that has completed
    lmms_lab.run()
    with lmms_lab.client() as client:
        done = client.evaluate("good", ["mme"])["job_id"]
        before = client.wait_for_job(done, 0.05, 60, verbose=False)
        running, waiting = (client.evaluate("waits", ["mme"])["job_id"] for _ in range(2))
        wait_for(lambda: client.get_job(running)["status"] == "running", 30, "the start")
        queued = client.get_job(waiting)
    # When the server is killed and started again
    lmms_lab.served.kill()
    lmms_lab.served.restart()
    # Then all of them are as they were, and go on
    with lmms_lab.client() as client:
        assert (client.get_job(done), client.get_job(waiting)) == (before, queued)
        assert client.get_job(running)["status"] == "running"
        lmms_lab.harness.gate.touch()
        assert client.wait_for_job(waiting, 0.05, 60, verbose=False)["status"] == "completed"


async def _asked(base: str) -> dict[str, Any]:
    async with AsyncEvalClient(base) as client:
        job = await client.evaluate("good", ["mme"], limit=3)
        return await client.wait_for_job(job["job_id"], 0.05, 60, verbose=False)


def test_the_asynchronous_client(lmms_lab):
    lmms_lab.run()
    job = asyncio.run(_asked(lmms_lab.served.base))
    assert job["status"] == "completed" and job["request"] == {**FILLED, "model": "good", "tasks": ["mme"], "limit": 3}


def test_a_file_that_is_dropped_is_a_job_of_the_dialect(lmms_lab):
    # Given a runner, and a request dropped as a file
    lmms_lab.run()
    (lmms_lab.served.path / "queued" / "mine.json").write_text(json.dumps({**REQUEST, "model": "good"}))
    # When it has run, Then the dialect shows it as one of its own
    with lmms_lab.served.client() as client:
        wait_for(lambda: client.get("/queue").json()["completed_jobs"] == 1, 30, "its end")
    (record,) = (lmms_lab.served.path / "completed").glob("*.json")
    with lmms_lab.client() as client:
        job = client.get_job(record.stem[-36:])
    assert job["request"] == {**FILLED, "model": "good"} and Path(job["result"]["org__tiny"]["results"]).exists()
