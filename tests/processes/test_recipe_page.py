"""The page that says how to write a recipe: its program, its table and its request are run as they stand there."""

import json
import os
import re
import signal
import tomllib
from pathlib import Path

from spoolq.recipes import Place, find
from spoolq.recipes.catalog import parameters_of
from spoolq.recipes.operator import Table
from spoolq.recipes.parameters import Parameter
from spoolq.recipes.success import Success
from spoolq.settings import Settings
from tests.processes.conftest import Queue, wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
PROGRAM = "/opt/eval/run.py"


def block(language: str) -> str:
    """The only block of a language in the part about writing one."""
    part = PAGE.partition("\n## Write a recipe\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    return found


def installed(queue: Queue, folder: Path) -> None:
    """The page's program and table, the program where this test may write."""
    program = folder / "run.py"
    assert f"# {PROGRAM}\n" in block("python")
    program.write_text(block("python"))
    queue.settings(block("toml").replace(PROGRAM, str(program)))


def test_the_recipe_of_the_page_runs_and_goes_on_after_a_kill(queue: Queue, tmp_path: Path):
    # Given the recipe of the page, and its request, dropped as a file
    installed(queue, tmp_path)
    document = json.loads(block("json"))
    queue.start()
    job = queue.spool.submit(document["request"], recipe=document["recipe"], retry_on=document["retry_on"]).job_id
    # When it has shown how far it is, as the page says, and is killed
    seen = wait_for(lambda: queue.spool.get(job).progress, what="progress")
    assert (seen.stage, seen.total) == ("org/tiny", "100")
    os.kill(queue.started(job)["evaluation"], signal.SIGKILL)
    ended = queue.ended(job)
    # Then the second attempt went on where the first was, and the metrics are those that the page has
    assert (ended.status, ended.attempt) == ("completed", 2), ended.error
    assert int(re.search(r"going on after (\d+) questions", queue.text(job))[1]) >= int(seen.done)
    assert ended.metrics == {"quiz": {"acc": 0.75}} and str(ended.metrics).replace("'", '"') in PAGE


def test_the_command_of_the_page_is_the_one_that_is_run():
    # Given the table and the request of the page, When a run is planned, Then its command is the page's
    recipe = find("quiz", Settings(recipes=tomllib.loads(block("toml"))["recipes"]))
    run = Path("/nfs/spool/runs/KEY")
    request = recipe.check(json.loads(block("json"))["request"])
    argv = recipe.plan(request, Place(run, run / "output.partial", 1, "PYTHON")).argv
    shown = re.search(r"^    \[PYTHON, .*?\]$", PAGE, re.DOTALL | re.MULTILINE)[0]
    assert re.findall(r'"([^"]*)"', shown) == argv[1:]


def test_every_key_of_a_table_is_on_the_page():
    # Given the keys that a table may have, When the page is read, Then each has a row
    for model in (Table, Success, Parameter):
        for name, field in model.model_fields.items():
            assert re.search(rf"^\| .*`{field.alias or name}`.* \|", PAGE, re.MULTILINE), name


def test_every_field_of_a_built_in_request_is_on_the_page():
    # Given what the built-in recipes take, When the page is read, Then each field has a row in the recipe's section
    for recipe in ("command", "lm-eval", "inspect", "lmms-eval"):
        section = PAGE.partition(f"\n## {recipe}\n")[2].partition("\n## ")[0]
        for field in parameters_of(recipe, Settings()):
            assert re.search(rf"^\| .*`{field['name']}`.* \|", section, re.MULTILINE), (recipe, field["name"])
