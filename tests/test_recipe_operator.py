"""Recipes that an operator declares: good tables, wrong tables, and values that try to be options."""

import argparse
import json
import os
import signal
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spoolq.errors import NoResults, RequestInvalid, SettingsInvalid
from spoolq.recipes import Findings, Place, find
from spoolq.recipes.operator import OperatorRecipe
from spoolq.settings import Settings

PLACE = Place(Path("/spool/runs/k"), Path("/spool/runs/k/output.partial"), 2, "/venv/bin/python")
TABLE = tomllib.loads("""
command = ["{python}", "/opt/eval.py", "--model", "{model}", "--out={output}", "--try={attempt}",
           ["--limit", "{limit}"], ["--fast", "{fast}"], ["--tasks={tasks}"], "--note={{{note}}}", "--p={precision}"]
cwd = "/opt"
env = {K = "V"}
results = "**/results*.json"
metrics = "scores.all"
require = {status = "success"}
stop_signal = "SIGINT"
grace = "30s"
work = ["Evaluating "]

[parameters.model]
type = "str"
required = true
min_length = 2
max_length = 20
pattern = "[A-Za-z/-]+"
[parameters.limit]
type = "int"
min = 1
max = 100
[parameters.fast]
type = "bool"
[parameters.tasks]
type = "list"
max_length = 2
[parameters.note]
type = "str"
default = "none"
[parameters.precision]
type = "choice"
choices = ["fp16", "bf16", 8]
default = "bf16"
""")


def make(**changes) -> OperatorRecipe:
    """The recipe of TABLE with some keys replaced."""
    return OperatorRecipe.from_settings("my-eval", {**TABLE, **changes})


def simple(command, **parameters) -> OperatorRecipe:
    """A recipe of nothing but a command and parameters."""
    return OperatorRecipe.from_settings("x", {"command": ["prog", *command], "parameters": parameters})


def test_settings_lead_to_the_recipe():
    # Given settings with the table, When the recipe is looked up by name, Then it has the table's ways
    recipe = find("my-eval", Settings(recipes={"my-eval": TABLE}))
    assert (recipe.name, recipe.stop_signal, recipe.grace) == ("my-eval", signal.SIGINT, 30.0)
    bar = "\rEvaluating x:  50%|█ | 1/2 [00:01<00:01, 1it/s]\rSaving:   0%| | 0/2 [00:00<?, ?it/s]"
    assert recipe.progress(bar)["stage"] == "Evaluating x"


def test_lines_of_the_form_that_progress_describes_are_read_before_bars():
    # Given a recipe that says what its lines look like, and a log with such a line and a newer bar
    recipe = make(progress="step={stage} ({current}/{total})")
    log = "step=scoring (3/12)\n\rEvaluating x:  50%|█ | 1/2 [00:01<00:01, 1it/s]"
    # When the progress is read, Then the line counts; without any, the bars do
    assert recipe.progress(log) == {"stage": "scoring", "percent": 25, "done": "3", "total": "12"}
    assert recipe.progress(log.partition("\n")[2])["stage"] == "Evaluating x"


def test_defaults_are_filled_in_and_checking_again_changes_nothing():
    # Given what is required and nothing else
    checked = make().check({"model": "org/m", "limit": None})
    # When it is checked, Then defaults stand for what is missing or null, and a retry finds nothing to change
    assert checked == {
        "model": "org/m",
        "limit": None,
        "fast": False,
        "tasks": None,
        "note": "none",
        "precision": "bf16",
    }
    assert make().check(checked) == checked


def test_unset_arrays_are_left_out():
    # Given only what is required, When it is planned, Then optional arrays are gone, and braces are literal
    plan = make().plan(make().check({"model": "org/m"}), PLACE)
    assert plan.argv == [
        *("/venv/bin/python", "/opt/eval.py", "--model", "org/m", "--out=/spool/runs/k/output.partial", "--try=2"),
        *("--note={none}", "--p=bf16"),
    ]
    assert (plan.cwd, plan.env) == (Path("/opt"), {"K": "V"})


