"""`GET /api/v1/results` and `/results/compare`."""

import json

import pytest

from spoolq.submit import publish
from tests.spooltest.jobs import ended, submitted


@pytest.fixture
def scored(store):
    """Completes a job of a model with these metrics; returns its id."""

    def make(model, metrics):
        request = {"model": "hf", "tasks": sorted(metrics), "model_args": {"pretrained": model}}
        entry = ended(store, publish(store, {"request": request, "recipe": "lm-eval"}))
        path = store.layout.terminal(entry.state, entry.stem.key)
        path.write_text(json.dumps({**json.loads(path.read_bytes()), "metrics": metrics}))
        return entry.stem.uuid

    return make


def test_a_row_for_each_score_the_newest_job_first(live, scored):
    # Given two jobs with scores, one of them with an error of its score, and one without any
    old = scored("gpt2", {"arc": {"acc,none": 0.25, "acc_stderr,none": 0.01, "alias": "arc"}})
    new = scored("gpt2-xl", {"arc": {"acc,none": 0.5}, "mmlu": {"acc,none": None}})
    # When the results are asked for
    rows = live.get("/results")["rows"]
    # Then each has its own line
    row = {"job_id": old, "model": "gpt2", "task": "arc", "metric": "acc,none", "value": 0.25, "stderr": 0.01}
    assert row in rows
    assert [(row["job_id"], row["task"], row["metric"]) for row in rows] == [
        (new, "arc", "acc,none"), (new, "mmlu", "acc,none"), (old, "arc", "acc,none"), (old, "arc", "alias"),
    ]  # fmt: skip


def test_only_of_a_job_a_model_or_a_task(live, scored):
    old = scored("gpt2", {"arc": {"acc": 0.25}})
    new = scored("gpt2-xl", {"arc": {"acc": 0.5}, "mmlu": {"acc": 0.75}})
    assert {row["job_id"] for row in live.get("/results", model="gpt2")["rows"]} == {old}
    assert {row["job_id"] for row in live.get("/results", model="hf")["rows"]} == {old, new}
    assert [row["value"] for row in live.get("/results", task="mmlu")["rows"]] == [0.75]
    assert [row["value"] for row in live.get("/results", job=[old, new], task="arc")["rows"]] == [0.25, 0.5]
    assert [row["value"] for row in live.get("/results", limit=1)["rows"]] == [0.5]
    assert live.get("/results", model="nobody")["rows"] == []
    assert live.get("/results", 404, job="zz")["detail"] == "Job zz not found"
    assert live.get("/results", 422, limit=0)["field"] == "limit"


def test_a_job_without_scores_has_no_rows(live, store):
    job = submitted(store).uuid
    assert live.get("/results", job=job) == {"rows": []}
    ended(store, submitted(store))
    assert live.get("/results") == {"rows": []}


def test_jobs_side_by_side(live, scored):
    # Given two jobs of which one lacks a task, and one whose value is a text
    first = scored("gpt2", {"arc": {"acc": 0.25, "acc_stderr": 0.01, "alias": "a"}})
    second = scored("gpt2-xl", {"arc": {"acc": 0.75, "alias": "b"}, "mmlu": {"acc": 1}})
    # When they are compared
    said = live.get("/results/compare", job=[first, second[:13]])
    # Then there is a line for each metric of either, and the difference of numbers
    assert [(job["job_id"], job["model"]) for job in said["jobs"]] == [(first, "gpt2"), (second, "gpt2-xl")]
    lines = {(row["task"], row["metric"]): row for row in said["rows"]}
    assert lines["arc", "acc"]["values"] == [{"value": 0.25, "stderr": 0.01}, {"value": 0.75, "stderr": None}]
    assert lines["arc", "acc"]["difference"] == 0.5
    assert lines["mmlu", "acc"]["values"] == [None, {"value": 1, "stderr": None}]
    assert lines["mmlu", "acc"]["difference"] is None
    assert lines["arc", "alias"]["difference"] is None


def test_three_jobs_have_no_difference_and_one_is_too_few(live, scored):
    jobs = [scored(f"m{n}", {"arc": {"acc": n}}) for n in range(3)]
    said = live.get("/results/compare", job=jobs)
    assert [row["difference"] for row in said["rows"]] == [None]
    assert [value["value"] for value in said["rows"][0]["values"]] == [0, 1, 2]
    assert live.get("/results/compare", 422, job=jobs[0])["field"] == "job"
    assert live.get("/results/compare", 422)["field"] == "job"
    live.get("/results/compare", 404, job=[jobs[0], "zz"])
