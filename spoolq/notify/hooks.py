"""The operator's hooks: the tables under ``[notify]``, checked. A job can neither name nor change one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq.durations import parse_duration
from spoolq.errors import SettingsInvalid
from spoolq.notify.notice import PLACEHOLDERS
from spoolq.recipes.element import Element
from spoolq.settings import Settings

#: What a hook may be told of. `finished` is every end; the others are one kind of it, or no end at all.
ENDS = ("failed", "completed", "cancelled", "finished")
EVENTS = (*ENDS, "idle", "stuck")
#: How it may be told; one of them a hook.
WAYS = ("command", "webhook", "webhook_file", "apprise", "apprise_file")
_NAME = re.compile(r"[a-z0-9_-]{1,32}")
_KNOWN = ("on", *WAYS, "secret_file", "timeout")


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook: what it is told of, how, and for how many seconds it may run. What is unused is empty."""

    name: str
    on: tuple[str, ...]
    timeout: float
    way: str
    command: tuple[str, ...] = ()
    #: URLs as they stand in the settings.
    urls: tuple[str, ...] = ()
    #: A file with a URL a line: what it holds need not stand where others can read it.
    url_file: Path | None = None
    #: A file whose first line keys the signature of a webhook.
    secret_file: Path | None = None

    def word_for(self, kind: str, status: str) -> str | None:
        """The event that the hook is told for an `end` with *status*, for `idle` or `stuck`; None: it is not."""
        wanted = (status, "finished") if kind == "end" else (kind,)
        return next((word for word in wanted if word in self.on), None)


class _Misfit(ValueError):
    """What is wrong with a table."""


def read_hooks(settings: Settings) -> list[Hook]:
    """All hooks, in the order of the file; raises SettingsInvalid for one that could never work."""
    found = []
    for name, table in settings.notify.hooks.items():
        try:
            found.append(_hook(name, table, settings.notify.timeout))
        except _Misfit as error:
            raise SettingsInvalid(f"cannot use the hook [notify.{name}] of spoolq.toml: {error}.") from None
    return found


def _hook(name: str, table: Mapping[str, Any], limit: float) -> Hook:
    if not _NAME.fullmatch(name):
        raise _Misfit("its name is not 1 to 32 of a-z, 0-9, `-` and `_`. Give it another")
    if strange := sorted(set(table) - set(_KNOWN)):
        raise _Misfit(f"there is no key `{strange[0]}`; known are {', '.join(_KNOWN)}. Mend that line")
    on = tuple(_texts(table.get("on"), "on"))
    if unknown := [word for word in on if word not in EVENTS]:
        raise _Misfit(f"`on` has {unknown[0]!r}, which never happens. Choose from {', '.join(EVENTS)}")
    ways = [way for way in WAYS if way in table]
    if len(ways) != 1:
        raise _Misfit(f"it has {len(ways)} of {', '.join(WAYS)}. Give it exactly one")
    way, given = ways[0], table[ways[0]]
    if "secret_file" in table and not way.startswith("webhook"):
        raise _Misfit("`secret_file` signs a webhook, and this is none. Take it away")
    return Hook(
        name=name,
        on=on,
        timeout=_seconds(table.get("timeout", limit)),
        way=way.removesuffix("_file"),
        command=_command(given) if way == "command" else (),
        urls=(_text(given, way),) if way == "webhook" else tuple(_texts(given, way)) if way == "apprise" else (),
        url_file=_path(given, way) if way.endswith("_file") else None,
        secret_file=_path(table["secret_file"], "secret_file") if "secret_file" in table else None,
    )


def _command(given: Any) -> tuple[str, ...]:
    """The elements of a command's template; its program stands in it as it is."""
    texts = tuple(_texts(given, "command"))
    for text in texts:
        try:
            names = Element(text).names
        except ValueError as error:
            raise _Misfit(str(error)) from None
        if unknown := [name for name in names if name not in PLACEHOLDERS]:
            raise _Misfit(
                f"there is nothing to fill {{{unknown[0]}}} with; known are {', '.join(PLACEHOLDERS)}. "
                "Write `{{` and `}}` for braces"
            )
        if "\0" in text:
            raise _Misfit("an element of `command` has a NUL in it. Take it out")
    program = texts[0]
    if Element(program).names or not program:
        raise _Misfit("the first element of `command` is the program, which nothing may fill in. Write its path")
    if "/" in program and not program.startswith("/"):
        raise _Misfit(f"the program {program!r} is no whole path. Begin it with `/`, or give a name that is on PATH")
    return texts


def _texts(given: Any, key: str) -> list[str]:
    if isinstance(given, str) and key != "command":  # one alone needs no brackets
        given = [given]
    if not isinstance(given, list) or not given or not all(isinstance(text, str) for text in given):
        raise _Misfit(f"`{key}` must be a list of texts in quotes, and not an empty one. Mend that line")
    return given


def _text(given: Any, key: str) -> str:
    if not isinstance(given, str) or not given:
        raise _Misfit(f"`{key}` must be a text in quotes, and not an empty one. Mend that line")
    return given


def _path(given: Any, key: str) -> Path:
    path = Path(_text(given, key)).expanduser()
    if not path.is_absolute():
        raise _Misfit(f"`{key}` must be a whole path, from `/` on. Mend that line")
    return path


def _seconds(given: Any) -> float:
    try:
        seconds = parse_duration(given)
    except ValueError as error:
        raise _Misfit(f"`timeout`: {error}. Mend that line") from None
    if seconds <= 0:
        raise _Misfit("`timeout` must be more than 0 s. Mend that line")
    return seconds
