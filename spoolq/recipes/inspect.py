"""The recipe ``inspect``: the UK AI Security Institute's Inspect, by its own command line.

Inspect exits 0 when a task ended in an error and when it was interrupted, so its logs decide: the run succeeds when
it exits 0 and left a fresh JSON log for each task, all of whose `status` is `success`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spoolq.errors import NoResults, RequestInvalid
from spoolq.models import field_error
from spoolq.recipes import Findings, Place, Plan, launcher
from spoolq.recipes.head import read_head
from spoolq.recipes.metrics import Metrics, fresh_files, matches, metrics_in
from spoolq.recipes.progress import newest
from spoolq.recipes.yaml_text import yaml_text
from spoolq.settings import Settings

_Count = Annotated[int, Field(ge=1)]
_Scalar = Annotated[
    str | int | Annotated[float, Field(allow_inf_nan=False)] | bool | None,
    launcher.one_of("a single value: text, a finite number, true, false or null"),
]
_Limit = Annotated[
    _Count | Annotated[str, Field(pattern=r"^[0-9]{1,15}-[0-9]{1,15}$")] | None,
    launcher.one_of("a whole number of samples from 1, or a range such as `10-20`, or null for all samples"),
]
#: Of a task file, what stands before `@` is a path, and Inspect takes these in it for a pattern.
_PATTERN = "*?["
#: Before these keys of a log stands all that is read here; behind them come samples, of any number and size.
_BULK = frozenset({"samples", "reductions"})


class Request(BaseModel):
    """What a request may say; the fields mean what Inspect's options of the same names mean."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tasks: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    #: None where the task brings its own.
    model: str | None = None
    model_args: dict[str, _Scalar] | None = None
    model_base_url: str | None = None
    task_args: dict[str, _Scalar] | None = None
    limit: _Limit = None
    epochs: _Count | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    max_tokens: _Count | None = None
    max_connections: _Count | None = None
    max_samples: _Count | None = None
    message_limit: _Count | None = None
    token_limit: _Count | None = None
    time_limit: _Count | None = None
    log_samples: bool = True


_OPTIONS = (
    *("model", "model_base_url", "limit", "epochs", "seed", "temperature", "max_tokens", "max_connections"),
    *("max_samples", "message_limit", "token_limit", "time_limit"),
)


class InspectRecipe:
    """Runs ``python -m inspect_ai eval`` with the Python that spoolq runs in, in the run folder."""

    name = "inspect"
    #: On SIGINT it finishes its log with the samples that are done; SIGTERM would leave none.
    stop_signal = signal.SIGINT
    grace: float | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request with all its fields; raises RequestInvalid for an unknown field or a value that cannot be."""
        launcher.refuse_unknown(request, Request.model_fields, self.name)
        try:
            checked = Request.model_validate(dict(request)).model_dump()
        except ValidationError as error:
            raise field_error(error) from None
        for field in ("model", "model_base_url"):
            launcher.check_text(field, checked[field])
        if "," in (checked["model"] or ""):
            raise RequestInvalid("field `model`: holds a `,`; submit a job for each model", "model")
        for position, task in enumerate(checked["tasks"]):
            _check_task(f"tasks.{position}", task)
        for field in ("model_args", "task_args"):
            _arguments(field, checked[field])
        return checked

    def plan(self, request: Mapping[str, Any], place: Place) -> Plan:
        """Inspect's command line. Each option and its value are one element, and the tasks come after ``--``."""
        argv = [place.python, "-m", "inspect_ai", "eval", "--display=plain", "--log-format=json"]
        argv.append(f"--log-dir={place.output}")
        for option in _OPTIONS:
            if request.get(option) not in (None, ""):
                argv.append(f"--{option.replace('_', '-')}={request[option]}")
        if not request["log_samples"]:
            argv.append("--no-log-samples")
        for letter, field in (("M", "model_args"), ("T", "task_args")):
            argv += [f"-{letter}{argument}" for argument in _arguments(field, request.get(field))]
        argv += ["--", *(_from(place.run, task) for task in request["tasks"])]
        env = launcher.defaults(self._settings, PYTHONUNBUFFERED="1", TOKENIZERS_PARALLELISM="false", NO_COLOR="1")
        return Plan(argv=argv, cwd=place.run, env=env, scrub=launcher.LAUNCHER_VARIABLES)

    def collect(self, request: Mapping[str, Any], output: Path, since: float) -> Findings:
        """``{TASK: {"results": log, "samples": []}}`` and the scores of each fresh log; raises NoResults unless there
        is one for each task, and each says that it succeeded."""
        logs = sorted(file.path for file in fresh_files(output, since) if matches(file.path, "**/*.json"))
        if len(logs) < len(request["tasks"]):
            raise NoResults(
                f"cannot take the results: {len(request['tasks'])} tasks left {len(logs)} logs in the output folder. "
                "See the end of the log."
            )
        result: dict[str, Any] = {}
        scores: Metrics = {}
        for path in logs:
            document = read_head(output, path, _BULK)
            task = _distinct(_succeeded(document, path), result)
            result[task] = {"results": Path(path), "samples": []}
            scores[task] = _scores(document)
        return Findings(result, metrics_in(scores))

    def progress(self, tail: str) -> dict[str, Any] | None:
        """The samples that are done, as the plain display counts them, else the newest bar."""
        return newest(tail, ("samples",))


