"""The recipe ``lmms-eval``: the request, the command line and the results of lmms-eval's own evaluation server.

lmms-eval exits 0 on most errors, so its results decide: the run succeeds when it exits 0 and left fresh results or
samples, and the results parse.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spoolq.errors import NoResults, RequestInvalid
from spoolq.models import field_error
from spoolq.recipes import Findings, Place, Plan, imports, launcher
from spoolq.recipes.metrics import Metrics, fresh_files, metrics_in, read_document
from spoolq.recipes.progress import newest
from spoolq.settings import Settings

#: How the message of a run without results begins; clients of the lmms-eval server know it.
NOTHING_PARSED = "Evaluation produced no parsed results"
_RESULTS = "_results.json"
_SAMPLES = "_samples_"


class Request(BaseModel):
    """The request of lmms-eval's server: values are coerced ("3" is 3), unknown fields are dropped without a word."""

    model_config = ConfigDict(extra="ignore")

    model: str
    tasks: list[str]
    model_args: dict[str, Any] | None = None
    num_fewshot: int | None = None
    batch_size: Annotated[int | str | None, launcher.one_of("a whole number or a text such as `auto`")] = None
    #: Taken and shown, as the server does; which devices a run sees is the slot's affair.
    device: str | None = None
    limit: Annotated[
        int | Annotated[float, Field(allow_inf_nan=False)] | None, launcher.one_of("a finite number or null")
    ] = None
    gen_kwargs: str | None = None
    log_samples: bool = True
    predict_only: bool = False
    num_gpus: int = 1
    output_dir: str | None = None


class LmmsEvalRecipe:
    """Runs ``python -m lmms_eval``, or accelerate for several GPUs, with the Python that spoolq runs in."""

    name = "lmms-eval"
    stop_signal = signal.SIGTERM
    grace: float | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request with all twelve fields; raises RequestInvalid for a value that fits no field or no command."""
        try:
            checked = Request.model_validate(dict(request)).model_dump()
        except ValidationError as error:
            raise field_error(error) from None
        for field in ("model", "gen_kwargs"):
            launcher.check_text(field, checked[field])
        launcher.check_characters("device", checked["device"] or "")
        if isinstance(checked["batch_size"], str):
            launcher.check_text("batch_size", checked["batch_size"])
        for position, task in enumerate(checked["tasks"]):
            launcher.check_text(f"tasks.{position}", task)
        launcher.model_arguments(checked["model_args"] or {})
        if checked["output_dir"]:
            self._resolve(checked["output_dir"])
        return checked

    def plan(self, request: Mapping[str, Any], place: Place) -> Plan:
        """The server's command line, option for option and in its order."""
        argv = [place.python, "-m"]
        if request["num_gpus"] > 1:
            # With one process, accelerate leaves out the variables by which lmms_eval finds its rank.
            argv += ["accelerate.commands.launch", "--multi_gpu", "--num_processes", str(request["num_gpus"])]
            argv += ["--num_machines", "1", "-m"]
        argv += ["lmms_eval", "--model", request["model"], "--tasks", ",".join(request["tasks"])]
        argv += ["--output_path", request.get("output_dir") or str(place.output)]
        if request.get("model_args"):
            argv += ["--model_args", ",".join(launcher.model_arguments(request["model_args"]))]
        for option in ("batch_size", "limit"):
            if request.get(option):
                argv += [f"--{option}", str(request[option])]
        if request.get("num_fewshot") is not None:
            argv += ["--num_fewshot", str(request["num_fewshot"])]
        if request.get("gen_kwargs"):
            argv += ["--gen_kwargs", request["gen_kwargs"]]
        argv += [f"--{flag}" for flag in ("log_samples", "predict_only") if request.get(flag)]
        return Plan(
            argv=argv,
            cwd=place.run,
            env={"PYTHONUNBUFFERED": "1"},
            scrub=launcher.LAUNCHER_VARIABLES,
            preload=imports.of_lmms_eval(request),
        )

    def _resolve(self, wanted: str) -> Path:
        """Where `output_dir` leads, links followed; raises RequestInvalid unless the operator allowed that place."""
        launcher.check_text("output_dir", wanted)
        if not Path(wanted).is_absolute():
            raise RequestInvalid("field `output_dir`: is not absolute; write it from `/` or leave it out", "output_dir")
        real = Path(os.path.realpath(wanted))
        # Those that only requests over HTTP may name are checked there; the job's file does not say how it came.
        roots = [*self._settings.output_roots, *(self._settings.server.output_roots or [])]
        if any(real.is_relative_to(os.path.realpath(root)) for root in roots):
            return real
        raise RequestInvalid(
            f"field `output_dir`: {wanted} is under no directory of `output_roots`; leave it out, or let the operator "
            "add one to `output_roots` in spoolq.toml",
            "output_dir",
        )

    def collect(self, request: Mapping[str, Any], output: Path, since: float) -> Findings:
        """``{FOLDER: {"results": path or None, "samples": [path, …]}}`` of the newest run in each folder, and metrics.

        FOLDER is one directly under the output, which lmms-eval names after the model, or "" for the output itself.
        With `output_dir` honoured the paths are absolute texts, because they are not in the job's own output folder.
        """
        own = request.get("output_dir")
        if own:
            # Again, because a link may have been put in while it ran.
            output = self._resolve(own)
        groups = _group(file.path for file in fresh_files(output, since))
        if not groups:
            raise NoResults(
                f"{NOTHING_PARSED}: no *{_RESULTS} and no *{_SAMPLES}*.jsonl in the output is newer than the start. "
                "See the end of the log."
            )
        metrics: Metrics = {}
        for _, (results, _) in sorted(groups.items()):
            if results is not None:
                metrics |= _read(output, results, bool(request.get("predict_only")))
        found: dict[str, Any] = {
            folder: {
                "results": _path(own, output, results) if results is not None else None,
                "samples": [_path(own, output, name) for name in samples],
            }
            for folder, (results, samples) in sorted(groups.items())
        }
        return Findings(found, metrics)

    def progress(self, tail: str) -> dict[str, Any] | None:
        """The bar of the requests if there is one, else the newest bar."""
        return newest(tail, launcher.WORK)


