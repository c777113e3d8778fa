"""The operator's settings: ``spoolq.toml`` in the spool. Every key is optional.

The file is read without pydantic while it says nothing, because verbs that start often come through here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from spoolq.durations import parse_duration
from spoolq.errors import SettingsInvalid
from spoolq.names import SLOT_RULE, is_slot
from spoolq.transitions import RetryOn

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
    retry_on: list[RetryOn] = field(default_factory=lambda: list[RetryOn](["lost"]))
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
    #: Slot name -> the devices it shows to its evaluation (CUDA_VISIBLE_DEVICES); "" hides all of them.
    slots: dict[str, str] = field(default_factory=dict)
    #: Added to the environment of every evaluation.
    env: dict[str, str] = field(default_factory=dict)
    #: The operator's own recipes; see docs/recipes.md.
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)


_DURATIONS = ("settle", "poll", "lock_timeout", "heartbeat", "heartbeat_timeout", "grace", "timeout")


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
        if key in _DURATIONS:
            try:
                data[key] = parse_duration(value)
            except (ValueError, AttributeError) as error:
                raise _fault(path, text, key, str(error)) from None
    from pydantic import TypeAdapter, ValidationError

    try:
        settings = TypeAdapter(Settings).validate_python(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise _fault(path, text, str(fault["loc"][0]), fault["msg"], fault["loc"]) from None
    for slot in settings.slots:
        if not is_slot(slot):
            raise _fault(path, text, slot, SLOT_RULE)
    if settings.heartbeat <= 0 or settings.heartbeat_timeout < 3 * settings.heartbeat:
        raise _fault(path, text, "heartbeat_timeout", "it must be at least three times `heartbeat`")
    if settings.max_attempts < 1:
        raise _fault(path, text, "max_attempts", "it must be at least 1")
    return settings


def _fault(path: Path, text: str, key: str, cause: str, loc: tuple[Any, ...] = ()) -> SettingsInvalid:
    name = ".".join(str(part) for part in loc) or key
    pattern = re.compile(rf"\s*(\[+\s*)?(\w+\.)*[\"']?{re.escape(str(loc[-1] if loc else key))}[\"']?\s*[=.\]]")
    line = next((n for n, row in enumerate(text.splitlines(), 1) if pattern.match(row)), None)
    where = f" (line {line})" if line else ""
    return SettingsInvalid(f"cannot read settings {path}: `{name}`{where}: {cause}. Mend that line.")
