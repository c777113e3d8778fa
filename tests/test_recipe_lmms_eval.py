"""The recipe `lmms-eval`: held to the request, command line and result format of lmms-eval's own server."""

import argparse
import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoolq.errors import NoResults, RequestInvalid
from spoolq.recipes import Place, choose, find
from spoolq.sections import ServerSection
from spoolq.settings import Settings

PLACE = Place(Path("/spool/runs/k"), Path("/spool/runs/k/output.partial"), 1, "/venv/bin/python")
LEAST = {"model": "dummy", "tasks": ["mme"]}
RECIPE = find("lmms-eval", Settings())
HEAD = ["/venv/bin/python", "-m", "lmms_eval", "--model", "dummy", "--tasks", "mme", "--output_path", str(PLACE.output)]


def argv(**said) -> list[str]:
    """The command line of a request."""
    return RECIPE.plan(RECIPE.check({**LEAST, **said}), PLACE).argv


def test_the_least_request_has_all_twelve_fields_in_order():
    # Given model and tasks, When they are checked, Then the defaults of the server are filled in
    checked = RECIPE.check(LEAST)
    assert list(checked.items()) == [
        *(("model", "dummy"), ("tasks", ["mme"]), ("model_args", None), ("num_fewshot", None), ("batch_size", None)),
        *(("device", None), ("limit", None), ("gen_kwargs", None), ("log_samples", True), ("predict_only", False)),
        *(("num_gpus", 1), ("output_dir", None)),
    ]
    assert RECIPE.check(checked) == checked


def test_it_is_the_recipe_of_a_bare_request_with_model_and_tasks():
    # Given no recipe's name, When the request has model and tasks, Then this recipe takes it
    assert choose(LEAST, None, Settings()) == "lmms-eval"


def test_values_are_coerced_and_unknown_fields_dropped():
    # Given what a lax client sends
    checked = RECIPE.check(
        {**LEAST, "num_gpus": "3", "limit": "0.5", "batch_size": "8", "log_samples": "no", "colour": 1}
    )
    # When it is checked, Then the values have the server's types, and the unknown field is gone without a word
    assert (checked["num_gpus"], checked["limit"], checked["batch_size"], checked["log_samples"]) == (
        3,
        0.5,
        "8",
        False,
    )
    assert "colour" not in checked


def test_what_the_server_takes_is_taken():
    # Given requests without sense that the server queues, When they are checked, Then they are taken here too
    for said in ({"tasks": []}, {"limit": -5}, {"num_gpus": 0}, {"output_dir": ""}, {"batch_size": 0}, {"device": "-"}):
        assert RECIPE.check({**LEAST, **said}) == {**RECIPE.check(LEAST), **said}


def test_the_whole_command_line_is_in_the_servers_order():
    # Given a request that says everything
    line = argv(
        model_args={"pretrained": "org/m", "n": 2, "b": True},
        num_fewshot=0,
        batch_size=4,
        device="cuda:3",
        limit=8,
        gen_kwargs="temperature=0",
        predict_only=True,
    )
    # When it is planned, Then the options come as the server passes them, and the device does not
    assert line == [
        *(*HEAD, "--model_args", "pretrained=org/m,n=2,b=True", "--batch_size", "4", "--limit", "8"),
        *("--num_fewshot", "0", "--gen_kwargs", "temperature=0", "--log_samples", "--predict_only"),
    ]


@pytest.mark.parametrize(
    ("said", "tail"),
    [
        ({}, ["--log_samples"]),
        ({"log_samples": False}, []),
        ({"log_samples": False, "limit": 0, "batch_size": 0, "gen_kwargs": "", "model_args": {}}, []),
        ({"log_samples": False, "num_fewshot": 0}, ["--num_fewshot", "0"]),
        ({"log_samples": False, "limit": 0.25}, ["--limit", "0.25"]),
        ({"log_samples": False, "batch_size": "auto"}, ["--batch_size", "auto"]),
    ],
)
def test_an_option_is_passed_only_under_its_condition(said, tail):
    # Given a request, When it is planned, Then what counts as unsaid is left out
    assert argv(**said) == HEAD + tail


