"""The operator's settings: ``spoolq.toml`` in the spool. Every key is optional.

They are checked here and not by pydantic, because every verb comes through here, and importing that takes longer than
most verbs do. What the operator's recipes say is checked where they are made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from spoolq.durations import parse_duration
from spoolq.errors import SettingsInvalid
from spoolq.names import SLOT_RULE, is_slot
from spoolq.sections import (
    BenchmarkSection,
    GpusSection,
    JobqueueSection,
    NotifySection,
    SectionInvalid,
    ServerSection,
    WarmSection,
    read_section,
)
from spoolq.transitions import RETRY_ON_RULE, is_retry_on

Priority = Literal["urgent", "high", "normal", "low"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set; all times in seconds."""

    #: "full": a power cut loses nothing acknowledged. "process": no fsync; survives kill -9, not a power cut.
    durability: Literal["full", "process"] = "full"
    #: How long a dropped file that does not parse must rest before it is rejected; None: 10, or 60 on a network mount.
    settle: float | None = None
    #: The timer behind the watch; None: 30, or 1 on a network mount.
    poll: float | None = None
    #: How long `.lock` is waited for.
    lock_timeout: float = 10.0
    #: Between two heartbeats.
    heartbeat: float = 30.0
    #: A heartbeat that has not changed for this long means that the runner's host is gone.
    heartbeat_timeout: float = 300.0
    #: Between the stop signal and SIGKILL, unless job or recipe say otherwise.
    grace: float = 10.0
    #: Wall-clock limit of an attempt, unless the job says otherwise; None: no limit.
    timeout: float | None = None
    #: Runs that a job may have in all.
    max_attempts: int = 3
    #: Outcomes after which a job may run again.
    retry_on: list[str] = field(default_factory=lambda: ["lost"])
    #: Between an attempt and the second one; doubled before each further one. 0: at once.
    backoff: float = 0.0
    #: The recipe of a bare request that has `model` and `tasks`.
    default_recipe: str = "lmms-eval"
    #: Where slot locks live: a directory of this host, common to all its users and spools.
    lock_dir: str | None = None
    #: Users (names or uids) whose jobs may use any recipe in a shared spool, the free-form command too.
    trusted: list[str | int] = field(default_factory=list)
    #: Recipes that everybody's jobs may use in a shared spool.
    open_recipes: list[str] = field(default_factory=list)
    #: Priorities that everybody's jobs may have in a shared spool.
    open_priorities: list[Priority] = field(default_factory=lambda: list[Priority](["normal", "low"]))
    #: Directories under which a request may name its own `output_dir`.
    output_roots: list[str] = field(default_factory=list)
    #: Metrics of which less is better, beside those known by name: names or patterns, `turns_*`.
    lower_is_better: list[str] = field(default_factory=list)
    #: Slot name -> the devices it shows to its evaluation (CUDA_VISIBLE_DEVICES); "" hides all of them.
    slots: dict[str, str] = field(default_factory=dict)
    #: Added to the environment of every evaluation.
    env: dict[str, str] = field(default_factory=dict)
    #: The operator's own recipes; see docs/recipes.md.
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: `spoolq serve`: where it listens, who may ask for what; see docs/http.md.
    server: ServerSection = field(default_factory=ServerSection)
    #: Remote workers and resource pools: their time limits and sweeps.
    jobqueue: JobqueueSection = field(default_factory=JobqueueSection)
    #: GPUs: who is asked for them, slots made from them, when one is free; see docs/gpus.md.
    gpus: GpusSection = field(default_factory=GpusSection)
    #: Warm parents, from which evaluations are forked; see docs/fork-server.md.
    warm: WarmSection = field(default_factory=WarmSection)
    #: The benchmark-run dialect: which recipe `start` starts.
    benchmark: BenchmarkSection = field(default_factory=BenchmarkSection)
    #: Who is told when jobs end, stand still, or run out; see docs/notify.md.
    notify: NotifySection = field(default_factory=NotifySection)


#: The tables that are classes of their own.
_SECTIONS = {
    "server": ServerSection,
    "jobqueue": JobqueueSection,
    "gpus": GpusSection,
    "warm": WarmSection,
    "benchmark": BenchmarkSection,
    "notify": NotifySection,
}
_DURATIONS = ("settle", "poll", "lock_timeout", "heartbeat", "heartbeat_timeout", "grace", "timeout", "backoff")
_DURABILITIES = ("full", "process")

