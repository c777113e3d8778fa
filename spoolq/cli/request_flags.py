"""From the command line's flags, files and lines to job documents, checked as a runner would check them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from spoolq.documents import parse_object
from spoolq.errors import RequestInvalid
from spoolq.settings import Settings

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def of_command(command: list[str], cwd: str | None, env: list[str], policy: dict[str, Any]) -> dict[str, Any]:
    """The envelope of ``-- COMMAND``: runs where the submitter stands."""
    if not command or not command[0]:
        raise RequestInvalid(
            "field `command`: nothing follows --; write `spoolq submit -- PROGRAM ARGUMENTS`", "command"
        )
    if policy.get("recipe", "command") != "command":
        raise RequestInvalid("field `recipe`: what follows -- is run by the recipe `command`", "recipe")
    request: dict[str, Any] = {"command": command, "cwd": str(Path(cwd or ".").resolve())}
    if env:
        request["env"] = dict(_pair(text, "env") for text in env)
        for name in request["env"]:
            if not _NAME.fullmatch(name):
                raise RequestInvalid(f"field `env`: {name!r} is no name of a variable", "env")
    return {"request": request, "recipe": "command", **policy}


def of_flags(given: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """The envelope of ``--model --tasks …``."""
    request = {key: value for key, value in given.items() if key != "set"}
    if "tasks" in request:
        request["tasks"] = [task for task in request["tasks"].split(",") if task]
    if "model_args" in request:
        request["model_args"] = _arguments(request["model_args"])
    if isinstance(request.get("limit"), float) and request["limit"].is_integer():
        request["limit"] = int(request["limit"])
    if "batch_size" in request and request["batch_size"].isdecimal():
        request["batch_size"] = int(request["batch_size"])
    for text in given.get("set") or []:
        key, value = _pair(text, "set")
        request[key] = _value(value)
    return {"request": request, **policy}


def of_lines(data: bytes) -> list[dict[str, Any]]:
    """The documents on stdin: one JSON object a line, or one over several lines."""
    rows = [(number, row) for number, row in enumerate(data.splitlines(), 1) if row.strip()]
    if not rows:
        raise RequestInvalid("cannot submit -: stdin is empty. Give one JSON object a line.")
    documents = []
    for number, row in rows:
        try:
            documents.append(parse_object(row, f"line {number}"))
        except RequestInvalid as error:
            if number == rows[0][0] and len(rows) > 1:
                try:
                    return [parse_object(data, "stdin")]
                except RequestInvalid:
                    pass  # it is no single object either: the line's own fault is the one to name
            raise RequestInvalid(f"cannot submit -: {error}. Nothing was queued.", error.field) from None
    return documents


def with_policy(document: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """*document* with what the flags say about priority, time-out and so on; they win."""
    if not policy:
        return document
    envelope = document if isinstance(document.get("request"), dict) else {"request": document}
    return {**envelope, **policy}


def check(settings: Settings, document: dict[str, Any], uid: int) -> str:
    """Refuse what no runner could take, naming the field; returns the priority."""
    from spoolq.requests import accept

    try:
        return accept(document, uid, settings).envelope.priority
    except RequestInvalid as error:
        raise RequestInvalid(f"cannot submit: {error}. Nothing was queued.", error.field) from None


def _pair(text: str, option: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise RequestInvalid(f"option --{option}: {text!r} is not of the form NAME=VALUE", option)
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
