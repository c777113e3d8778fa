"""Recipes that an operator declares in ``spoolq.toml``: a command with placeholders, and parameters that fill them.

A value always becomes (a part of) one argv element, never shell text, and can never stand where an option would be
read. What is wrong with a table is said when the recipe is looked up, before anything runs.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from spoolq.durations import parse_duration
from spoolq.errors import RequestInvalid, SettingsInvalid
from spoolq.recipes import Findings, Place, Plan, success
from spoolq.recipes.element import RESERVED
from spoolq.recipes.launcher import defaults, refuse_unknown
from spoolq.recipes.metrics import read_metrics
from spoolq.recipes.parameters import Parameter
from spoolq.recipes.progress import newest
from spoolq.recipes.progress_form import ProgressForm, progress_form
from spoolq.recipes.success import Success
from spoolq.recipes.template import Template
from spoolq.settings import Settings

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_StopSignal = Literal["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"]


def _duration(value: Any) -> float:
    if not isinstance(value, str | int | float):
        raise ValueError("is no duration; write 90, 15m, 2h30m or 7d")
    return parse_duration(value)


def _optional_form(said: Any) -> ProgressForm | None:
    return None if said is None else progress_form(said)


class Table(BaseModel):
    """What ``[recipes.NAME]`` may say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    #: argv; a nested array is left out when a value in it is null or false.
    command: Annotated[list[Any], Field(min_length=1)]
    cwd: Annotated[str, Field(pattern=r"^/[^\x00]*$")] | None = None
    env: dict[_Variable, _Text] = {}
    #: The same, where neither the runner's environment nor the operator's `env` has the variable.
    default_env: dict[_Variable, _Text] = {}
    #: Added to the command from the second attempt on.
    resume_argv: list[Any] = []
    #: A pattern below the output folder; the newest fresh file that fits it must be there and parse.
    results: Annotated[str, Field(min_length=1)] | None = None
    #: The dotted path to task -> metric -> value in that file.
    metrics: Annotated[str, Field(min_length=1)] | None = None
    #: Top-level keys of that file with the values that they must have.
    require: dict[str, str | int | float | bool] = {}
    success: Success = Success()
    stop_signal: _StopSignal = "SIGTERM"
    #: Seconds between the stop signal and SIGKILL.
    grace: Annotated[float, BeforeValidator(_duration)] | None = None
    #: How the stages of a progress bar begin that are the evaluation itself.
    work: list[Annotated[str, Field(min_length=1)]] = []
    #: The lines by which the evaluation says how far it is; see `recipes.progress_form`.
    progress: Annotated[Any, AfterValidator(_optional_form)] = None
    #: How its `CUDA_VISIBLE_DEVICES` names GPUs; see docs/gpus.md.
    gpu_ids: Literal["index", "uuid"] = "index"
    #: Modules that a warm parent imports before it forks runs of this recipe, and what is called in the fork.
    preload: list[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]] = []
    entry: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")] | None = None
    parameters: dict[str, Parameter] = {}