def _path(own: str | None, output: Path, relative: str) -> Path | str:
    return str(output / relative) if own else Path(relative)


def _read(output: Path, relative: str, predict_only: bool) -> Metrics:
    """The metrics in one results file; raises NoResults when it does not parse or says that it has none."""
    try:
        results = read_document(output, relative).get("results")
    except NoResults as error:
        raise NoResults(f"{NOTHING_PARSED}: {error}") from None
    if results == {} and not predict_only:
        raise NoResults(
            f"{NOTHING_PARSED}: `results` in {relative!r} is empty, so nothing was evaluated. See the end of the log."
        )
    return metrics_in(results, keep=launcher.keep_metric)


def _group(paths: Iterable[str]) -> dict[str, tuple[str | None, list[str]]]:
    """Folder -> (results file, sorted samples) of the greatest time stamp in it; files deeper down do not count."""
    stamped: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if "/" in folder:
            continue
        if name.endswith(_RESULTS):
            stamp = name.removesuffix(_RESULTS)
        elif name.endswith(".jsonl") and _SAMPLES in name:
            stamp = name.partition(_SAMPLES)[0]
        else:
            continue
        stamped.setdefault(folder, {}).setdefault(stamp, []).append(path)
    groups: dict[str, tuple[str | None, list[str]]] = {}
    for folder, stamps in stamped.items():
        newest_names = sorted(stamps[max(stamps)])
        results = next((path for path in newest_names if path.endswith(_RESULTS)), None)
        groups[folder] = (results, [path for path in newest_names if not path.endswith(_RESULTS)])
    return groups


def make(settings: Settings) -> LmmsEvalRecipe:
    """The recipe for a spool with these settings."""
    return LmmsEvalRecipe(settings)