#: What a value must be: in words, and as a test.
_Kind = tuple[str, Callable[[Any], bool]]
_TEXT: _Kind = ("a text in quotes", lambda value: isinstance(value, str))
_NUMBER: _Kind = ("a whole number", lambda value: type(value) is int)  # True is an int too
_USER: _Kind = ("a name in quotes, or a uid", lambda value: type(value) in (str, int))
_TABLE: _Kind = ("a table", lambda value: isinstance(value, dict))
_DURABILITY: _Kind = (f"one of {', '.join(_DURABILITIES)}", lambda value: value in _DURABILITIES)
_OUTCOME: _Kind = (RETRY_ON_RULE, is_retry_on)
_PRIORITY: _Kind = (f"one of {', '.join(get_args(Priority))}", lambda value: value in get_args(Priority))
#: The kind of a setting; of what a list holds; of what a table holds.
_SINGLE = {"durability": _DURABILITY, "max_attempts": _NUMBER, "default_recipe": _TEXT, "lock_dir": _TEXT}
_LISTS = {
    "retry_on": _OUTCOME, "trusted": _USER, "open_recipes": _TEXT, "open_priorities": _PRIORITY, "output_roots": _TEXT,
    "lower_is_better": _TEXT,
}  # fmt: skip
_TABLES = {"slots": _TEXT, "env": _TEXT, "recipes": _TABLE}


def load_settings(path: Path) -> Settings:
    """The settings in *path*, defaults where it is silent or missing; raises SettingsInvalid with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"cannot read settings {path}: {error}. Make it readable UTF-8 text.") from None
    if not any(row.strip() and not row.lstrip().startswith("#") for row in text.splitlines()):
        return Settings()  # nothing but comments, as `init` writes it
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"cannot read settings {path}: {error}. Mend that line.") from None
    return _validate(data, path, text) if data else Settings()


def _validate(data: dict[str, Any], path: Path, text: str) -> Settings:
    known = {setting.name for setting in fields(Settings)}
    for key, value in data.items():
        if key not in known:
            raise _fault(path, text, key, f"there is no such setting; known are {', '.join(sorted(known))}")
        if key in _SECTIONS:
            try:
                data[key] = read_section(_SECTIONS[key], value)
            except SectionInvalid as error:
                loc = (key, error.key) if error.key else ()
                raise _fault(path, text, key, str(error), loc) from None
            continue
        if key in _DURATIONS:
            try:
                data[key] = parse_duration(value)
            except ValueError as error:
                raise _fault(path, text, key, str(error)) from None
        if (misfit := _misfit(key, value)) is not None:
            raise _fault(path, text, key, f"it must be {misfit[1]}", (key, *misfit[0]))
    settings = Settings(**data)
    for slot in settings.slots:
        if not is_slot(slot):
            raise _fault(path, text, slot, SLOT_RULE)
    if settings.heartbeat <= 0 or settings.heartbeat_timeout < 3 * settings.heartbeat:
        raise _fault(path, text, "heartbeat_timeout", "it must be at least three times `heartbeat`")
    if settings.max_attempts < 1:
        raise _fault(path, text, "max_attempts", "it must be at least 1")
    return settings


def _misfit(key: str, value: Any) -> tuple[tuple[str | int, ...], str] | None:
    """Where below *key* the first value of a wrong kind is, and what it must be; None when all is right."""
    kinds: list[tuple[tuple[str | int, ...], Any, _Kind]] = []
    if key in _LISTS:
        if not isinstance(value, list):
            return (), "a list"
        kinds = [((place,), inner, _LISTS[key]) for place, inner in enumerate(value)]
    elif key in _TABLES:
        if not isinstance(value, dict):
            return (), "a table"
        kinds = [((name,), inner, _TABLES[key]) for name, inner in value.items()]
    elif key in _SINGLE:
        kinds = [((), value, _SINGLE[key])]
    return next(((where, words) for where, inner, (words, holds) in kinds if not holds(inner)), None)


def _fault(path: Path, text: str, key: str, cause: str, loc: tuple[Any, ...] = ()) -> SettingsInvalid:
    name = ".".join(str(part) for part in loc) or key
    pattern = re.compile(rf"\s*(\[+\s*)?(\w+\.)*[\"']?{re.escape(str(loc[-1] if loc else key))}[\"']?\s*[=.\]]")
    line = next((n for n, row in enumerate(text.splitlines(), 1) if pattern.match(row)), None)
    where = f" (line {line})" if line else ""
    return SettingsInvalid(f"cannot read settings {path}: `{name}`{where}: {cause}. Mend that line.")
