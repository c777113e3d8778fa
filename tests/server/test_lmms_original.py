"""The clients of lmms-eval itself, unmodified, against `spoolq serve` and `spoolq run`.

They are run by the Python that `SPOOLQ_LMMS_PYTHON` names, one with `lmms-eval[server]` in it:
`SPOOLQ_LMMS_PYTHON=/venv/bin/python pytest -m harness tests/server/test_lmms_original.py`.
"""

import json
import os
import subprocess
import textwrap

import pytest

pytestmark = pytest.mark.harness

PYTHON = os.environ.get("SPOOLQ_LMMS_PYTHON")

SYNC = """
import sys, json, httpx
from lmms_eval.entrypoints import EvalClient

said = {}
with EvalClient(sys.argv[1] + "/") as client:
    said["healthy"] = client.is_healthy()
    said["tasks"], said["models"] = client.list_tasks(), client.list_models()
    job = client.evaluate(
        model="good", tasks=["mme"], model_args={"pretrained": "org/tiny"}, batch_size=1, limit=2, num_gpus=1
    )
    said["submitted"] = job
    said["done"] = client.wait_for_job(job["job_id"], poll_interval=0.1, timeout=60)
    failing = client.evaluate(model="fails", tasks=["mme"])
    try:
        client.wait_for_job(failing["job_id"], poll_interval=0.1, timeout=60, verbose=False)
    except RuntimeError as error:
        said["failed"] = str(error)
    first, second = (client.evaluate(model="waits", tasks=["mme"]) for _ in range(2))
    said["cancelled"] = client.cancel_job(second["job_id"])
    said["cancelled_job"] = client.get_job(second["job_id"])
    said["queue"] = client.get_queue_status()
    for job_id in (second["job_id"], "nope"):
        try:
            client.cancel_job(job_id)
        except httpx.HTTPStatusError as error:
            said.setdefault("refused", []).append([error.response.status_code, error.response.json()["detail"]])
    try:
        client.merge_checkpoint("/no/such/checkpoint")
    except httpx.HTTPStatusError as error:
        said["merge"] = [error.response.status_code, error.response.json()["detail"]]
    try:
        client.wait_for_job(first["job_id"], poll_interval=0.05, timeout=0.2, verbose=False)
    except TimeoutError as error:
        said["timeout"] = str(error)
    said["first"] = first["job_id"]
json.dump(said, sys.stderr)
"""
ASYNC = """
import asyncio, sys, json
from lmms_eval.entrypoints import AsyncEvalClient

async def main():
    async with AsyncEvalClient(sys.argv[1]) as client:
        assert (await client.health())["status"] == "healthy"
        jobs = await asyncio.gather(*(client.evaluate("good", ["mme"], limit=n) for n in (1, 2)))
        done = [await client.wait_for_job(job["job_id"], poll_interval=0.1, timeout=60, verbose=False) for job in jobs]
        gone = await client.evaluate("good", ["mme"])
        return {"done": done, "queue": await client.get_queue_status(), "last": gone}

json.dump(asyncio.run(main()), sys.stderr)
"""


@pytest.fixture
def original(lmms_lab):
    """Runs a script with the original's clients against the lab's server; returns its stdout and its document."""
    if PYTHON is None:
        pytest.skip("SPOOLQ_LMMS_PYTHON names no Python with lmms-eval[server]")
    check = subprocess.run([PYTHON, "-c", "import lmms_eval.entrypoints"], capture_output=True, text=True, check=False)
    if check.returncode:
        pytest.skip(f"{PYTHON} cannot import lmms_eval.entrypoints: {check.stderr.strip()[-200:]}")

    def run(script: str):
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        argv = [PYTHON, "-c", textwrap.dedent(script), lmms_lab.served.base]
        ran = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=110, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout, json.loads(ran.stderr[ran.stderr.index("{") :])

    return run


def test_the_original_client_works_here_as_it_is(lmms_lab, original):
    # Given a runner, When the original's client does all that it can
    lmms_lab.run()
    printed, said = original(SYNC)
    # Then everything is as its own server has it
    assert said["healthy"] is True
    assert (said["tasks"], said["models"]) == (["mme", "mmmu_val", "ai2d"], ["alpha", "beta", "zeta"])
    assert said["submitted"]["status"] == "queued" and said["submitted"]["position_in_queue"] == 0
    assert said["done"]["status"] == "completed" and said["done"]["result"]["org__tiny"]["results"]
    assert printed.splitlines()[-1] == f"Job {said['done']['job_id'][:8]}... completed!"
    assert said["failed"].startswith("Job failed: Evaluation failed with return code 3. Last lines of ")
    assert said["cancelled"]["message"].endswith(" cancelled") and said["cancelled_job"]["status"] == "cancelled"
    assert said["queue"]["queue_size"] + (said["queue"]["running_job"] is not None) == 1
    assert (said["queue"]["completed_jobs"], said["queue"]["failed_jobs"]) == (1, 1)
    assert said["refused"] == [[400, "Job already finished or cancelled"], [404, "Job nope not found"]]
    assert said["merge"][0] == 500 and said["merge"][1].startswith("lmms_engine not available: ")
    assert said["timeout"] == f"Timeout waiting for job {said['first']}"


def test_the_original_asynchronous_client_works_here_as_it_is(lmms_lab, original):
    lmms_lab.run()
    _, said = original(ASYNC)
    assert [job["status"] for job in said["done"]] == ["completed"] * 2
    assert [job["request"]["limit"] for job in said["done"]] == [1, 2]
    assert said["queue"]["completed_jobs"] >= 2