def _check_task(field: str, task: str) -> None:
    """Refuse what is neither an absolute path of a task file nor the name of a task in a package."""
    launcher.check_text(field, task)
    path = task.partition("@")[0]
    if task.startswith("/") and (found := next((letter for letter in _PATTERN if letter in path), None)):
        raise RequestInvalid(
            f"field `{field}`: holds `{found}`, which Inspect takes for a pattern; make a link to it without", field
        )
    if not task.startswith("/") and (path.endswith(".py") or ".." in path.split("/")):
        raise RequestInvalid(f"field `{field}`: is not absolute; write the task's file from `/`", field)


def _from(run: Path, task: str) -> str:
    """A task's file as Inspect wants it, relative to the working directory; the name of a registered one as it is.

    Links on the way are followed first: from a directory that was reached by one, `..` leads elsewhere.
    """
    if not task.startswith("/"):
        return task
    path, at, name = task.partition("@")
    real = Path(os.path.realpath(Path(path).parent), Path(path).name)
    return os.path.relpath(real, os.path.realpath(run)) + at + name


def _arguments(field: str, said: Mapping[str, Any] | None) -> list[str]:
    """``key=value`` for each argument of a task or model, the value as Inspect, which reads YAML, gets it back."""
    found = []
    for key, value in (said or {}).items():
        named = f"{field}.{key.encode('utf-8', 'replace').decode()}"
        if not key.replace("-", "_").isidentifier() or not key.isascii() or key.startswith("-"):
            raise RequestInvalid(f"field `{named}`: is no name of an argument; write letters, digits and `_`", named)
        if isinstance(value, str):
            launcher.check_characters(named, value)
            if "," in value:
                raise RequestInvalid(
                    f"field `{named}`: holds ',', at which the harness splits; write a value without it", named
                )
        found.append(f"{key}={yaml_text(value)}")
    return found


def _succeeded(document: Mapping[str, Any], path: str) -> str:
    """The task of a log; raises NoResults unless the log says that it is complete."""
    status = document.get("status")
    described = document.get("eval")
    if status != "success" or not isinstance(described, dict):
        error = document.get("error")
        said = f": {error['message']}" if isinstance(error, dict) and isinstance(error.get("message"), str) else ""
        shown = repr(status)[:40] if "status" in document else "missing"
        raise NoResults(
            f"cannot take the results: `status` of {path!r} is {shown}, not 'success'{said[:300]}. "
            "See the end of the log."
        )
    task = described.get("task")
    return task if isinstance(task, str) else path


def _distinct(task: str, taken: Mapping[str, Any]) -> str:
    """*task*, numbered where two files have a task of one name."""
    name, number = task, 2
    while name in taken:
        name, number = f"{task} {number}", number + 1
    return name


def _scores(document: Mapping[str, Any]) -> dict[str, Any]:
    """Metric -> value; of several scorers each under ``METRIC,SCORER``, as lm-eval writes its filters."""
    results = document.get("results")
    scores = results.get("scores") if isinstance(results, dict) else None
    listed = [score for score in scores if isinstance(score, dict)] if isinstance(scores, list) else []
    found: dict[str, Any] = {}
    for score in listed:
        metrics = score.get("metrics")
        for name, metric in metrics.items() if isinstance(metrics, dict) else ():
            if isinstance(metric, dict) and isinstance(metric.get("value"), int | float):
                found[f"{name},{score.get('name')}" if len(listed) > 1 else name] = metric["value"]
    return found


def make(settings: Settings) -> InspectRecipe:
    """The recipe for a spool with these settings."""
    return InspectRecipe(settings)
