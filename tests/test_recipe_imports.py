"""What a warm parent imports for a request, and when lm-eval needs none of its bundled tasks."""

import json
import signal
import sys
import types
from pathlib import Path

import pytest

from spoolq.recipes import Place, imports, lm_eval_entry
from spoolq.recipes.lm_eval import LmEvalRecipe
from spoolq.recipes.lmms_eval import LmmsEvalRecipe
from spoolq.settings import Settings

PLACE = Place(Path("/run"), Path("/run/out"), 1, "/venv/bin/python")


def test_the_architecture_of_a_model_in_a_folder_is_imported_too(tmp_path):
    # Given a model whose config names its architecture, and others that do not tell
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    request = {"model": "hf", "model_args": {"pretrained": str(tmp_path)}}
    assert imports.of_lm_eval(request)[-1] == "transformers.models.gpt2.modeling_gpt2?"
    for text in ("{", "[]", '{"model_type": 3}', '{"model_type": "../x"}', '{"model_type": "a.b"}'):
        (tmp_path / "config.json").write_text(text)
        # Then nothing that a file says is imported but the name of an architecture
        assert not any("modeling_" in name and "models." in name and "auto" not in name
                       for name in imports.of_lm_eval(request))  # fmt: skip


def test_a_model_elsewhere_brings_no_torch():
    # Given a model behind an API, and one on a hub
    remote = imports.of_lm_eval({"model": "local-completions", "model_args": {"model": "m"}})
    assert not any("transformers" in name or "huggingface" in name for name in remote)
    assert "lm_eval.models.huggingface" in imports.of_lm_eval({"model": "hf", "model_args": {"pretrained": "gpt2"}})


@pytest.mark.parametrize(("gpus", "warm"), [(1, True), (2, False)])
def test_lmms_eval_is_kept_warm_for_one_process(gpus, warm):
    recipe = LmmsEvalRecipe(Settings())
    plan = recipe.plan(recipe.check({"model": "m", "tasks": ["t"], "num_gpus": gpus}), PLACE)
    assert bool(plan.preload) == warm and plan.entry is None and recipe.stop_signal == signal.SIGTERM


def test_the_command_line_of_the_recipe_tells_its_tasks_and_its_path():
    # Given the recipe's own command line
    recipe = LmEvalRecipe(Settings())
    request = {"model": "hf", "tasks": ["a", "b"], "include_path": "/tasks=1", "model_args": {"tasks": "x"}}
    plan = recipe.plan(recipe.check(request), PLACE)
    assert plan.entry == f"{lm_eval_entry.__name__}:main"
    # When it is read, Then both are found, and a model argument is none of them
    assert lm_eval_entry.named(plan.argv[3:]) == (["a", "b"], "/tasks=1")
    assert lm_eval_entry.named(["run", "--model=hf"]) == ([], None)


@pytest.fixture
def harness(monkeypatch):
    """Modules where lm-eval's are, with a TaskManager that knows `own` under a path, and `bundled` by default."""

    class TaskManager:
        def __init__(self, include_path=None, include_defaults=True):
            if include_path == "/broken":
                raise OSError("no such folder")
            self.all_subtasks = ["own"] * bool(include_path) + ["bundled"] * include_defaults

    called = []
    modules = {name: types.ModuleType(name) for name in ("lm_eval", "lm_eval.tasks", "lm_eval.evaluator")}
    modules["lm_eval.__main__"] = types.ModuleType("lm_eval.__main__")
    modules["lm_eval.tasks"].TaskManager = modules["lm_eval.evaluator"].TaskManager = TaskManager
    modules["lm_eval"].tasks, modules["lm_eval"].evaluator = modules["lm_eval.tasks"], modules["lm_eval.evaluator"]

    def cli_evaluate():
        called.append(modules["lm_eval.tasks"].TaskManager(include_path="/p").all_subtasks)

    modules["lm_eval.__main__"].cli_evaluate = cli_evaluate
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return called


@pytest.mark.parametrize(("argv", "lean"), [
    (["--tasks=own", "--include_path=/p"], True),
    (["--tasks=own,bundled", "--include_path=/p"], False),
    (["--tasks=ow*", "--include_path=/p"], False),
    (["--tasks=own"], False),
    (["--tasks=own", "--include_path=/broken"], False),
])  # fmt: skip
def test_the_bundled_tasks_are_left_out_only_where_all_tasks_are_of_the_path(harness, monkeypatch, argv, lean):
    # Given a request, When its evaluation begins, Then the bundled tasks are known unless it needs none of them
    monkeypatch.setattr(sys, "argv", ["lm_eval", "run", *argv])
    lm_eval_entry.main()
    assert harness == [["own"] if lean else ["own", "bundled"]]
