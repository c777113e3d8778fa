"""The recipe `inspect`: request, command line, logs; Inspect itself is run elsewhere."""

import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.errors import NoResults, RequestInvalid
from spoolq.recipes import Place, find, head
from spoolq.recipes.yaml_text import yaml_text
from spoolq.settings import Settings

PLACE = Place(Path("/spool/runs/k"), Path("/spool/runs/k/output.partial"), 1, "/venv/bin/python")
LEAST = {"tasks": ["/opt/tasks/arith.py@easy"]}
RECIPE = find("inspect", Settings())


def test_defaults_are_filled_in_and_checking_again_changes_nothing():
    # Given the least that a request can say, When it is checked, Then all fields are there, and again the same
    checked = RECIPE.check(LEAST)
    assert checked["tasks"] == LEAST["tasks"] and checked["log_samples"] is True
    assert {value for name, value in checked.items() if name not in ("tasks", "log_samples")} == {None}
    assert RECIPE.check(checked) == checked


def test_the_command_line_has_all_that_was_said():
    # Given a request that says much
    request = RECIPE.check(
        {
            "tasks": ["/opt/tasks/arith.py@easy", "inspect_evals/gsm8k"],
            "model": "openai/gpt-4o",
            "model_args": {"device": "cuda:0"},
            "task_args": {"level": 3, "name": "3", "strict": True, "rate": 1e20, "none": None},
            "limit": "10-20",
            "epochs": 2,
            "temperature": 0,
            "log_samples": False,
        }
    )
    # When it is planned
    plan = RECIPE.plan(request, PLACE)
    # Then each value stands in one element, texts cannot become numbers, and files are relative to the run folder
    assert plan.argv == [
        *("/venv/bin/python", "-m", "inspect_ai", "eval", "--display=plain", "--log-format=json"),
        *("--log-dir=/spool/runs/k/output.partial", "--model=openai/gpt-4o", "--limit=10-20", "--epochs=2"),
        *("--temperature=0.0", "--no-log-samples", '-Mdevice="cuda:0"', "-Tlevel=3", '-Tname="3"', "-Tstrict=true"),
        *("-Trate=1.0e+20", "-Tnone=null", "--", "../../../opt/tasks/arith.py@easy", "inspect_evals/gsm8k"),
    ]
    assert plan.cwd == PLACE.run and "RANK" in plan.scrub
    assert (RECIPE.stop_signal, RECIPE.grace) == (signal.SIGINT, None)


def test_a_run_folder_behind_a_link_still_finds_the_file(tmp_path):
    # Given a spool that is reached by a link, and a task beside what the link leads to
    real = tmp_path / "disk" / "deep" / "spool"
    real.mkdir(parents=True)
    (tmp_path / "task.py").write_text("")
    (tmp_path / "spool").symlink_to(real)
    place = Place(tmp_path / "spool", tmp_path / "spool" / "output", 1, "python")
    # When the run is planned, Then the path leads there from the directory that the process will be in
    task = RECIPE.plan(RECIPE.check({"tasks": [str(tmp_path / "task.py")]}), place).argv[-1]
    assert not task.startswith("/") and (real / task).resolve() == tmp_path / "task.py"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"tasks": []}, "tasks"),
        ({"tasks": ["arith.py"]}, "tasks.0"),
        ({"tasks": ["../arith"]}, "tasks.0"),
        ({"tasks": ["/opt/a[1]/b.py"]}, "tasks.0"),
        ({"tasks": ["/opt/a.py", "--help"]}, "tasks.1"),
        ({"model": "-m"}, "model"),
        ({"model": "a/b,c/d"}, "model"),
        ({"model_args": {"a": "x,y"}}, "model_args.a"),
        ({"model_args": {"a": [1]}}, "model_args.a"),
        ({"task_args": {"a=b": 1}}, "task_args.a=b"),
        ({"task_args": {"--a": 1}}, "task_args.--a"),
        ({"task_args": {"a": "x\0"}}, "task_args.a"),
        ({"task_args": {"a": float("inf")}}, "task_args.a"),
        ({"limit": 0}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"epochs": 0}, "epochs"),
        ({"temperature": float("nan")}, "temperature"),
        ({"log_dir": "/x"}, "log_dir"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(said, field):
    # Given a request with one fault, When it is checked, Then the message names the field
    with pytest.raises(RequestInvalid) as caught:
        RECIPE.check({**LEAST, **said})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"field `{field}`: ")


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()))
def test_a_program_that_reads_yaml_gets_the_value_back(value):
    # Given any single value that a record can hold, When YAML reads what was written, Then it is that value, unchanged
    yaml = pytest.importorskip("yaml")
    written = yaml_text(value)
    assert "\n" not in written
    back = yaml.safe_load(written)
    assert back == value and type(back) is type(value)


