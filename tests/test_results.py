"""The metrics of completed jobs: as rows, side by side, and in forms that other programs read."""

import csv
import io

import pytest

from spoolq.errors import JobNotFound
from spoolq.results import Row, compare, completed, number, rows, to_csv, to_markdown
from spoolq.scores.cards import model_of
from tests.spooltest.jobs import ended, submitted


def done(store, metrics: dict | None, outcome: str = "succeeded") -> str:
    """The id of an ended job with those metrics."""
    return ended(store, submitted(store), outcome, metrics=metrics).stem.uuid


def record(metrics: dict, job: str = "a" * 36, **request) -> dict:
    return {"job_id": job, "metrics": metrics, "request": {"model": "m", **request}}


def test_without_jobs_it_is_every_completed_one_oldest_first(store):
    # Given completed jobs and others
    first = done(store, {"t": {"acc": 0.5}})
    done(store, None, "exit")
    second = done(store, {"t": {"acc": 0.6}})
    submitted(store)
    # When results are asked for, Then they are those of the completed
    assert [found["job_id"] for found in completed(store, [])] == [first, second]
    assert [row.value for row in rows(completed(store, []))] == [0.5, 0.6]


def test_jobs_that_are_named_come_in_that_order_whatever_their_state(store):
    # Given jobs in several states, When some are named, Then they come in that order
    first, second, failed = done(store, {"t": {"acc": 1}}), done(store, {"t": {"acc": 2}}), done(store, None, "exit")
    found = completed(store, [second, failed[:8], first])
    assert [one["job_id"] for one in found] == [second, failed, first]
    assert [row.value for row in rows(found)] == [2, 1]
    with pytest.raises(JobNotFound):
        completed(store, ["nothing"])


def test_a_standard_error_belongs_to_its_metric():
    # Given metrics as lm-eval writes them, with filters, and as others do, without
    found = rows(
        [
            record(
                {
                    "b": {"acc,none": 0.5, "acc_stderr,none": 0.01, "acc,strict": 0.4, "acc_stderr,strict": "N/A"},
                    "a": {"f1": 0.25, "f1_stderr": 0.02, "name": "x", "count": 3, "nothing": None},
                }
            )
        ]
    )
    # When they are made rows, Then each metric has one, with its error where that is a number
    assert [(row.task, row.metric, row.value, row.stderr) for row in found] == [
        ("a", "count", 3, None),
        ("a", "f1", 0.25, 0.02),
        ("a", "name", "x", None),
        ("a", "nothing", None, None),
        ("b", "acc,none", 0.5, 0.01),
        ("b", "acc,strict", 0.4, None),
    ]


def test_a_job_without_metrics_has_no_rows():
    # Given records without metrics, When they are made rows, Then there are none
    assert rows([record({}), {"job_id": "x", "metrics": None, "request": None}]) == []


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        ({"model": "hf", "model_args": {"pretrained": "gpt2", "dtype": "float"}}, "gpt2"),
        ({"model": "openai", "model_args": {"model": "gpt-4o"}}, "gpt-4o"),
        ({"model": "vllm", "model_args": {"dtype": "float"}}, "vllm"),
        ({"model": "hf"}, "hf"),
        ({"model": "hf", "model_args": "pretrained=gpt2"}, "hf"),
        ({"command": ["python", "eval.py", "--n", 3]}, "python eval.py --n 3"),
        ({}, ""),
        (None, ""),
    ],
)
def test_what_was_evaluated_in_a_few_words(request_, model):
    # Given a request, When it is named, Then by what tells it from others
    assert model_of({"request": request_}) == model


def test_two_jobs_side_by_side_show_the_difference():
    # Given two jobs, one of which has a task that the other lacks
    one = record({"t": {"acc": 0.5, "name": "x"}, "u": {"acc": 0.1}}, "one")
    two = record({"t": {"acc": 0.75, "name": "y"}}, "two")
    # When they are compared, Then each line has both values and their difference, where there is one
    jobs, lines = compare(rows([one, two]))
    assert jobs == ["one", "two"]
    assert lines == [
        ["t", "acc", 0.5, 0.75, 0.25],
        ["t", "name", "x", "y", None],
        ["u", "acc", 0.1, None, None],
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_other_number_of_jobs_has_no_difference(count):
    # Given no, one or three jobs, When they are compared, Then a line has their values and no more
    jobs, lines = compare(rows([record({"t": {"acc": 0.5}}, str(n)) for n in range(count)]))
    assert len(jobs) == count
    assert lines == ([["t", "acc", *[0.5] * count]] if count else [])


def test_csv_is_read_back_as_it_was():
    # Given values with everything that CSV must quote
    found = [Row("id", 'a "b", c\nd', "t", "acc", 0.1, None), Row("id", "m", "t", "name", "x,y", 0.5)]
    # When they are written and read
    table = list(csv.DictReader(io.StringIO(to_csv(found))))
    # Then nothing is changed
    assert table[0] == {
        "job_id": "id",
        "model": 'a "b", c\nd',
        "task": "t",
        "metric": "acc",
        "value": "0.1",
        "stderr": "",
    }
    assert (table[1]["value"], table[1]["stderr"]) == ("x,y", "0.5")
    assert to_csv([]).splitlines() == ["job_id,model,task,metric,value,stderr"]


def test_markdown_is_one_line_a_row_whatever_the_values_are():
    # Given values with bars, newlines and escape sequences, as a command may have
    found = [
        Row("1b4e28ba-2fa1", "sh -c a|b\nc\rd", "t|u", "acc\n", 0.123456, None),
        Row("2", "\x1b[31mred", "t", "a", "x\ny", None),
    ]
    text = to_markdown(found)
    # When they are written, Then the table has a line for each, with as many cells as its head
    lines = text.splitlines()
    assert len(lines) == 4 and text.endswith("\n")
    for line in lines:
        assert line.replace("\\|", "").count("|") == 7, line
        assert line.isprintable()
    assert lines[2].startswith("| 1b4e28ba |") and "0.1235" in lines[2]


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5000"), (3, "3"), (None, ""), ("x", "x"), (True, "True")])
def test_a_value_for_people(value, text):
    # Given a value, When it is shown, Then a float has four decimals
    assert number(value) == text