@pytest.mark.parametrize(("gpus", "launcher"), [(-1, False), (0, False), (1, False), (2, True), (8, True)])
def test_accelerate_is_used_for_several_gpus_only(gpus, launcher):
    # Given a number of GPUs, When the run is planned, Then one process is started directly
    line = argv(num_gpus=gpus)
    expected = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", str(gpus), "--num_machines", "1", "-m"]
    assert line[: line.index("lmms_eval") + 1] == ["/venv/bin/python", "-m", *(expected * launcher), "lmms_eval"]


def test_the_environment_loses_the_26_launcher_variables():
    # Given any plan, When its environment is looked at, Then it is the server's
    plan = RECIPE.plan(RECIPE.check(LEAST), PLACE)
    assert plan.env == {"PYTHONUNBUFFERED": "1"}
    assert len(plan.scrub) == 26
    assert {"PMIX_RANK", "LOCAL_WORLD_SIZE", "SLURM_STEP_TASKS_PER_NODE", "SLURM_MEM_BIND_LIST"} <= plan.scrub
    assert plan.cwd == PLACE.run


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"tasks": ["a"]}, "model"),
        ({"model": "m"}, "tasks"),
        ({"model": "m", "tasks": "mme"}, "tasks"),
        ({**LEAST, "model": 3}, "model"),
        ({**LEAST, "model": "--x"}, "model"),
        ({**LEAST, "model": "a\0"}, "model"),
        ({**LEAST, "tasks": ["mme", "-x"]}, "tasks.1"),
        ({**LEAST, "gen_kwargs": "-x"}, "gen_kwargs"),
        ({**LEAST, "batch_size": "-x"}, "batch_size"),
        ({**LEAST, "batch_size": 1.5}, "batch_size"),
        ({**LEAST, "limit": "x"}, "limit"),
        ({**LEAST, "limit": "nan"}, "limit"),
        ({**LEAST, "num_gpus": 1.5}, "num_gpus"),
        ({**LEAST, "log_samples": "maybe"}, "log_samples"),
        ({**LEAST, "model_args": "a=b"}, "model_args"),
        ({**LEAST, "model_args": {"a": "x,device_map=auto"}}, "model_args.a"),
        ({**LEAST, "model_args": {"a": "x=y"}}, "model_args.a"),
        ({**LEAST, "model_args": {"a": [1, 2]}}, "model_args.a"),
        ({**LEAST, "model_args": {"a": float("inf")}}, "model_args.a"),
        ({**LEAST, "model_args": {"-a": "x"}}, "model_args.-a"),
        ({**LEAST, "device": "\ud800"}, "device"),
        ({**LEAST, "output_dir": "relative"}, "output_dir"),
        ({**LEAST, "output_dir": "/data"}, "output_dir"),
        ({**LEAST, "output_dir": "/a\0b"}, "output_dir"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(request_, field):
    # Given a request with one fault, When it is checked, Then the message names the field
    with pytest.raises(RequestInvalid) as caught:
        RECIPE.check(request_)
    assert caught.value.field == field
    assert f"field `{field}`: " in str(caught.value)


def _parser() -> argparse.ArgumentParser:
    """The harness's options as argparse sees them; abbreviations are what it takes, too."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    for option in ("model", "tasks", "output_path", "model_args", "batch_size", "gen_kwargs", "include_path", "config"):
        parser.add_argument(f"--{option}")
    for flag in ("log_samples", "predict_only", "trust_remote_code"):
        parser.add_argument(f"--{flag}", action="store_true")
    return parser


_text = st.one_of(st.text(max_size=12), st.sampled_from(["--config=/x", "-x", "--", "=", "\ud800", "a --config b"]))


@settings(deadline=None)
@given(model=_text, task=_text, key=_text, value=_text, gen=_text, batch=_text)
def test_no_value_smuggles_in_an_option(model, task, key, value, gen, batch):
    # Given any texts at all
    said = {"model": model, "tasks": ["mme", task], "model_args": {key: value}, "gen_kwargs": gen, "batch_size": batch}
    try:
        checked = RECIPE.check(said)
    except RequestInvalid:
        return
    # When those that are taken are planned and read by the harness's parser
    read, rest = _parser().parse_known_args(RECIPE.plan(checked, PLACE).argv[3:])
    # Then it finds just what was asked for, and nothing that was not
    assert rest == [] and read.config is None and read.include_path is None and not read.trust_remote_code
    assert (read.model, read.tasks, read.model_args) == (model, f"mme,{task}", f"{key}={value}")
    assert (read.gen_kwargs or "", read.batch_size or "") == (gen, batch)


def put(path: Path, content="{}", when: float = 150) -> Path:
    """A file of the run, or of an earlier one when *when* is under 100."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, (when, when))
    return path


def test_the_newest_stamp_of_each_folder_is_the_result(tmp_path):
    # Given two models' folders, one with two runs, and files that are no results
    put(tmp_path / "org__m/20260101_000000_results.json", {"results": {"mme": {"acc,none": 0.1}}})
    put(tmp_path / "org__m/20260101_000000_samples_mme.jsonl")
    put(tmp_path / "org__m/20260102_000000_results.json", {"results": {"mme": {"acc,none": 0.2, "alias": "mme"}}})
    put(tmp_path / "org__m/20260102_000000_samples_z.jsonl")
    put(tmp_path / "org__m/20260102_000000_samples_a_samples_b.jsonl")
    put(tmp_path / "other/20260101_000000_samples_mme.jsonl")
    put(tmp_path / "org__m/deeper/20260109_000000_results.json")
    put(tmp_path / "empty/notes.txt")
    # When they are collected
    found = RECIPE.collect(LEAST, tmp_path, 100)
    # Then it is the greatest stamp, samples sorted; samples alone count; deeper folders and other files do not
    folder = Path("org__m")
    assert found.result == {
        "org__m": {
            "results": folder / "20260102_000000_results.json",
            "samples": [folder / f"20260102_000000_samples_{name}.jsonl" for name in ("a_samples_b", "z")],
        },
        "other": {"results": None, "samples": [Path("other/20260101_000000_samples_mme.jsonl")]},
    }
    assert found.metrics == {"mme": {"acc": 0.2}}


def test_results_directly_in_the_output_are_taken(tmp_path):
    # Given a model without a name, whose results lie in the output itself
    put(tmp_path / "20260101_000000_results.json", {"results": {"mme": {"acc,none": 1}}})
    # When they are collected, Then their key is ""
    found = RECIPE.collect(LEAST, tmp_path, 100)
    assert found.result == {"": {"results": Path("20260101_000000_results.json"), "samples": []}}


def test_results_of_an_unknown_layout_count_without_metrics(tmp_path):
    # Given a file that parses and says nothing of metrics, which the server counts as results
    put(tmp_path / "m/20260101_000000_results.json", "{}")
    # When it is collected, Then it is the result, and there are no metrics
    found = RECIPE.collect(LEAST, tmp_path, 100)
    assert found.result["m"]["results"] == Path("m/20260101_000000_results.json")
    assert found.metrics == {}


@pytest.mark.parametrize(
    ("content", "when", "cause"),
    [
        ({"results": {"t": {}}}, 50, "newer than the start"),
        ('{"results": {"t"', 150, "cannot read results"),
        ("", 150, "it is empty"),
        ({"results": {}}, 150, "nothing was evaluated"),
    ],
)
def test_exit_0_without_fresh_results_that_parse_is_no_success(tmp_path, content, when, cause):
    # Given what an evaluation left that failed and exited 0
    put(tmp_path / "m/20260101_000000_results.json", content, when)
    # When it is collected, Then the message begins as the server's clients know it, and says the cause
    with pytest.raises(NoResults, match=cause) as caught:
        RECIPE.collect(LEAST, tmp_path, 100)
    assert str(caught.value).startswith("Evaluation produced no parsed results")


def test_an_own_output_directory_must_be_allowed_and_is_then_used(tmp_path):
    # Given a root that the operator listed
    root = tmp_path / "results"
    root.mkdir()
    recipe = find("lmms-eval", Settings(output_roots=[str(root)]))
    own = str(root / "mine")
    request = recipe.check({**LEAST, "output_dir": own})
    # When a run is planned, Then it writes there
    line = recipe.plan(request, PLACE).argv
    assert line[line.index("--output_path") + 1] == own
    # And its fresh results are found there, as absolute texts; those of the job's own folder do not count
    put(root / "mine/m/20260101_000000_results.json", {"results": {"t": {"acc,none": 1}}})
    put(root / "mine/m/20250101_000000_samples_t.jsonl", when=50)
    put(tmp_path / "output/m/20260101_000000_results.json")
    found = recipe.collect(request, tmp_path / "output", 100)
    assert found.result == {"m": {"results": f"{own}/m/20260101_000000_results.json", "samples": []}}
    assert found.metrics == {"t": {"acc": 1}}


@pytest.mark.parametrize("wanted", ["{root}/../elsewhere", "{root}/link/x", "{root}-2", "/", "{root}/link"])
def test_no_way_out_of_the_allowed_directories(tmp_path, wanted):
    # Given a root with a link that leads out of it
    root = tmp_path / "results"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    recipe = find("lmms-eval", Settings(output_roots=[str(root)]))
    # When a request names a place outside, Then it is refused, and the setting is named
    with pytest.raises(RequestInvalid, match=r"`output_roots` in spoolq\.toml") as caught:
        recipe.check({**LEAST, "output_dir": wanted.format(root=root)})
    assert caught.value.field == "output_dir"


def test_a_link_put_in_while_it_ran_is_not_followed(tmp_path):
    # Given a directory that was allowed when the job began, and then replaced by a link
    root = tmp_path / "results"
    root.mkdir()
    recipe = find("lmms-eval", Settings(output_roots=[str(root)]))
    request = recipe.check({**LEAST, "output_dir": str(root / "mine")})
    put(tmp_path / "secret/m/20260101_000000_results.json", {"results": {"t": {"acc,none": 1}}})
    (root / "mine").symlink_to(tmp_path / "secret")
    # When the results are collected, Then nothing is read through it
    with pytest.raises(RequestInvalid, match="output_dir"):
        recipe.collect(request, tmp_path, 100)


def test_progress_is_that_of_the_requests():
    # Given the log of a run that has come to writing, When progress is read, Then the requests' bar is shown
    log = "\rModel Responding:  76%|█ | 122/160 [00:00<00:00, 9it/s]\rSaving:  10%|█| 1/10 [00:00<00:01, 9it/s]"
    assert RECIPE.progress(log)["stage"] == "Model Responding"
    assert (RECIPE.stop_signal, RECIPE.grace) == (signal.SIGTERM, None)


def test_what_is_open_to_requests_over_http_is_taken_by_the_runner_too(tmp_path):
    # Given a root that stands under [server] only
    (tmp_path / "scores").mkdir()
    recipe = find("lmms-eval", Settings(server=ServerSection(output_roots=[str(tmp_path / "scores")])))
    # When a request names a directory in it, Then it is taken; one beside it is not
    assert recipe.check({**LEAST, "output_dir": str(tmp_path / "scores/a")})["output_dir"] == str(tmp_path / "scores/a")
    with pytest.raises(RequestInvalid, match="`output_dir`"):
        recipe.check({**LEAST, "output_dir": str(tmp_path / "other")})
