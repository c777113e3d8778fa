"""The recipe ``lm-eval``: EleutherAI's lm-evaluation-harness, by its own command line.

It succeeds when it exits 0 and left a fresh ``results_*.json`` whose `results` are not empty.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spoolq.errors import NoResults, RequestInvalid
from spoolq.models import field_error
from spoolq.recipes import Findings, Place, Plan, imports, launcher
from spoolq.recipes.answers import answers
from spoolq.recipes.metrics import fresh_files, metrics_in, newest_file, read_document
from spoolq.recipes.progress import newest
from spoolq.settings import Settings

_Limit = Annotated[
    Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | None,
    launcher.one_of("a whole number of samples from 1, or a share between 0 and 1, or null for all samples"),
]
_Scalar = Annotated[
    str | int | float | bool | None, launcher.one_of("a single value: text, a number, true, false or null")
]
_BatchSize = Annotated[
    Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=r"^(auto(:[0-9]+)?|[1-9][0-9]*)$")] | None,
    launcher.one_of("a whole number from 1, `auto` or `auto:N`"),
]


class Request(BaseModel):
    """What a request may say; the fields mean what lm-eval's options of the same names mean."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[str, Field(min_length=1)]
    tasks: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    model_args: dict[str, _Scalar] | None = None
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    batch_size: _BatchSize = None
    device: str | None = None
    limit: _Limit = None
    gen_kwargs: str | None = None
    log_samples: bool = True
    predict_only: bool = False
    include_path: str | None = None
    apply_chat_template: bool = False
    #: All of the harness's generators; numpy takes no more than 32 bits.
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    #: Ours, not the harness's: an attempt takes up the answers that those before it had from the model.
    resume: bool = True


class LmEvalRecipe:
    """Runs ``python -m lm_eval run`` with the Python that spoolq runs in, in the run folder."""

    name = "lm-eval"
    stop_signal = signal.SIGTERM
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
        for field in ("model", "device", "gen_kwargs", "include_path"):
            launcher.check_text(field, checked[field])
        for position, task in enumerate(checked["tasks"]):
            field = f"tasks.{position}"
            launcher.check_text(field, task)
            if "," in task:
                raise RequestInvalid(f"field `{field}`: holds a `,`; write each task as its own element", field)
        launcher.model_arguments(checked["model_args"] or {})
        if checked["include_path"] and not Path(checked["include_path"]).is_absolute():
            raise RequestInvalid("field `include_path`: is not absolute; write it from `/`", "include_path")
        return checked

    def plan(self, request: Mapping[str, Any], place: Place) -> Plan:
        """The harness's command line. Each option and its value are one element, so no value is taken for an option."""
        argv = [place.python, "-m", "lm_eval", "run", f"--model={request['model']}"]
        argv += [f"--tasks={','.join(request['tasks'])}", f"--output_path={place.output}"]
        for option in ("num_fewshot", "batch_size", "device", "limit", "gen_kwargs", "include_path", "seed"):
            # An empty text, like an empty option, says nothing.
            if request.get(option) not in (None, ""):
                argv.append(f"--{option}={request[option]}")
        argv += [f"--{flag}" for flag in ("log_samples", "predict_only", "apply_chat_template") if request.get(flag)]
        if request.get("resume", True):
            # The harness appends `_rankN.db`, and makes the folder.
            argv.append(f"--use_cache={answers(place.cache, request)}")
        if request.get("model_args"):
            # One element each: within one, the harness would let an unpaired quote reach into the next argument.
            argv += ["--model_args", *launcher.model_arguments(request["model_args"])]
        env = launcher.defaults(
            self._settings, PYTHONUNBUFFERED="1", TOKENIZERS_PARALLELISM="false", TQDM_MININTERVAL="1"
        )
        return Plan(
            argv=argv,
            cwd=place.run,
            env=env,
            scrub=launcher.LAUNCHER_VARIABLES,
            preload=imports.of_lm_eval(request),
            entry="spoolq.recipes.lm_eval_entry:main",
        )

    def collect(self, request: Mapping[str, Any], output: Path, since: float) -> Findings:  # noqa: ARG002
        """The newest fresh results file with its samples, ``{FOLDER: {"results": Path, "samples": [Path, …]}}``.

        FOLDER is the one that the harness names after the model, "" for files directly in *output*.
        """
        relative = Path(newest_file(output, "**/results_*.json", since))
        document = read_document(output, relative.as_posix())
        results = document.get("results")
        if not isinstance(results, dict) or not results:
            raise NoResults(
                f"cannot take the results: `results` in {relative.as_posix()!r} is empty, so nothing was evaluated. "
                "See the end of the log."
            )
        ending = f"_{relative.stem.removeprefix('results_')}.jsonl"
        samples = sorted(
            path
            for path in (Path(file.path) for file in fresh_files(output, since))
            if path.parent == relative.parent and path.name.startswith("samples_") and path.name.endswith(ending)
        )
        folder = "" if relative.parent == Path() else relative.parent.as_posix()
        return Findings(
            {folder: {"results": relative, "samples": samples}}, metrics_in(results, keep=launcher.keep_metric)
        )

    def progress(self, tail: str) -> dict[str, Any] | None:
        """The bar of the requests if there is one, else the newest bar."""
        return newest(tail, launcher.WORK)


def make(settings: Settings) -> LmEvalRecipe:
    """The recipe for a spool with these settings."""
    return LmEvalRecipe(settings)
