"""The recipe of remote workers' jobs: it takes what comes, and never runs here."""

import os
from pathlib import Path

import pytest

from spoolq import recipes
from spoolq.errors import NoResults, RequestInvalid
from spoolq.recipes import Place
from spoolq.requests import accept
from spoolq.settings import Settings

PAYLOAD = {"team": "a", "task": "x", "command": 7, "tasks": "whatever", "deep": [{"a": None}]}


def test_a_job_with_a_resource_type_is_a_workers_whatever_its_request_holds():
    # Given a payload that other recipes would refuse, When it is taken, Then as it stands
    job = accept({"request": PAYLOAD, "resource_type": "a_1", "external_id": "3"}, os.getuid(), Settings())
    assert (job.recipe.name, job.request, job.is_workers) == ("worker", PAYLOAD, True)
    assert (job.policy["resource_type"], job.policy["external_id"]) == ("a_1", "3")
    # and an empty one too, named by its recipe or not
    assert accept({"request": {}, "resource_type": "a", "recipe": "worker"}, os.getuid(), Settings()).is_workers


def test_a_bare_request_is_nobody_elses(tmp_path):
    # Given a bare request with such a key, When it is taken, Then that is a part of the request, and no policy
    job = accept({"command": ["true"]}, os.getuid(), Settings())
    assert not job.is_workers
    with pytest.raises(RequestInvalid, match="resource_type"):
        accept({"command": ["true"], "resource_type": "a_1"}, os.getuid(), Settings())


@pytest.mark.parametrize(
    ("envelope", "field"),
    [({"resource_type": "a", "recipe": "command"}, "recipe"), ({"recipe": "worker"}, "resource_type")],
)
def test_recipe_and_resource_type_stand_or_fall_together(envelope, field):
    # Given one without the other, When it is taken, Then it is refused by the field
    with pytest.raises(RequestInvalid) as caught:
        accept({"request": {"command": ["true"]}, **envelope}, os.getuid(), Settings())
    assert caught.value.field == field


def test_an_operators_recipe_of_that_name_is_still_his():
    # Given an operator's recipe `worker`
    settings = Settings(recipes={"worker": {"command": ["/bin/true"]}})
    # When jobs with and without a resource_type are taken, Then each has its own
    assert accept({"request": {}, "recipe": "worker"}, os.getuid(), settings).is_workers is False
    assert accept({"request": PAYLOAD, "resource_type": "a"}, os.getuid(), settings).request == PAYLOAD


def test_it_never_runs_here():
    # Given the recipe, When it is asked to run or to look for results, Then it refuses
    recipe = recipes.find("worker", Settings())
    with pytest.raises(RequestInvalid):
        recipe.plan({}, Place(Path("/r"), Path("/o"), 1, "python"))
    with pytest.raises(NoResults):
        recipe.collect({}, Path("/o"), 0.0)
    assert recipe.progress("50%") is None
    assert "worker" in recipes.known(Settings())
