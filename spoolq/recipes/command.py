"""The recipe ``command``: any argv, run as it stands, never through a shell.

It succeeds when it exits 0; if the request names `results`, also only when that file is there and parses.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spoolq.errors import RequestInvalid
from spoolq.models import field_error
from spoolq.recipes import Findings, Place, Plan
from spoolq.recipes.metrics import read_metrics
from spoolq.recipes.progress import newest
from spoolq.settings import Settings

_Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class Request(BaseModel):
    """What the recipe takes: a program with its arguments, where and with what it runs, and where its scores are."""

    model_config = ConfigDict(extra="forbid", strict=True)

    command: Annotated[list[_Text], Field(min_length=1)]
    cwd: Annotated[str, Field(pattern=r"^/[^\x00]*$")] | None = None
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], _Text] = {}
    results: str | None = None


class CommandRecipe:
    """Runs ``request["command"]`` in ``cwd`` (the run folder by default) with ``env`` added."""

    name = "command"
    stop_signal = signal.SIGTERM
    grace: float | None = None

    def check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A `command` of one or more strings; optional `cwd` (absolute), `env`, `results` (a glob under the output)."""
        try:
            checked = Request.model_validate(dict(request))
        except ValidationError as error:
            raise field_error(error, Request.model_fields) from None
        if not checked.command[0]:
            raise RequestInvalid("field `command.0`: the program's name is empty", "command.0")
        if checked.results and (Path(checked.results).is_absolute() or ".." in Path(checked.results).parts):
            raise RequestInvalid("field `results`: must be a pattern below the output folder", "results")
        return checked.model_dump()

    def plan(self, request: Mapping[str, Any], place: Place) -> Plan:
        """The command as it stands."""
        cwd = Path(request["cwd"]) if request.get("cwd") else place.run
        return Plan(argv=list(request["command"]), cwd=cwd, env=dict(request.get("env") or {}))

    def collect(self, request: Mapping[str, Any], output: Path, since: float) -> Findings:
        """The metrics in `results`, if the request names such a file; else nothing is asked for."""
        pattern = request.get("results")
        return read_metrics(output, pattern, since) if pattern else Findings({}, {})

    def progress(self, tail: str) -> dict[str, Any] | None:
        """Any progress bar of tqdm's form."""
        return newest(tail)


def make(_settings: Settings) -> CommandRecipe:
    """The recipe; it has no settings."""
    return CommandRecipe()
