"""Recipes: what turns a request into a command, and a finished run into results.

A recipe is one file. It checks the request (defaults filled in), plans the run (argv, environment, directory), reads
progress from the log's tail, and collects results from the output. `find` gives one by name, `choose` says which one a
request is for. A package adds recipes by the entry point group ``spoolq.recipes``; an operator in ``spoolq.toml``.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spoolq.errors import RequestInvalid
from spoolq.layout import RunDir
from spoolq.settings import Settings

#: Built-in recipe -> the module that holds it as `RECIPE`.
BUILT_IN = {
    "command": "spoolq.recipes.command",
    "inspect": "spoolq.recipes.inspect",
    "lm-eval": "spoolq.recipes.lm_eval",
    "lmms-eval": "spoolq.recipes.lmms_eval",
    "worker": "spoolq.recipes.worker",
}
#: The recipe of every job that has a resource_type.
WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens: its folder, the folder it writes its output to (both absolute), and which attempt it is."""

    run: Path
    output: Path
    attempt: int
    python: str

    @property
    def cache(self) -> Path:
        """A folder of the job's own that outlives its attempts; it is made by whoever writes to it."""
        return RunDir(self.run).cache


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to be: argv (never a shell line), variables to add and to take out, and the working directory.

    With *preload* (modules) or *entry* it may be forked from a warm parent that has imported them: *entry*, written
    ``module:function``, is then called with argv as `python -m` would have it; without one the module of argv is run.
    """

    argv: list[str]
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)
    scrub: frozenset[str] = frozenset()
    preload: tuple[str, ...] = ()
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run produced. A Path in *result* is relative to the output; *metrics* is task -> metric -> value."""

    result: dict[str, Any]
    metrics: dict[str, dict[str, Any]]


class Recipe(Protocol):
    """One way to run an evaluation.

    It may also have `exit_codes`, the exit codes that are no failure; without it only 0 is none.
    """

    name: str
    #: What asks the evaluation to end; SIGKILL follows after the grace.
    stop_signal: signal.Signals
    #: Seconds between the two, None for the spool's setting.
    grace: float | None

    def check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request with its defaults filled in; raises RequestInvalid naming the field."""

    def plan(self, request: Mapping[str, Any], place: Place) -> Plan:
        """How to run a checked request."""

    def collect(self, request: Mapping[str, Any], output: Path, since: float) -> Findings:
        """What the run left in *output*, counting only files not older than *since* (POSIX seconds of the file
        server); raises NoResults when a run that succeeded would have left more."""

    def progress(self, tail: str) -> dict[str, Any] | None:
        """The newest progress in the last few KiB of the log: stage, percent, done, total; None if it says nothing."""


def find(name: str, settings: Settings) -> Recipe:
    """The recipe *name*: the operator's, a built-in, or a package's; raises RequestInvalid listing what there is."""
    from importlib import import_module
    from importlib.metadata import entry_points

    if name in settings.recipes:
        from spoolq.recipes.operator import OperatorRecipe

        return OperatorRecipe.from_settings(name, settings.recipes[name], settings)
    if name in BUILT_IN:
        recipe: Recipe = import_module(BUILT_IN[name]).make(settings)
        return recipe
    for point in entry_points(group="spoolq.recipes"):
        if point.name == name:
            made: Recipe = point.load()(settings)
            return made
    raise RequestInvalid(
        f"field `recipe`: there is no recipe {name!r}; known are {', '.join(known(settings))}", "recipe"
    )


def workers(settings: Settings) -> Recipe:
    """The recipe of remote workers' jobs, whatever the operator may call his own."""
    from importlib import import_module

    recipe: Recipe = import_module(BUILT_IN[WORKER]).make(settings)
    return recipe


def known(settings: Settings) -> list[str]:
    """The names of all recipes that this spool knows."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN, *settings.recipes, *(point.name for point in entry_points(group="spoolq.recipes"))})


def choose(request: Mapping[str, Any], named: str | None, settings: Settings) -> str:
    """The recipe of a request: the one it names, `command` if it holds a command, the default for model and tasks."""
    if named is not None:
        return named
    if "command" in request:
        return "command"
    if "model" in request and "tasks" in request:
        return settings.default_recipe
    raise RequestInvalid(
        "the request names no recipe, and holds neither `command` nor `model` and `tasks`; add what is missing"
    )
