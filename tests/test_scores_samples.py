"""Samples, as lm-eval, lmms-eval and inspect log them."""

import json
import os

import pytest

from spoolq.scores import samples
from spoolq.scores.samples import Unreadable, logged, values
from tests.spooltest.scored import lm_eval, sample

#: A line of lmms-eval 0.7: no filter, no hash of the target, and metrics of its own.
LMMS = {"doc_id": 3, "doc": {"q": "?"}, "target": "A", "doc_hash": "abc", "acc": True, "gpt": {"score": 1}}


def answer(question, epoch, letter, number):
    """A sample of inspect, scored by two."""
    scores = {"match": {"value": letter}, "judge": {"value": number}}
    return {"id": question, "epoch": epoch, "input": f"{question}+1", "target": "?", "scores": scores}


#: A log of inspect 0.3, without what is not read.
INSPECT = {
    "version": 2,
    "status": "success",
    "eval": {"task": "pkg/arith", "task_version": 3},
    "samples": [answer(1, 1, "C", 0.5), answer(1, 2, "I", 0.25), answer(2, 1, "P", 1)],
}


@pytest.fixture
def of(store):
    """What is logged of a job whose result names these files, written with these contents."""

    def read(files, metrics=None):
        for name, content in files.items():
            path = store.layout.anchored(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return logged(store, {"result": {"task": {"results": None, "samples": list(files)}}, "metrics": metrics or {}})

    return read


def plain(task, metric):
    """Question -> score, without the digests."""
    return {question: score for question, (_, score) in values(task, metric).items()}


def test_lm_eval_logs_a_line_a_question(store):
    # Given a job of lm-eval with samples
    stem = lm_eval(store, 1, "org/m", {"arc_easy": [1.0, 0.0, 1.0]}, versions={"arc_easy": 2.0})
    record = json.loads((store.root / f"completed/{stem.key}.json").read_text())
    # When they are read
    found = logged(store, record)
    # Then task, version and scores are those of the files
    assert list(found) == ["arc_easy"] and found["arc_easy"].version == "2"
    assert plain(found["arc_easy"], "acc") == {"0": 1.0, "1": 0.0, "2": 1.0}


def test_a_metric_is_read_under_its_filter(of):
    # Given answers that went through two filters
    rows = [sample(0, 1.0, "em") | {"filter": "strict"}, sample(0, 0.0, "em") | {"filter": "flexible"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    found = of({"o/samples_gsm8k_2026-11-20T12-00-00.123.jsonl": text})["gsm8k"]
    # When a metric is asked for, Then it is that of its filter
    assert (plain(found, "em,strict"), plain(found, "em,flexible")) == ({"0": 1.0}, {"0": 0.0})
    with pytest.raises(Unreadable, match="for its filter"):
        values(found, "em")


def test_lmms_eval_logs_a_line_a_question(of):
    # Given its files, whose task has `samples` in its name
    found = of({"o/20261120_120000_samples_mme_samples_b.jsonl": LMMS})
    # When they are read, Then there is the score; one that is an object is no number
    assert plain(found["mme_samples_b"], "acc") == {"3": 1.0}
    with pytest.raises(Unreadable, match="no number"):
        values(found["mme_samples_b"], "gpt")


def test_inspect_logs_letters_and_numbers(of):
    # Given a log with two scorers, and one question answered twice
    found = of({"o/log.json": INSPECT})["pkg/arith"]
    # When scores are asked for, Then C, P and I are 1, 1/2 and 0, and a question counts once
    assert found.version == "3"
    assert plain(found, "accuracy,match") == {"1": 0.5, "2": 0.5}
    assert plain(found, "mean,judge") == {"1": 0.375, "2": 1.0}
    for metric in ("accuracy", "std,judge", "accuracy,nobody"):
        with pytest.raises(Unreadable, match="no number"):
            values(found, metric)


def test_inspect_with_one_scorer_needs_no_name(of):
    # Given a log with one scorer, named in the record otherwise than in the log, as a second file of one task is
    log = INSPECT | {"samples": [{"id": "a", "input": "?", "target": "!", "scores": {"match": {"value": "C"}}}]}
    found = of({"o/log.json": log}, {"task": {"accuracy": 1.0}})
    # When it is read, Then it is under the record's name
    assert plain(found["task"], "accuracy") == plain(found["task"], "mean") == {"a": 1.0}


def test_an_eval_file_says_what_to_do(of):
    # Given a log that is no JSON, When it is read, Then the fault says how to log
    found = of({"o/log.eval": "PK"}, {"arith": {"accuracy": 1.0}})
    with pytest.raises(Unreadable, match="--log-format json"):
        values(found["arith"], "accuracy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"doc_id": 1, "acc": 1}\n{"doc_id"', "holds a line that is no sample"),
        ("[1]\n", "holds a line that is no sample"),
        ('{"acc": 1}\n', "holds a line that is no sample"),
        ("[" * 100_000 + "\n", "holds a line that is no sample"),
        ("", "no samples are logged"),
        ('{"doc_id": 1, "doc": "a", "acc": 1}\n{"doc_id": 1, "doc": "b", "acc": 1}\n', "logged twice, and differs"),
    ],
)
def test_a_bad_file_is_a_fault_of_its_task(of, text, said):
    # Given a file that is torn, or of another kind, When it is read, Then the fault says so, and other tasks are read
    name = "o/samples_{}_2026-11-20T12-00-00.1.jsonl"
    found = of({name.format("bad"): text, name.format("good"): sample(0, 1.0)})
    with pytest.raises(Unreadable, match=said):
        values(found["bad"], "acc")
    assert plain(found["good"], "acc") == {"0": 1.0}


def test_links_pipes_and_what_is_gone_are_faults(of, store, tmp_path):
    # Given samples that are a link to elsewhere, a pipe, and gone
    name = "samples_{}_2026-11-20T12-00-00.1.jsonl"
    (tmp_path / "secret").write_text(json.dumps(sample(0, 1.0)))
    (store.root / name.format("link")).symlink_to(tmp_path / "secret")
    os.mkfifo(store.root / name.format("pipe"))
    result = {"samples": [name.format(task) for task in ("link", "pipe", "gone")]}
    # When they are read, Then none of them is, and it does not wait
    found = logged(store, {"result": result})
    assert all(task.fault and not task.samples for task in found.values()) and len(found) == 3


def test_a_file_that_is_too_large_is_a_fault(of, monkeypatch):
    # Given a small limit, When a file is larger, Then it is not read
    monkeypatch.setattr(samples, "MAX_FILE", 10)
    assert "no regular file of at most" in of({"o/samples_a_2026-11-20T12-00-00.1.jsonl": sample(0, 1.0)})["a"].fault


def test_other_results_are_left_alone(of):
    # Given results that are no samples, torn, or no object, When they are read, Then nothing is found, nothing breaks
    odd = {"o/results.json": "{", "o/list.json": "[]", "o/odd.json": {"eval": 1, "versions": 2}, "o/x.txt": ""}
    assert of(odd) == {}


def test_what_the_harness_declares_of_directions_is_kept(of):
    # Given a results file, When it is read, Then it says of which metrics more is better
    told = {"higher_is_better": {"arc": {"acc": True, "turns": False, "odd": None}}, "versions": {"arc": 1}}
    found = of({"o/results_x.json": told})["arc"]
    assert (found.higher, found.version, found.samples) == ({"acc": True, "turns": False}, "1", [])
