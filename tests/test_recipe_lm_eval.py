"""The recipe `lm-eval`: request, command line, results; the harness itself is run elsewhere."""

import argparse
import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoolq.errors import NoResults, RequestInvalid
from spoolq.recipes import Place, find
from spoolq.settings import Settings

PLACE = Place(Path("/spool/runs/k"), Path("/spool/runs/k/output.partial"), 1, "/venv/bin/python")
LEAST = {"model": "dummy", "tasks": ["arith"]}
RECIPE = find("lm-eval", Settings())


def test_defaults_are_filled_in_and_checking_again_changes_nothing():
    # Given the least that a request can say
    checked = RECIPE.check(LEAST)
    # When it is checked, Then all fields are there, and a second check (a retry) leaves them as they are
    assert checked == {
        **LEAST,
        **dict.fromkeys(("model_args", "num_fewshot", "batch_size", "device", "limit", "gen_kwargs")),
        "log_samples": True,
        "predict_only": False,
        "include_path": None,
        "resume": True,
        "apply_chat_template": False,
        "seed": None,
    }
    assert RECIPE.check(checked) == checked


def test_every_field_reaches_the_command_line():
    # Given a request that says everything
    request = RECIPE.check(
        {
            "model": "hf",
            "tasks": ["a", "b"],
            "model_args": {"pretrained": "org/m", "trust": True, "n": 2},
            "num_fewshot": 0,
            "batch_size": "auto:4",
            "device": "cuda:0",
            "limit": 0.5,
            "gen_kwargs": "temperature=0",
            "predict_only": True,
            "include_path": "/tasks",
            "apply_chat_template": True,
            "seed": 7,
        }
    )
    # When it is planned
    plan = RECIPE.plan(request, PLACE)
    # Then each value stands in one element with its option
    assert plan.argv == [
        *("/venv/bin/python", "-m", "lm_eval", "run", "--model=hf", "--tasks=a,b"),
        *("--output_path=/spool/runs/k/output.partial", "--num_fewshot=0", "--batch_size=auto:4", "--device=cuda:0"),
        *("--limit=0.5", "--gen_kwargs=temperature=0", "--include_path=/tasks", "--seed=7", "--log_samples"),
        *("--predict_only", "--apply_chat_template", plan.argv[-5], "--model_args", "pretrained=org/m"),
        *("trust=True", "n=2"),
    ]
    assert plan.argv[-5].startswith("--use_cache=/spool/runs/k/cache/answers.")
    assert plan.cwd == PLACE.run
    assert {"RANK", "WORLD_SIZE", "MASTER_ADDR", "SLURM_CPU_BIND_VERBOSE"} <= plan.scrub


def test_a_variable_that_is_set_already_stays_as_it_is(monkeypatch):
    # Given one variable in the environment and one in the operator's settings
    for name in ("PYTHONUNBUFFERED", "TQDM_MININTERVAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    recipe = find("lm-eval", Settings(env={"TQDM_MININTERVAL": "30"}))
    # When a run is planned, Then only the third is added
    assert recipe.plan(recipe.check(LEAST), PLACE).env == {"PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": 1}, "model"),
        ({"model": "-x"}, "model"),
        ({"tasks": []}, "tasks"),
        ({"tasks": "arith"}, "tasks"),
        ({"tasks": ["a", ""]}, "tasks.1"),
        ({"tasks": ["a,b"]}, "tasks.0"),
        ({"tasks": ["a", "--help"]}, "tasks.1"),
        ({"model_args": "a=b"}, "model_args"),
        ({"model_args": {"a": "x,y"}}, "model_args.a"),
        ({"model_args": {"a": "x=y"}}, "model_args.a"),
        ({"model_args": {"a": "x\0"}}, "model_args.a"),
        ({"model_args": {"a": "x\ny"}}, "model_args.a"),
        ({"model_args": {"a": "\ud800"}}, "model_args.a"),
        ({"model_args": {"a": [1]}}, "model_args.a"),
        ({"model_args": {"a": float("inf")}}, "model_args.a"),
        ({"model_args": {"--a": 1}}, "model_args.--a"),
        ({"model_args": {"a=b,c": 1}}, "model_args.a=b,c"),
        ({"num_fewshot": -1}, "num_fewshot"),
        ({"num_fewshot": True}, "num_fewshot"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "-1"}, "batch_size"),
        ({"batch_size": "auto\n"}, "batch_size"),
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": float("nan")}, "limit"),
        ({"device": "-d"}, "device"),
        ({"gen_kwargs": "--x"}, "gen_kwargs"),
        ({"gen_kwargs": "a\0"}, "gen_kwargs"),
        ({"include_path": "tasks"}, "include_path"),
        ({"include_path": "/a\ud800"}, "include_path"),
        ({"log_samples": "yes"}, "log_samples"),
        ({"seed": 2**32}, "seed"),
        ({"output_path": "/x"}, "output_path"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(said, field):
    # Given a request with one fault, When it is checked, Then the message names the field and a way out
    with pytest.raises(RequestInvalid) as caught:
        RECIPE.check({**LEAST, **said})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"field `{field}`: ")