class OperatorRecipe:
    """A recipe made from a table of ``spoolq.toml``; its attributes are the Recipe protocol's."""

    def __init__(self, name: str, table: Table, settings: Settings) -> None:
        self.name = name
        self.stop_signal = signal.Signals[table.stop_signal]
        self.grace = table.grace
        #: Exit codes that are no failure by themselves.
        self.exit_codes = frozenset(table.success.exit_codes)
        self._table = table
        self._settings = settings
        self._template = _template(name, "command", table.command, table)
        #: The whole command of a later attempt.
        self._again = _template(name, "resume_argv", [*table.command, *table.resume_argv], table)

    @classmethod
    def from_settings(cls, name: str, table: Mapping[str, Any], settings: Settings | None = None) -> OperatorRecipe:
        """The recipe *name* of ``[recipes.NAME]``; raises SettingsInvalid naming ``recipes.NAME.KEY``."""
        try:
            checked = Table.model_validate(dict(table))
        except ValidationError as error:
            raise _wrong(name, *_first(error)) from None
        for parameter in checked.parameters:
            if not _NAME.fullmatch(parameter) or parameter in RESERVED:
                reason = "is filled by spoolq" if parameter in RESERVED else "is no name (letters, digits and _)"
                raise _wrong(name, f"parameters.{parameter}", f"{parameter!r} {reason}; call the parameter otherwise")
        made = cls(name, checked, settings or Settings())
        for parameter, declared in checked.parameters.items():
            try:
                made._again.check_place(parameter, declared.default)
            except ValueError as error:
                raise _wrong(name, f"parameters.{parameter}.default", str(error)) from None
        _check_results(name, checked)
        return made

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What a request may hold, in the order of the table."""
        return self._table.parameters

    def check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A value for every parameter, its default where the request has none or null; raises RequestInvalid."""
        refuse_unknown(request, self._table.parameters, self.name)
        checked: dict[str, Any] = {}
        for field, parameter in self._table.parameters.items():
            value = request.get(field)
            try:
                if value is None and parameter.required:
                    raise ValueError("is missing")
                checked[field] = parameter.default if value is None else parameter.fit(value)
                self._again.check_place(field, checked[field])
            except ValueError as error:
                raise RequestInvalid(f"field `{field}`: {error}; write {parameter.expected()}", field) from None
        return checked

    def plan(self, request: Mapping[str, Any], place: Place) -> Plan:
        """The command with its placeholders filled, with `resume_argv` from the second attempt on, in `cwd` (the run
        folder by default), with `env` and what is missing of `default_env` added."""
        reserved = {
            "python": place.python,
            "output": str(place.output),
            "run": str(place.run),
            "attempt": str(place.attempt),
        }
        cwd = Path(self._table.cwd) if self._table.cwd else place.run
        template = self._template if place.attempt == 1 else self._again
        env = {**defaults(self._settings, **self._table.default_env), **self._table.env}
        argv = template.fill(request, reserved)
        return Plan(argv, cwd, env, preload=tuple(self._table.preload), entry=self._table.entry)

    def collect(self, request: Mapping[str, Any], output: Path, since: float) -> Findings:  # noqa: ARG002
        """The metrics in the newest fresh file that fits `results`, if the run is what `success` asks for.

        Without either nothing is asked for.
        """
        table = self._table
        success.check(table.success, _proof(table), output, since)
        if table.results is None:
            return Findings({}, {})
        return read_metrics(output, table.results, since, at=table.metrics, require=table.require)

    def progress(self, tail: str) -> dict[str, Any] | None:
        """The newest line as `progress` describes it; without one, the newest bar whose stage begins as `work` says."""
        form: ProgressForm | None = self._table.progress
        found = form.newest(tail) if form is not None else None
        return found or newest(tail, tuple(self._table.work))


def _wrong(name: str, key: str, cause: str) -> SettingsInvalid:
    return SettingsInvalid(f"cannot use recipe {name!r}: `recipes.{name}.{key}`: {cause}. Mend it in spoolq.toml.")


def _first(error: ValidationError) -> tuple[str, str]:
    """The key and the cause of the first fault that pydantic found in a table."""
    fault = error.errors(include_url=False)[0]
    cause = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        model = Table if len(fault["loc"]) == 1 else Success if fault["loc"][0] == "success" else Parameter
        known = (field.alias or key for key, field in model.model_fields.items())
        cause = f"there is no such key; known are {', '.join(known)}"
    return ".".join(str(part) for part in fault["loc"]), cause


def _template(name: str, key: str, command: list[Any], table: Table) -> Template:
    try:
        return Template(command, table.parameters)
    except ValueError as error:
        raise _wrong(name, key, str(error)) from None


def _proof(table: Table) -> str | None:
    """The pattern of the files that `success` asks for; where it only says what is in them, they are the results."""
    return table.success.files or (table.results if table.success.reads else None)


def _check_results(name: str, table: Table) -> None:
    for key, pattern in (("results", table.results), ("success.files", table.success.files)):
        if pattern is not None and (Path(pattern).is_absolute() or ".." in Path(pattern).parts):
            raise _wrong(name, key, "must be a pattern below the output folder; write one like `**/results*.json`")
    if table.results is None:
        for key in ("metrics", "require"):
            if getattr(table, key):
                raise _wrong(name, key, "is read from a results file; name that file with `results`")
        if table.success.reads and table.success.files is None:
            raise _wrong(name, "success", "reads files that nothing names; name them with `success.files` or `results`")
