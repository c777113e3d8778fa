"""`GET /api/v1/results` and `/results/compare`."""

import json

import pytest

from spoolq.submit import publish
from spoolq.transitions import State
from tests.spooltest.jobs import ended, submitted
from tests.spooltest.scored import job_id, lm_eval
from tests.spooltest.scored import scored as numbered


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


def test_results_take_the_filters_of_the_command_line(live, store):
    # Given jobs with labels, groups, recipes and ends
    numbered(store, 1, "a", {"arc": {"acc": 0.5}}, labels={"k": "v=w"}, group="night")
    numbered(store, 2, "b", {"arc_easy": {"acc": 0.75}}, ended="2026-11-21T06:00:00+00:00", recipe="inspect")

    def chosen(**asked):
        return [row["model"] for row in live.get("/results", **asked)["rows"]]

    # When each is asked for, Then the jobs that have it come
    assert chosen() == ["b", "a"]
    assert chosen(label="k=v=w") == chosen(group="night") == chosen(until="2026-11-20") == ["a"]
    assert chosen(recipe="inspect") == chosen(since="2026-11-21") == chosen(task="*_easy") == ["b"]
    assert chosen(label=["k=v=w", "x=y"]) == chosen(group="night", model="b") == []
    # and what cannot be meant is refused by its name
    for field, value in (("label", "x"), ("since", "yesterday"), ("until", "-")):
        assert live.get("/results", 422, **{field: value})["field"] == field


def test_results_see_what_ends_and_goes_at_once(live, store):
    # Given a server that has answered before
    first = numbered(store, 1, "a", {"arc": {"acc": 0.5}})
    assert len(live.get("/results")["rows"]) == 1
    # When a job ends, and another is removed, Then the next answer has both
    numbered(store, 2, "b", {"arc": {"acc": 0.5}}, ended="2026-11-21T06:00:00+00:00")
    store.layout.terminal(State.COMPLETED, first.key).unlink()
    assert [row["model"] for row in live.get("/results")["rows"]] == ["b"]


def test_two_jobs_with_their_samples(live, store):
    # Given two evaluations of the same questions, with and without samples
    lm_eval(store, 1, "a", {"arc": [1, 0, 0, 1]}, metrics={"wiki": {"perplexity": 9.0}})
    lm_eval(store, 2, "b", {"arc": [1, 1, 1, 1]}, metrics={"wiki": {"perplexity": 8.0}})
    # When they are compared with samples
    rows = live.get("/results/compare", job=[job_id(1), job_id(2)], samples=True)["rows"]
    lines = {row["task"]: row for row in rows}
    # Then the paired difference is there, by hand: 1/2 ± 3.18245 / sqrt(12)
    paired = lines["arc"]["paired"]
    assert (paired["n"], paired["difference"], paired["mcnemar"]["second_only"]) == (4, 0.5, 2)
    assert (paired["low"], paired["high"]) == pytest.approx((-0.418693, 1.418693), abs=1e-6)
    assert [value["value"] for value in lines["arc"]["values"]] == [0.5, 1.0]
    # and the other says why it has none
    assert (lines["wiki"]["paired"], lines["wiki"]["better"], lines["wiki"]["difference"]) == (None, "lower", -1.0)
    assert "no samples" in lines["wiki"]["reason"]
    # and without being asked for samples nothing is read of them
    assert "paired" not in live.get("/results/compare", job=[job_id(1), job_id(2)])["rows"][0]