def test_set_arrays_are_there_and_a_truth_value_only_decides():
    # Given everything, with a value that looks like a placeholder and one that a shell would run
    request = {"model": "org/m", "limit": 5, "fast": True, "tasks": ["a", "b"], "note": "{model} $(rm)", "precision": 8}
    # When it is planned, Then each value is (part of) one element, and nothing is expanded twice
    assert make().plan(make().check(request), PLACE).argv[6:] == [
        *("--limit", "5", "--fast", "--tasks=a,b", "--note={{model} $(rm)}", "--p=8"),
    ]


def test_false_leaves_its_array_out_and_is_written_elsewhere():
    # Given a truth value in an array of its own and within plain text
    recipe = simple([["--x", "{flag}"], "--flag={flag}"], flag={"type": "bool"})
    # When it is false or true, Then the array follows it, and the text says it
    assert recipe.plan(recipe.check({}), PLACE).argv == ["prog", "--flag=false"]
    assert recipe.plan(recipe.check({"flag": True}), PLACE).argv == ["prog", "--x", "--flag=true"]


@pytest.mark.parametrize(
    ("said", "field", "expected"),
    [
        ({"model": None}, "model", "is missing; write text from 2 to 20 characters"),
        ({"model": "m"}, "model", "too short"),
        ({"model": "m" * 21}, "model", "too long"),
        ({"model": "m m"}, "model", "does not match the pattern; .* that fits"),
        ({"model": "mm\n"}, "model", "pattern"),
        ({"model": 5}, "model", "no text"),
        ({"model": "--help"}, "model", "begins with `-`"),
        ({"limit": 0}, "limit", "out of range; write a whole number from 1 to 100"),
        ({"limit": 101}, "limit", "out of range"),
        ({"limit": 1.0}, "limit", "no whole number"),
        ({"limit": True}, "limit", "no whole number"),
        ({"limit": "5"}, "limit", "no whole number"),
        ({"fast": 1}, "fast", "write true or false"),
        ({"tasks": "a"}, "tasks", "no list"),
        ({"tasks": ["a,b"]}, "tasks", "`,`"),
        ({"tasks": [""]}, "tasks", "empty"),
        ({"tasks": ["a", "b", "c"]}, "tasks", "too long; write a list of texts of at most 2 elements"),
        ({"note": "a\0"}, "note", "NUL"),
        ({"note": "\ud800"}, "note", "surrogate"),
        ({"precision": "fp8"}, "precision", "write one of fp16, bf16, 8"),
        ({"precision": True}, "precision", "none of the choices"),
        ({"colour": 1}, "colour", "known are model, limit, fast, tasks, note, precision"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_range(said, field, expected):
    # Given a request with one fault, When it is checked, Then the message names the field and what would fit
    with pytest.raises(RequestInvalid, match=expected) as caught:
        make().check({"model": "org/m", **said})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"field `{field}`: ")


def test_a_recipe_without_parameters_says_that_it_has_none():
    with pytest.raises(RequestInvalid, match="has no such field; its request is empty"):
        simple([]).check({"x": 1})


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "1", True])
def test_a_float_is_a_finite_number(value):
    # Given a parameter of type float, When it is no finite number, Then it is refused; a whole number is one
    recipe = simple(["{x}"], x={"type": "float", "required": True, "min": 0.5})
    assert recipe.plan(recipe.check({"x": 2}), PLACE).argv == ["prog", "2"]
    with pytest.raises(RequestInvalid, match=r"write a number of 0\.5 or more"):
        recipe.check({"x": value})


