"""From the options of `spoolq submit` to the policy of an envelope, and usage errors for what is none."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import typer

from spoolq.cli import request_flags
from spoolq.cli.options import duration


def told(**values: Any) -> dict[str, Any]:
    """Those of *values* that were given."""
    return {name: value for name, value in values.items() if value is not None}


def level(priority: str | None) -> str | None:
    """A priority that there is."""
    from spoolq.names import PRIORITIES

    if priority is not None and priority not in PRIORITIES:
        raise typer.BadParameter(f"{priority!r} is none of {', '.join(PRIORITIES)}", param_hint="--priority")
    return priority


def limit(value: str | None, option: str) -> float | None:
    """The seconds of a time limit."""
    seconds = duration(value, option)
    if seconds == 0:
        raise typer.BadParameter("a time limit is more than 0 s; without the option there is none", param_hint=option)
    return seconds


def outcomes(retry_on: str | None) -> list[str] | None:
    """What `--retry-on` lists."""
    if retry_on is None:
        return None
    try:
        return request_flags.outcomes(retry_on)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--retry-on") from None


def jobs(after: Sequence[str] | None) -> list[str] | None:
    """The jobs that `--after` names: it may be repeated, and have several with commas."""
    named = [part.strip() for text in after or [] for part in text.split(",") if part.strip()]
    if after is not None and not named:
        raise typer.BadParameter("it names no job", param_hint="--after")
    return named or None


def labels(given: Sequence[str] | None) -> dict[str, str] | None:
    """The labels of `--label K=V`."""
    found = {}
    for text in given or []:
        name, separator, value = text.partition("=")
        if not separator or not name or not value:
            raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE", param_hint="--label")
        found[name] = value
    return found or None


def mebibytes(size: str | None) -> float | None:
    """The MiB of `--min-free-memory`."""
    from spoolq.durations import parse_mebibytes

    try:
        return None if size is None else parse_mebibytes(size)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--min-free-memory") from None


def moment(text: str | None) -> str | None:
    """The moment of `--not-before`: one without an offset is of the local time zone, a duration counts from now."""
    from datetime import UTC, datetime, timedelta

    from spoolq.durations import parse_duration

    if text is None:
        return None
    with contextlib.suppress(ValueError, OverflowError):
        return datetime.fromisoformat(text).astimezone().isoformat()
    try:
        return (datetime.now(UTC) + timedelta(seconds=parse_duration(text))).isoformat()
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; write 2026-12-24T22:00, 2026-12-24T22:00+01:00, or 2h30m from now",
            param_hint="--not-before",
        ) from None
