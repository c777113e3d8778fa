"""`spoolq results`."""

import csv
import io
import json
import re

import pytest

from tests.verbs.program import spoolq


def test_table(ended, golden):
    golden("results_table", spoolq("results").out)


def test_markdown(ended, golden):
    golden("results_md", spoolq("results", ended["scores"], ended["better"], "--format", "md").out)


def test_compare(ended, golden):
    golden("results_compare", spoolq("results", "--compare", ended["scores"], ended["better"]).out)


def test_csv_has_whole_ids_and_whole_numbers(ended):
    rows = list(csv.DictReader(io.StringIO(spoolq("results", "--format", "csv").out)))
    assert [row["job_id"] for row in rows] == [ended["scores"]] * 2 + [ended["better"]] * 2
    assert [(row["task"], row["metric"], row["value"], row["stderr"]) for row in rows[:2]] == [
        ("arith", "acc,none", "0.5", "0.0125"),
        ("names", "em", "1", ""),
    ]


def test_no_form_holds_anything_that_a_terminal_obeys(ended):
    # Given a record whose metrics were named by an enemy
    (path,) = ended.spool.glob(f"completed/*{ended['scores']}.json")
    record = json.loads(path.read_text())
    record["metrics"] = {"\x1b[2Jtask\nforged": {"\x9bm|etric": "\x1b]0;t\x07"}}
    path.write_text(json.dumps(record))
    # When it is printed in each form
    for form in ("table", "csv", "md", "json"):
        out = spoolq("results", ended["scores"], "--format", form).out
        # Then none of it reaches the terminal, and a metric stays on its line
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out)
        assert form == "json" or sum("forged" in line and "task" in line for line in out.splitlines()) == 1


def test_json_by_option_or_by_format(ended):
    rows = spoolq("results", ended["better"], "--json").json()
    assert rows == spoolq("results", ended["better"], "--format", "json").json()
    assert [{key: row[key] for key in ("job_id", "task", "metric", "value", "stderr")} for row in rows] == [
        {"job_id": ended["better"], "task": "arith", "metric": "acc,none", "value": 0.75, "stderr": 0.0125},
        {"job_id": ended["better"], "task": "names", "metric": "em", "value": 1, "stderr": None},
    ]


def test_compare_of_two_ends_with_the_difference(ended):
    first, second = ended["scores"], ended["better"]
    rows = spoolq("results", "--compare", second, first, "--json").json()
    assert rows[0] == {
        "task": "arith",
        "metric": "acc,none",
        "better": "higher",
        "values": {second: 0.75, first: 0.5},
        "difference": -0.25,
        "paired": None,
        "reason": "first job: no samples are logged",
        "refused": False,
    }


def test_compare_of_one_has_no_difference(ended):
    assert "difference" not in spoolq("results", "--compare", ended["scores"]).lines[0]
    assert "difference" not in spoolq("results", "--compare", ended["scores"], "--json").json()[0]


def test_a_pipe_gets_whole_names(ended):
    # When a table goes into a pipe
    lines = spoolq("results").lines
    # Then no name in it is cut
    assert not any("…" in line for line in lines)


def test_jobs_without_scores_are_named_apart(ended):
    ran = spoolq("results", ended["plain"], ended["exit"], ended["scores"])
    assert len(ran.lines) == 3
    assert ran.err == f"2 jobs without scores: {ended['plain'][:8]}, {ended['exit'][:8]} (spoolq show JOB)\n"


def test_nothing_completed(spool):
    ran = spoolq("results")
    assert (ran.code, ran.out, ran.err) == (0, "", "no completed jobs\n")
    assert spoolq("results", "--json").json() == []
    assert spoolq("results", "--format", "csv").out == "job_id,model,task,metric,value,stderr\n"


@pytest.mark.parametrize(
    ("argv", "code"),
    [(["ffffffff"], 3), (["--format", "xml"], 2), (["--csv", "--json"], 2), (["--trend"], 2), (["--limit", "0"], 2)],
)
def test_refusals(ended, argv, code):
    ran = spoolq("results", *argv, ok=False)
    assert (ran.code, ran.out) == (code, "")
