"""`spoolq results`."""

import csv
import io
import json
import os
import re
import sys

import pytest

from tests.spooltest.scored import job_id, lm_eval, scored
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


@pytest.fixture
def pair(spool, store):
    """Two jobs with samples: 1 of a small model, 2 of a large one that asked one question more."""
    small = {"wiki": {"word_perplexity": 20.0}}
    lm_eval(store, 1, "org/small", {"arc": [1, 0, 0, 1]}, metrics=small, labels={"size": "s"}, group="night")
    lm_eval(store, 2, "org/large", {"arc": [1, 1, 1, 1, 1]}, labels={"size": "l"}, ended="2026-11-21T06:00:00+00:00")
    return store


def shown(*argv):
    """The jobs, by number, that a command line chooses."""
    return sorted({int(row["job_id"][:8], 16) for row in spoolq("results", *argv, "--json").json()})


@pytest.mark.parametrize(
    ("argv", "jobs"),
    [
        ([], [1, 2]),
        (["--label", "size=s"], [1]),
        (["--label", "size=s", "--label", "a=b"], []),
        (["--group", "night"], [1]),
        (["--model", "org/l*"], [2]),
        (["--model", "hf"], [1, 2]),
        (["--task", "wiki"], [1]),
        (["--recipe", "inspect"], []),
        (["--since", "2026-11-21"], [2]),
        (["--until", "2026-11-20"], [1]),
        (["--since", "2026-11-20T12:00", "--until", "2026-11-21T05:00:00"], [1]),
        (["--since", "3650d"], [1, 2]),
        (["--limit", "1"], [2]),
        (["--limit", "1", "--group", "night"], [1]),
        ([job_id(1), "--task", "arc"], [1]),
    ],
    ids=str,
)
def test_filters(pair, argv, jobs):
    assert shown(*argv) == jobs


def test_nothing_that_fits_is_said(pair):
    ran = spoolq("results", "--group", "nobody")
    assert (ran.code, ran.out, ran.err) == (0, "", "no completed job is like that\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--label", "x"], "write KEY=VALUE"),
        (["--since", "yesterday"], "write 7d, 2026-11-20"),
        (["--until", "x"], "for --until"),
        (["--md", "--csv"], "two forms"),
        (["--plot", "x.pdf"], ".svg, .png"),
    ],
)
def test_what_cannot_be_meant_is_refused(pair, argv, said):
    ran = spoolq("results", *argv, ok=False)
    assert (ran.code, ran.out) == (2, "") and said in ran.err


def test_rows_in_each_form(pair):
    assert spoolq("results", "--rows", "tasks").lines[0].split() == ["task", "metric", "better", "00000001", "00000002"]
    assert spoolq("results", "--rows", "tasks").lines[1].split() == ["arc", "acc", "higher", "0.5000", "1.0000*"]
    assert spoolq("results", "--rows", "tasks").lines[2].split() == ["wiki", "word_perplexity", "lower", "20.0000"]
    assert "| 00000002 | org/large | 1.0000* |  |" in spoolq("results", "--rows", "jobs", "--md").lines
    assert spoolq("results", "--rows", "jobs", "--csv").lines[2] == f"{job_id(2)},org/large,1.0,"


def test_the_operator_declares_what_is_better(pair):
    (pair.root / "spoolq.toml").write_text('lower_is_better = ["ac*"]\n')
    assert spoolq("results", "--rows", "tasks").lines[1].split() == ["arc", "acc", "lower", "0.5000*", "1.0000"]


def test_compare_tells_the_interval_and_its_method(pair):
    # When two jobs with samples are compared, by the word and by the option
    ran = spoolq("results", "compare", job_id(1), job_id(2))
    assert ran.out == spoolq("results", "--compare", job_id(1), job_id(2)).out
    # Then there is the interval of the four questions of both, by hand: 1/2 ± 3.18245 / sqrt(12), and p = 2 / 4
    cells = re.split(" {2,}", ran.lines[1])
    assert cells == ["arc", "acc", "0.5000", "1.0000", "0.5000", "-0.4187 to +1.4187", "0.5", "4", "0", "1"]
    assert "Student's t" in ran.out and "Miller 2024" in ran.out and "McNemar" in ran.out
    # and why the other has none
    assert "difference: arc acc: over the 4 matched questions it is +0.5000" in ran.err


def test_compare_as_csv_json_and_markdown(pair):
    argv = ["results", "compare", job_id(1), job_id(2), "--task", "arc"]
    (row,) = csv.DictReader(io.StringIO(spoolq(*argv, "--csv").out))
    assert (row[job_id(1)], row["difference"], row["n"], row["only_second"], row["p"]) == (
        "0.5",
        "0.5",
        "4",
        "1",
        "0.5",
    )
    (told,) = spoolq(*argv, "--json").json()
    assert told["paired"]["low"] == float(row["low"]) and told["paired"]["mcnemar"]["second_only"] == 2
    lines = spoolq(*argv, "--md").lines
    assert lines[2] == "| arc | acc | 0.5000 | 1.0000 | 0.5000 | -0.4187 to +1.4187 | 0.5 | 4 | 0 | 1 |"


def test_compare_of_different_things_is_refused_with_a_reason(pair):
    lm_eval(pair, 3, "org/odd", {"arc": [1, 0, 0, 1]}, versions={"arc": 2})
    ran = spoolq("results", "compare", job_id(1), job_id(3), "--task", "arc")
    assert ran.lines[1].split() == ["arc", "acc", "0.5000", "0.5000", "refused"]
    assert ran.err == "cannot be compared: arc acc: the versions of the task differ: 1 and 2\n"


def test_compare_of_three_has_columns_and_no_difference(pair):
    scored(pair, 3, "org/odd", {"arc": {"acc": 0.75}})
    argv = ["results", "compare", job_id(1), job_id(2), job_id(3), "--task", "arc"]
    assert spoolq(*argv).lines[1].split() == ["arc", "acc", "0.5000", "1.0000", "0.7500"]
    assert spoolq(*argv, "--csv").lines[1] == "arc,acc,0.5,1.0,0.75"
    assert list(spoolq(*argv, "--json").json()[0]["values"].values()) == [0.5, 1.0, 0.75]


def test_plot_draws_into_a_file(pair, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    for words in ([], ["--trend"]):
        ran = spoolq("results", "--plot", tmp_path / "a.svg", *words)
        assert (ran.code, ran.out) == (0, "") and "drawn: " in ran.err
        assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")


def test_plot_without_matplotlib_names_the_extra(pair, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    ran = spoolq("results", "--plot", tmp_path / "a.svg", ok=False)
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'spoolq[plot]'" in ran.err and "Traceback" not in ran.err


def test_a_spool_that_one_may_only_read_is_read(pair):
    # Given a spool in which nothing can be made, When results are asked for, Then they are shown
    if os.getuid() == 0:
        (pair.root / ".index").write_text("")  # root may write anywhere, but not below a file
    else:
        pair.root.chmod(0o500)
    try:
        assert shown() == [1, 2]
    finally:
        pair.root.chmod(0o700)


def test_two_with_scores_are_compared_beside_one_without(ended):
    # Given all completed jobs, of which two have scores, When compared, Then the two are, with a difference
    ran = spoolq("results", "--compare")
    assert ran.lines[0].split()[-1] == "difference" and ended["plain"][:8] not in ran.lines[0]
    assert ran.lines[1].split()[-1] == "0.2500"
    assert f"{ended['plain'][:8]} (spoolq show JOB)" in ran.err
