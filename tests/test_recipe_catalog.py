"""What recipes tell of their requests, for forms."""

import dataclasses

import pytest

from spoolq import recipes
from spoolq.recipes.catalog import parameters_of
from spoolq.settings import Settings

DECLARED = {
    "command": ["x", "{n}", "{kind}"],
    "parameters": {
        "n": {"type": "int", "required": True, "min": 1, "help": "How many."},
        "kind": {"type": "choice", "choices": ["a", "b"], "default": "a"},
    },
}


def test_an_operators_parameters_are_told_as_they_are_declared():
    settings = dataclasses.replace(Settings(), recipes={"mine": DECLARED, "lm-eval": DECLARED})
    expected = [
        {"name": "n", "type": "int", "required": True, "default": None, "help": "How many.", "choices": None, "min": 1,
         "max": None},
        {"name": "kind", "type": "choice", "required": False, "default": "a", "help": "", "choices": ["a", "b"],
         "min": None, "max": None},
    ]  # fmt: skip
    # Also where one takes the name of a built-in, as it does for jobs
    assert parameters_of("mine", settings) == parameters_of("lm-eval", settings) == expected


def test_a_broken_table_and_an_unknown_name_tell_nothing():
    settings = dataclasses.replace(Settings(), recipes={"broken": {"command": ["{nothing}"]}})
    assert parameters_of("broken", settings) is None
    assert parameters_of("a-packages", settings) is None


@pytest.mark.parametrize("name", sorted(recipes.BUILT_IN))
def test_the_built_ins_tell_what_their_check_takes(name):
    parameters = parameters_of(name, Settings())
    if name == recipes.WORKER:
        assert parameters is None  # whatever its worker wants
        return
    # Given the fields that are told, When a request has them all at their defaults, Then it is taken
    samples = {"command": ["true"], "model": "m", "tasks": ["t"]}
    request = {field["name"]: samples[field["name"]] if field["required"] else field["default"] for field in parameters}
    checked = recipes.find(name, Settings()).check(request)
    assert set(checked) == set(request)
    assert {field["type"] for field in parameters} <= {"str", "int", "float", "bool", "list", "choice", "object", "any"}