@pytest.mark.parametrize(
    ("changes", "key", "cause"),
    [
        ({"comand": []}, "comand", "no such key; known are command, cwd"),
        ({"command": []}, "command", "at least 1"),
        ({"command": "eval"}, "command", "valid list"),
        ({"command": ["prog", 5]}, "command", "neither text nor"),
        ({"command": ["prog", [["deep"]]]}, "command", "neither text nor"),
        ({"command": ["prog", "{modle}"]}, "command", "no parameter for the placeholder {modle}"),
        ({"command": ["prog", "{limit}"]}, "command", "{limit} may have no value"),
        ({"command": ["prog", "{model"]}, "command", "brace"),
        ({"command": ["prog", "{}"]}, "command", "no parameter"),
        ({"command": ["{model}"]}, "command", "no request may choose"),
        ({"command": [["prog"]]}, "command", "no request may choose"),
        ({"command": [""]}, "command", "no request may choose"),
        ({"cwd": "opt"}, "cwd", "pattern"),
        ({"env": {"A B": "x"}}, "env.A B", "pattern"),
        ({"results": "/etc/*.json"}, "results", "below the output folder"),
        ({"results": "../*.json"}, "results", "below the output folder"),
        ({"results": None}, "metrics", "name that file with `results`"),
        ({"results": None, "metrics": None}, "require", "name that file with `results`"),
        ({"stop_signal": "SIGKILL"}, "stop_signal", "SIGTERM"),
        ({"grace": "soon"}, "grace", "no duration"),
        ({"progress": "{current} of {total}"}, "progress", "must begin with text"),
        ({"progress": "done: {currant}"}, "progress", "no placeholder {currant}"),
        ({"progress": ""}, "progress", "needs {percent}"),
        ({"progress": {"regex": "(?P<percent>[0-9]+"}}, "progress", "not closed"),
        ({"progress": {"expression": "x"}}, "progress", "key `regex` and no other"),
        ({"progress": 5}, "progress", "it must be text with placeholders"),
        ({"resume_argv": ["--from", "{nowhere}"]}, "resume_argv", "no parameter for the placeholder {nowhere}"),
        ({"resume_argv": [5]}, "resume_argv", "neither text nor"),
        ({"default_env": {"A B": "x"}}, "default_env.A B", "pattern"),
        ({"preload": ["a b"]}, "preload.0", "pattern"),
        ({"entry": "module"}, "entry", "pattern"),
        ({"success": {"file": "x"}}, "success.file", "no such key; known are exit_codes, files, json, nonempty"),
        ({"success": {"exit_codes": []}}, "success.exit_codes", "at least 1"),
        ({"success": {"exit_codes": [256]}}, "success.exit_codes.0", "less than or equal to 255"),
        ({"success": {"files": "/x"}}, "success.files", "below the output folder"),
        ({"results": None, "metrics": None, "require": {}, "success": {"nonempty": ["a"]}}, "success", "nothing names"),
        ({"grace": [1]}, "grace", "no duration"),
        ({"parameters": {"output": {"type": "str"}}}, "parameters.output", "filled by spoolq"),
        ({"parameters": {"a-b": {"type": "str"}}}, "parameters.a-b", "no name"),
    ],
)
def test_a_wrong_table_is_said_before_anything_runs(changes, key, cause):
    # Given a table with one fault, When the recipe is looked up, Then the message names the key and the way out
    with pytest.raises(SettingsInvalid) as caught:
        make(**changes)
    assert str(caught.value).startswith(f"cannot use recipe 'my-eval': `recipes.my-eval.{key}")
    assert cause in str(caught.value)
    assert str(caught.value).endswith("Mend it in spoolq.toml.")