def _parser() -> argparse.ArgumentParser:
    """The harness's options as argparse sees them."""
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=True)
    for option in (
        "model",
        "tasks",
        "output_path",
        "device",
        "gen_kwargs",
        "include_path",
        "batch_size",
        "config",
        "use_cache",
    ):
        parser.add_argument(f"--{option}")
    parser.add_argument("--model_args", nargs="+")
    parser.add_argument("--apply_chat_template", nargs="?", const=True)
    for flag in ("log_samples", "predict_only", "trust_remote_code", "confirm_run_unsafe_code"):
        parser.add_argument(f"--{flag}", action="store_true")
    return parser


_text = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["--config=/x", "-x", "a --config b", "--", "=", "@f", "\ud800", "--trust_remote_code"]),
)


@settings(deadline=None)
@given(model=_text, task=_text, device=_text, key=_text, value=_text, gen=_text, template=st.booleans())
def test_no_value_smuggles_in_an_option(model, task, device, key, value, gen, template):
    # Given any texts at all
    request = {"model": model, "tasks": [task], "device": device, "model_args": {key: value, "z": 1}, "gen_kwargs": gen}
    try:
        checked = RECIPE.check({**request, "apply_chat_template": template})
    except RequestInvalid:
        return
    # When those that are taken are planned and read by the harness's parser
    read, rest = _parser().parse_known_args(RECIPE.plan(checked, PLACE).argv[4:])
    # Then it finds just what was asked for, and nothing that was not
    assert rest == [] and read.config is None
    assert not read.trust_remote_code and not read.confirm_run_unsafe_code and not read.predict_only
    assert (read.model, read.tasks, read.model_args) == (model, task, [f"{key}={value}", "z=1"])
    assert (read.device or "", read.gen_kwargs or "") == (device, gen)
    assert read.output_path == str(PLACE.output)


def _run(output: Path, stamp: str, results, when: float, folder: str = "org__m") -> None:
    """What the harness leaves of one run."""
    (output / folder).mkdir(parents=True, exist_ok=True)
    written = {f"results_{stamp}.json": results, f"samples_b_{stamp}.jsonl": {}, f"samples_a_{stamp}.jsonl": {}}
    for name, content in written.items():
        path = output / folder / name
        path.write_text(json.dumps(content))
        os.utime(path, (when, when))


def test_results_samples_and_metrics_are_collected(tmp_path):
    # Given a run's files beside those of an older run
    values = {"alias": "a", "name": "a", "sample_len": 40, "acc,none": 0.5, "acc_stderr,none": float("nan")}
    values |= {"exact_match,strict-match": 1, "f1_stderr,none": "N/A", "bypass,none": 999}
    _run(tmp_path, "2026-01-01T00-00-00", {"results": {"old": {"acc,none": 1}}}, 50)
    _run(tmp_path, "2026-01-02T00-00-00", {"results": {"a": values}}, 150)
    # When they are collected
    found = RECIPE.collect(LEAST, tmp_path, 100)
    # Then the fresh ones are there, samples sorted, metrics without filters that did nothing and without noise
    folder = Path("org__m")
    assert found.result == {
        "org__m": {
            "results": folder / "results_2026-01-02T00-00-00.json",
            "samples": [folder / f"samples_{task}_2026-01-02T00-00-00.jsonl" for task in "ab"],
        }
    }
    assert found.metrics == {"a": {"acc": 0.5, "acc_stderr": None, "exact_match,strict-match": 1}}


def test_files_directly_in_the_output_have_an_empty_folder_name(tmp_path):
    # Given results without a folder, When they are collected, Then their key is ""
    _run(tmp_path, "s", {"results": {"a": {"acc,none": 1}}}, 150, folder="")
    assert list(RECIPE.collect(LEAST, tmp_path, 100).result) == [""]


@pytest.mark.parametrize("results", [{"results": {}}, {"config": {}}, {"results": None}, []])
def test_a_run_that_evaluated_nothing_has_no_results(tmp_path, results):
    # Given a harness that exited 0 with empty results, as it does when its endpoint died
    _run(tmp_path, "s", results, 150)
    # When they are collected, Then the run did not succeed
    with pytest.raises(NoResults, match=r"See the end of the log\.$"):
        RECIPE.collect(LEAST, tmp_path, 100)


def test_progress_is_that_of_the_requests():
    # Given the log of a run that has come to writing, When progress is read, Then the requests' bar is shown
    log = "\rRunning x requests:  76%|█ | 122/160 [00:00<00:00, 9it/s]\rSaving:  10%|█| 1/10 [00:00<00:01, 9it/s]"
    assert RECIPE.progress(log)["percent"] == 76
    assert (RECIPE.stop_signal, RECIPE.grace) == (signal.SIGTERM, None)
