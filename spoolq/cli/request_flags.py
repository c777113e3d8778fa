"""From the command line's flags, files and lines to job documents, checked as a runner would check them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spoolq.documents import MAX_BYTES, dump, parse_object
from spoolq.errors import RequestInvalid
from spoolq.settings import Settings
from spoolq.transitions import RETRY_ON_RULE, is_retry_on

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@contextmanager
def refusing(source: str | None = None) -> Iterator[None]:
    """Make a whole sentence of a RequestInvalid, one that names *source*: a file, a line of stdin, None for flags."""
    try:
        yield
    except RequestInvalid as error:
        what = f"cannot submit {source}" if source else "cannot submit"
        raise RequestInvalid(f"{what}: {error}. Nothing was queued.", error.field) from None


def outcomes(text: str) -> list[str]:
    """The outcomes in `--retry-on`; none for an empty text. Raises ValueError."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    for one in named:
        if not is_retry_on(one):
            raise ValueError(f"{one!r} is not {RETRY_ON_RULE}")
    return named


def of_command(command: list[str], cwd: str | None, env: list[str], policy: dict[str, Any]) -> dict[str, Any]:
    """The envelope of ``-- COMMAND``: runs where the submitter stands."""
    if not command or not command[0]:
        raise RequestInvalid(
            "field `command`: no program follows --; write `spoolq submit -- PROGRAM ARGUMENTS`", "command"
        )
    if policy.get("recipe", "command") != "command":
        raise RequestInvalid(
            "field `recipe`: what follows -- is run by the recipe `command`; leave --recipe out", "recipe"
        )
    request: dict[str, Any] = {"command": command, "cwd": str(Path(cwd or ".").resolve())}
    if env:
        request["env"] = dict(_pair(text, "env") for text in env)
        for name in request["env"]:
            if not _NAME.fullmatch(name):
                raise RequestInvalid(
                    f"field `env`: {name!r} is no name of a variable; use letters, digits and _", "env"
                )
    return {"request": request, "recipe": "command", **policy}


def of_flags(given: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """The envelope of ``--model --tasks …``."""
    request = {key: value for key, value in given.items() if key != "set"}
    if "tasks" in request:
        request["tasks"] = [task for task in request["tasks"].split(",") if task]
    if "model_args" in request:
        request["model_args"] = _arguments(request["model_args"])
    if "limit" in request and request["limit"].is_integer():
        request["limit"] = int(request["limit"])
    if "batch_size" in request and request["batch_size"].isdecimal():
        request["batch_size"] = int(request["batch_size"])
    for text in given.get("set") or []:
        key, value = _pair(text, "set")
        request[key] = _value(value)
    return {"request": request, **policy}


def of_lines(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The documents on stdin, each with where it is: one JSON object a line, or one over several lines."""
    rows = [(number, row) for number, row in enumerate(data.split(b"\n"), 1) if row.strip()]
    if not rows:
        raise RequestInvalid("cannot submit -: stdin is empty. Give one JSON object a line.")
    if len(rows) > 1 and not _is_json(rows[0][1]):
        return [("-", _object(data, "stdin"))]
    return [(f"line {number} of stdin", _object(row, f"line {number}", number)) for number, row in rows]


def _object(data: bytes, what: str, line: int = 1) -> dict[str, Any]:
    """The object in *data*, which begins at *line* of stdin, so that a fault is said to be where it is."""
    try:
        return parse_object(data, what)
    except RequestInvalid:
        with refusing("-"):
            return parse_object(b"\n" * (line - 1) + data, what)


def _is_json(row: bytes) -> bool:
    try:
        json.loads(row)
    except ValueError:
        return False
    return True


def with_policy(document: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """*document* with what the flags say about priority, time-out and so on; they win."""
    if not policy:
        return document
    envelope = document if isinstance(document.get("request"), dict) else {"request": document}
    return {**envelope, **policy}


def check(settings: Settings, document: dict[str, Any], uid: int) -> str:
    """Refuse what no runner could take, naming the field; returns the priority."""
    from spoolq.requests import accept

    return accept(document, uid, settings).envelope.priority


def check_size(document: dict[str, Any]) -> None:
    """Refuse what cannot be written as a job file, before anything is queued."""
    try:
        size = len(dump(document))
    except UnicodeEncodeError:
        raise RequestInvalid("a value is not UTF-8, so JSON cannot hold it; rename what it names") from None
    except ValueError:
        raise RequestInvalid("NaN and Infinity are no JSON numbers; use finite ones") from None
    if size > MAX_BYTES:
        raise RequestInvalid(f"the request is larger than {MAX_BYTES} bytes; put data in files and name those")


def _pair(text: str, option: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise RequestInvalid(f"option --{option}: {text!r} is not of the form NAME=VALUE; write it so", option)
    return key, value


def _arguments(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        return parse_object(text.encode(), "--model-args")
    return {key: _value(value) for key, value in (_pair(part, "model-args") for part in text.split(",") if part)}


def _value(text: str) -> Any:
    """A JSON value where it is one, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