@pytest.mark.parametrize(
    ("parameter", "key", "cause"),
    [
        ({}, "type", "required"),
        ({"type": "text"}, "type", "'str', 'int'"),
        ({"type": "str", "len": 1}, "len", "no such key; known are type"),
        ({"type": "str", "pattern": "("}, "", "no regular expression"),
        ({"type": "str", "min": 1}, "", "`min` means nothing for type str"),
        ({"type": "int", "pattern": "1"}, "", "`pattern` means nothing for type int"),
        ({"type": "choice"}, "", "needs `choices`"),
        ({"type": "int", "default": "1"}, "", "`default` is no whole number"),
        ({"type": "int", "default": 0, "min": 1}, "", "it must be a whole number of 1 or more"),
        ({"type": "int", "default": 1, "required": True}, "", "no use"),
        ({"type": "str", "default": "-x"}, "default", "begins with `-`"),
    ],
)
def test_a_wrong_parameter_is_said_before_anything_runs(parameter, key, cause):
    # Given a parameter with one fault, When the recipe is looked up, Then the message leads to it
    with pytest.raises(SettingsInvalid) as caught:
        simple([["{p}"]], p=parameter)
    assert f"`recipes.x.parameters.p{'.' if key else ''}{key}`: " in str(caught.value)
    assert cause in str(caught.value)


def test_two_values_that_begin_an_element_are_both_watched():
    # Given an element whose first value may be empty
    recipe = simple(["{a}{b}"], a={"type": "str", "default": ""}, b={"type": "str", "default": ""})
    # When the second would then begin it with a dash, Then it is refused; after a literal it is not
    with pytest.raises(RequestInvalid, match="field `b`: begins with `-`"):
        recipe.check({"b": "-rf"})
    after = simple(["--x={b}"], b={"type": "str", "default": ""})
    assert after.plan(after.check({"b": "-rf"}), PLACE).argv == ["prog", "--x=-rf"]


_text = st.one_of(st.text(max_size=12), st.sampled_from(["--evil", "-e", "--", "--evil=1", "{output}", "a --evil"]))


@settings(deadline=None)
@given(a=_text, b=_text, c=st.lists(_text, max_size=3), n=st.integers())
def test_no_value_smuggles_in_an_option(a, b, c, n):
    # Given a recipe that puts values everywhere a value can stand (Python 3.11 argparse loses `--b=--`)
    assume(b != "--")
    recipe = simple(
        ["--a", "{a}", "--b={b}", ["--c", "{c}"], "--n={n}"],
        a={"type": "str", "required": True},
        b={"type": "str", "required": True},
        c={"type": "list"},
        n={"type": "int", "required": True},
    )
    parser = argparse.ArgumentParser(exit_on_error=False)
    for option in "abcn":
        parser.add_argument(f"--{option}")
    parser.add_argument("--evil", nargs="?", const=True)
    try:
        checked = recipe.check({"a": a, "b": b, "c": c, "n": n})
    except RequestInvalid:
        return
    # When values that are taken reach a program that parses its options
    read, rest = parser.parse_known_args(recipe.plan(checked, PLACE).argv[1:])
    # Then it finds just those values
    assert (read.a, read.b, read.c, read.n, read.evil, rest) == (a, b, ",".join(c), str(n), None, [])


def test_results_must_be_fresh_say_success_and_hold_metrics(tmp_path):
    # Given a results file as the table describes it
    def put(content, when=150.0):
        path = tmp_path / "deep/results_1.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        os.utime(path, (when, when))

    good = {"status": "success", "scores": {"all": {"arith": {"acc": 0.5, "note": "ok"}}}}
    put(good)
    # When it is collected, Then its metrics are taken
    found = make().collect({}, tmp_path, 100)
    assert found == Findings({"results": Path("deep/results_1.json")}, {"arith": {"acc": 0.5, "note": "ok"}})
    # And a stale one, one that says error, and one without the metrics are none
    for content, when in ((good, 50.0), ({**good, "status": "error"}, 150.0), ({"status": "success"}, 150.0)):
        put(content, when)
        with pytest.raises(NoResults, match=r"See the end of the log\.$"):
            make().collect({}, tmp_path, 100)


