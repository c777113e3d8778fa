"""The recipe `command`: any argv, as it stands."""

import json
import os
import signal
from pathlib import Path

import pytest

from spoolq.errors import NoResults, RequestInvalid
from spoolq.recipes import Findings, Place, choose, find
from spoolq.settings import Settings

PLACE = Place(Path("/spool/runs/k"), Path("/spool/runs/k/output.partial"), 1, "/venv/bin/python")


@pytest.fixture
def recipe():
    return find("command", Settings())


def test_defaults_are_filled_in_and_checking_again_changes_nothing(recipe):
    # Given the least that a request can say
    checked = recipe.check({"command": ["true"]})
    # When it is checked again, as at a retry, Then it stays the same
    assert checked == {"command": ["true"], "cwd": None, "env": {}, "results": None}
    assert recipe.check(checked) == checked


def test_a_bare_command_chooses_this_recipe():
    # Given a request that names no recipe, When it holds a command, Then it is one for `command`
    assert choose({"command": ["true"]}, None, Settings()) == "command"


def test_the_command_reaches_the_plan_untouched(recipe):
    # Given arguments that a shell would take apart
    request = recipe.check({"command": ["sh", "-c", "echo $HOME; *", "--x=a b"], "env": {"A": "1"}})
    # When it is planned
    plan = recipe.plan(request, PLACE)
    # Then every element stands as it was written, in the run folder
    assert plan.argv == ["sh", "-c", "echo $HOME; *", "--x=a b"]
    assert (plan.cwd, plan.env) == (PLACE.run, {"A": "1"})
    # And a directory that the request names is used
    assert recipe.plan({**request, "cwd": "/data"}, PLACE).cwd == Path("/data")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({}, "command"),
        ({"command": []}, "command"),
        ({"command": "true"}, "command"),
        ({"command": [""]}, "command.0"),
        ({"command": ["a", 1]}, "command.1"),
        ({"command": ["a\0b"]}, "command.0"),
        ({"command": ["a"], "cwd": "relative"}, "cwd"),
        ({"command": ["a"], "env": {"A": 1}}, "env.A"),
        ({"command": ["a"], "results": "/etc/passwd"}, "results"),
        ({"command": ["a"], "results": "../x.json"}, "results"),
        ({"command": ["a"], "shell": True}, "shell"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(recipe, request_, field):
    # Given a request with one fault, When it is checked, Then the message names the field
    with pytest.raises(RequestInvalid) as caught:
        recipe.check(request_)
    assert caught.value.field == field
    assert f"field `{field}`: " in str(caught.value)


def test_without_results_exit_0_is_enough(recipe, tmp_path):
    # Given a command that promised no file, When its results are collected, Then nothing is missing
    assert recipe.collect({"command": ["true"], "results": None}, tmp_path, 0) == Findings({}, {})


def test_a_promised_file_must_be_there_and_fresh(recipe, tmp_path):
    # Given a command that promised scores.json, and one from an earlier run
    request = recipe.check({"command": ["true"], "results": "scores.json"})
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({"results": {"t": {"acc": 1.0}}}))
    os.utime(scores, (100, 100))
    # When that is all there is, Then the run has no results; once it is fresh, it has
    with pytest.raises(NoResults):
        recipe.collect(request, tmp_path, 200)
    assert recipe.collect(request, tmp_path, 100).metrics == {"t": {"acc": 1.0}}


def test_it_is_stopped_by_sigterm_and_shows_any_bar(recipe):
    # Given the recipe, When a bar is in the log, Then it is the progress
    assert recipe.progress("\rstep:  50%|██ | 1/2 [00:01<00:01, 1it/s]")["percent"] == 50
    assert (recipe.stop_signal, recipe.grace) == (signal.SIGTERM, None)