def _log(output: Path, name: str, when: float = 150.0, **changes) -> None:
    """A log as Inspect leaves it."""
    metrics = {"accuracy": {"name": "accuracy", "value": 0.5}, "stderr": {"name": "stderr", "value": 0.1}}
    document = {
        "version": 2,
        "status": "success",
        "eval": {"task": "arith", "model": "mock"},
        "results": {"total_samples": 2, "scores": [{"name": "match", "scorer": "match", "metrics": metrics}]},
        "samples": [{"id": 1, "status": "no log's"}],
        **changes,
    }
    path = output / f"{name}.json"
    path.write_text(json.dumps(document, indent=2))
    os.utime(path, (when, when))


def test_scores_are_taken_from_each_log(tmp_path):
    # Given the logs of two tasks of one name, one with two scorers, and a stale one
    scores = [
        {"name": name, "metrics": {"mean": {"name": "mean", "value": value}}}
        for name, value in (("f1", 0.25), ("em", 1))
    ]
    _log(tmp_path, "1")
    _log(tmp_path, "2", results={"scores": scores})
    _log(tmp_path, "0", when=50, status="error")
    # When they are collected
    found = RECIPE.collect({"tasks": ["/a.py", "/b.py"]}, tmp_path, 100)
    # Then each has its metrics, and its file
    assert found.metrics == {"arith": {"accuracy": 0.5, "stderr": 0.1}, "arith 2": {"mean,f1": 0.25, "mean,em": 1}}
    assert found.result["arith 2"] == {"results": Path("2.json"), "samples": []}


@pytest.mark.parametrize("status", ["error", "cancelled", "started", None])
def test_a_log_that_is_no_success_is_none_whatever_the_exit_code(tmp_path, status):
    # Given a run that exited 0 with one good log and one other
    _log(tmp_path, "1")
    _log(tmp_path, "2", status=status, error={"message": "it broke"})
    # When they are collected, Then there are no results, and the reason is Inspect's own
    with pytest.raises(NoResults, match=rf"`status` of '2\.json' is {status!r}, not 'success': it broke"):
        RECIPE.collect(LEAST, tmp_path, 100)


def test_a_task_without_a_log_is_no_success(tmp_path):
    # Given two tasks and one log, When it is collected, Then the run is not taken for whole
    _log(tmp_path, "1")
    with pytest.raises(NoResults, match="2 tasks left 1 logs"):
        RECIPE.collect({"tasks": ["/a.py", "/b.py"]}, tmp_path, 100)


def test_a_log_of_any_size_is_read_up_to_its_samples(tmp_path, monkeypatch):
    # Given a log that is larger than what is read of one
    _log(tmp_path, "1", samples=["x" * 5000])
    monkeypatch.setattr(head, "MAX_RESULTS", 2000)
    # When it is collected, Then its scores are there; once it was cut off, they are not
    assert RECIPE.collect(LEAST, tmp_path, 100).metrics == {"arith": {"accuracy": 0.5, "stderr": 0.1}}
    whole = (tmp_path / "1.json").read_text()
    for text, cause in (
        (whole[:4000], "ends in the middle"),
        ("[" + whole, "no JSON object"),
        ('{"a" 1,' + whole, "no JSON"),
    ):
        (tmp_path / "1.json").write_text(text)
        with pytest.raises(NoResults, match=cause):
            RECIPE.collect(LEAST, tmp_path, 0)


def test_progress_is_that_of_the_samples():
    # Given the plain display, and a bar that came later
    log = "generate     | Steps:  20/40 50% | Samples:  10/ 40 | accuracy:  n/a\n\rLoading:  90%|█ | 9/10 [00:00<00:00]"
    # When progress is read, Then the samples count
    assert RECIPE.progress(log) == {"stage": "samples", "percent": 25, "done": "10", "total": "40"}