def test_from_the_second_attempt_on_the_command_says_how_to_resume():
    # Given a recipe that can take up where it was, with a parameter in that part
    recipe = make(resume_argv=["--resume", "{run}/state", ["--skip", "{limit}"]])
    request = recipe.check({"model": "org/m", "limit": 3})
    first, again = (
        recipe.plan(request, Place(PLACE.run, PLACE.output, attempt, PLACE.python)).argv for attempt in (1, 2)
    )
    # When attempts are planned, Then the first does without, and the second has it at its end
    assert again[-4:] == ["--resume", "/spool/runs/k/state", "--skip", "3"]
    assert [text.replace("--try=2", "--try=1") for text in again[:-4]] == first


def test_default_variables_stand_back_behind_the_environment_and_the_settings(monkeypatch):
    # Given a default for four variables, of which the environment, the settings and the recipe have one each
    monkeypatch.setenv("SET_OUTSIDE", "1")
    for name in ("IN_SETTINGS", "K", "NOWHERE"):
        monkeypatch.delenv(name, raising=False)
    default_env = dict.fromkeys(("SET_OUTSIDE", "IN_SETTINGS", "K", "NOWHERE"), "default")
    table = {**TABLE, "default_env": default_env}
    recipe = find("my-eval", Settings(recipes={"my-eval": table}, env={"IN_SETTINGS": "1"}))
    # When a run is planned, Then only what nobody has said is added
    assert recipe.plan(recipe.check({"model": "org/m"}), PLACE).env == {"K": "V", "NOWHERE": "default"}


def test_what_a_warm_parent_needs_is_in_the_plan():
    # Given a recipe with and one without, When runs are planned, Then the plan says so
    warm = make(preload=["torch", "my.eval"], entry="my.eval:main")
    plan = warm.plan(warm.check({"model": "org/m"}), PLACE)
    assert (plan.preload, plan.entry) == (("torch", "my.eval"), "my.eval:main")
    plan = make().plan(make().check({"model": "org/m"}), PLACE)
    assert (plan.preload, plan.entry) == ((), None)


def test_lines_that_an_expression_describes_are_read():
    # Given a recipe with a regular expression, When the log has such a line, Then its groups are the progress
    recipe = make(progress={"regex": r"step (?P<stage>\w+): (?P<current>\d+) of (?P<total>\d+)"})
    log = "step scoring: 3 of 12\n\rEvaluating x:  50%|█ | 1/2 [00:01<00:01, 1it/s]"
    assert recipe.progress(log) == {"stage": "scoring", "percent": 25, "done": "3", "total": "12"}


def test_files_that_success_names_must_pass_and_exit_codes_may_be_more(tmp_path):
    # Given a recipe that reads a status beside its results, and takes exit code 3 for none of its business
    (tmp_path / "results.json").write_text('{"status": "success", "scores": {"all": {"a": {"acc": 1}}}}')
    recipe = make(success={"files": "*.status", "json": {"state": "done"}, "exit_codes": [0, 3]})
    assert recipe.exit_codes == {0, 3} and make().exit_codes == {0}
    # When the status is missing, or says something else, Then there are no results; when it is right, there are
    with pytest.raises(NoResults, match="fits"):
        recipe.collect({}, tmp_path, 0)
    for state in ("failed", "done"):
        (tmp_path / "run.status").write_text(json.dumps({"state": state}))
        if state == "failed":
            with pytest.raises(NoResults, match='`state` is "failed"'):
                recipe.collect({}, tmp_path, 0)
    assert recipe.collect({}, tmp_path, 0).metrics == {"a": {"acc": 1}}
    # And a test without files of its own is about the results
    with pytest.raises(NoResults, match=r"`scores\.none` is missing"):
        make(success={"nonempty": ["scores.none"]}).collect({}, tmp_path, 0)


def test_a_recipe_without_results_asks_for_nothing(tmp_path):
    # Given a table that names no results, When an empty output is collected, Then exit 0 is enough
    recipe = simple([])
    assert recipe.collect({}, tmp_path, 0) == Findings({}, {})
    assert (recipe.plan({}, PLACE).cwd, recipe.stop_signal, recipe.grace) == (PLACE.run, signal.SIGTERM, None)
