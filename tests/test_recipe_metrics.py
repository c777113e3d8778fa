"""Results on disk: which file counts, and what of it goes into the record."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoolq.documents import dump
from spoolq.errors import NoResults
from spoolq.recipes.metrics import MAX_METRICS, matches, metrics_in, read_metrics

START = 1_700_000_000.0
GOOD = {"results": {"arith": {"acc": 0.5}}}


def put(path: Path, content, age: float = 1.0) -> Path:
    """A results file that was written *age* seconds after the start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, (START + age, START + age))
    return path


def test_metrics_and_the_relative_path_come_out(tmp_path):
    # Given a fresh results file two folders down
    put(tmp_path / "a/b/results_1.json", GOOD)
    # When it is looked for
    found = read_metrics(tmp_path, "**/results_*.json", START)
    # Then the path is relative to the output, and the metrics are task -> metric -> value
    assert found.result == {"results": Path("a/b/results_1.json")}
    assert found.metrics == {"arith": {"acc": 0.5}}


def test_the_newest_file_wins_and_ties_go_by_name(tmp_path):
    # Given three fresh files, two of one age
    for name, age in (("x.json", 1), ("b.json", 5), ("c.json", 5)):
        put(tmp_path / name, {"results": {name: {"acc": 1}}}, age)
    # When the results are taken, Then always the same one is
    assert list(read_metrics(tmp_path, "*.json", START).metrics) == ["c.json"]


def test_stale_files_never_count(tmp_path):
    # Given a results file from before the start
    put(tmp_path / "results.json", GOOD, age=-1)
    # When the results are taken, Then there are none, and the message says why
    with pytest.raises(NoResults, match=r"older than the start.*See the end of the log\."):
        read_metrics(tmp_path, "*.json", START)


def test_a_file_written_in_the_very_moment_of_the_start_counts(tmp_path):
    # Given a file whose time is exactly the start's
    put(tmp_path / "results.json", GOOD, age=0)
    # When the results are taken, Then it is one of this run
    assert read_metrics(tmp_path, "*.json", START).metrics == {"arith": {"acc": 0.5}}


def test_no_symbolic_link_leads_out_of_the_output(tmp_path):
    # Given an output with a link to a file, a link to a folder, and a fifo, all named as results
    outside = put(tmp_path / "outside/results.json", GOOD)
    output = tmp_path / "output"
    output.mkdir()
    (output / "results.json").symlink_to(outside)
    (output / "folder").symlink_to(outside.parent)
    os.mkfifo(output / "results_2.json")
    # When the results are taken, Then nothing is followed or waited for
    with pytest.raises(NoResults, match="no file fits"):
        read_metrics(output, "**/results*.json", START)
    # And an output that is a link itself is none
    (tmp_path / "link").symlink_to(outside.parent)
    with pytest.raises(NoResults, match="no file fits"):
        read_metrics(tmp_path / "link", "**/*.json", START)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "it is empty"),
        ("{", "Expecting property name"),
        ("[1]", "it holds a JSON list"),
        ("{}", "it is empty"),
        ('{"results": {}}', "`results` is empty"),
        ("[" * 200_000, "nested too deeply"),
        ('{"x": "\\ud8', "cannot read results"),
    ],
)
def test_a_file_that_holds_no_results_is_named_with_its_cause(tmp_path, content, cause):
    # Given a file that a crashed harness left
    put(tmp_path / "results.json", content)
    # When the results are taken, Then the message names the file and what is wrong
    with pytest.raises(NoResults, match=cause) as caught:
        read_metrics(tmp_path, "*.json", START)
    assert str(caught.value).startswith("cannot read results 'results.json': ")


def test_a_missing_output_folder_is_no_results(tmp_path):
    # Given no folder at all, When the results are taken, Then that is said, not raised as something else
    with pytest.raises(NoResults, match="no file fits"):
        read_metrics(tmp_path / "none", "**/*.json", START)


def test_a_dotted_path_finds_the_metrics_and_must_exist(tmp_path):
    # Given metrics deeper in the document
    put(tmp_path / "r.json", {"report": {"scores": {"t": {"f1": 1}}, "none": {}}})
    # When they are taken by path, Then they are found
    assert read_metrics(tmp_path, "r.json", START, at="report.scores").metrics == {"t": {"f1": 1}}
    # And a path to nothing, or to an empty object, is no result
    for path in ("report.other", "report.scores.t.f1", "report.none"):
        with pytest.raises(NoResults, match=path):
            read_metrics(tmp_path, "r.json", START, at=path)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [({"status": "success"}, True), ({"status": "error"}, False), ({"n": True}, False), ({"x": 1}, False)],
)
def test_required_keys_must_have_their_values(tmp_path, wanted, fits):
    # Given a file that says how the evaluation ended
    put(tmp_path / "r.json", {"status": "success", "n": 1, "results": {"t": {"acc": 1}}})
    # When a value is required, Then only that value of that type will do
    if fits:
        assert read_metrics(tmp_path, "r.json", START, require=wanted).metrics == {"t": {"acc": 1}}
    else:
        with pytest.raises(NoResults, match=next(iter(wanted))):
            read_metrics(tmp_path, "r.json", START, require=wanted)


def test_what_no_record_can_hold_is_left_out_or_null(tmp_path):
    # Given numbers that JSON has no word for, nested values, half a surrogate pair and a flat entry
    put(
        tmp_path / "r.json",
        '{"results": {"t": {"nan": NaN, "inf": 1e999, "l": [1], "d": {}, "s\\ud800": "v", "n": 1}, "flat": 1}}',
    )
    # When the metrics are taken
    metrics = read_metrics(tmp_path, "r.json", START).metrics
    # Then the record can be written
    assert metrics == {"t": {"nan": None, "inf": None, "s?": "v", "n": 1}}
    assert dump({"metrics": metrics})


def test_a_record_stays_small():
    # Given far more metrics than anybody reads, with long names
    many = {f"task{n}": {"m" * 500: "v" * 5000} for n in range(5000)}
    # When they are taken, Then the record keeps the first of them, cut
    metrics = metrics_in(many)
    assert "task0" in metrics and "task4999" not in metrics
    assert len(json.dumps(metrics)) < 2 * MAX_METRICS


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("results.json", "results.json", True),
        ("a/results.json", "results.json", False),
        ("a/b/results_1.json", "**/results*.json", True),
        ("results_1.json", "**/results*.json", True),
        ("a/results.json", "*/results.json", True),
        ("a/b/results.json", "*/results.json", False),
        ("a/b", "**", True),
        (".results.json.tmp", "*", False),
        (".hidden/results.json", "**/*.json", False),
        (".hidden/results.json", ".hidden/*.json", True),
        ("a/b/c/d.json", "a/**/d.json", True),
        ("Results.json", "results.json", False),
        ("r1.json", "./r[0-9].json", True),
    ],
)
def test_patterns_fit_as_in_a_shell(path, pattern, fits):
    # Given a path and a pattern, When they are compared, Then it is as a shell with globstar would say
    assert matches(path, pattern) is fits


def test_a_pattern_of_many_stars_is_no_trap():
    # Given a pattern and a path on which a naive matcher tries every combination
    # When they are compared, Then it ends, and says no
    assert not matches("/".join("a" * 200), "/".join(["**", "a"] * 60) + "/b")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(_json)
def test_whatever_the_file_holds_its_metrics_fit_a_record(found):
    # Given any JSON value, When metrics are taken from it, Then they can be written as a record
    assert json.loads(dump({"metrics": metrics_in(found)}))
