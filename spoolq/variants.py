"""Several jobs of one document: a field that takes several values, and one job for each benchmark."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from spoolq.errors import RequestInvalid
from spoolq.names import token

#: The most jobs of one document.
MOST = 1000
_LABEL_LENGTH = 200

Sweep = tuple[str, list[Any]]


def parse_sweep(text: str) -> Sweep:
    """A field of the request and its values, of ``limit=10,100``, ``model_args.dtype=float16,bfloat16``, ``x=[1, 2]``.

    A value is JSON where it is that, else text. Raises RequestInvalid.
    """
    name, found, listed = text.partition("=")
    if not found or not name or not listed or not all(name.split(".")):
        raise RequestInvalid(f"option --sweep: {text!r} is not of the form FIELD=VALUE,VALUE; write it so", "sweep")
    if name.startswith("env."):  # a variable is a text, whatever it looks like
        return name, listed.split(",")
    whole = _value(listed)
    values = whole if isinstance(whole, list) else [_value(part) for part in listed.split(",")]
    if not values or "" in values:
        raise RequestInvalid(f"option --sweep: {text!r} has an empty value; leave it out", "sweep")
    return name, values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def expand(document: dict[str, Any], sweeps: Sequence[Sweep], split_tasks: bool) -> list[dict[str, Any]]:
    """The documents that *document* stands for: the product of *sweeps*, and of its tasks with *split_tasks*.

    They share a group, a new one unless the document names one, and are labelled with what tells them apart. Raises
    RequestInvalid.
    """
    envelope: dict[str, Any] = document if isinstance(document.get("request"), dict) else {"request": document}
    axes = list(sweeps)
    if split_tasks:
        axes.append(("tasks", [[task] for task in _tasks(envelope["request"])]))
    count = 1
    for _, values in axes:
        count *= len(values)
    if count > MOST:
        raise RequestInvalid(f"option --sweep: that would be {count} jobs; {MOST} at once are the most", "sweep")
    group: str = envelope.get("group") or f"sweep-{token(4)}"
    return [
        _variant(envelope, group, list(zip((name for name, _ in axes), values, strict=True)))
        for values in itertools.product(*(values for _, values in axes))
    ]


def _tasks(request: dict[str, Any]) -> list[Any]:
    tasks = request.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise RequestInvalid("field `tasks`: --split-tasks makes a job of each, and there is no list of them", "tasks")
    return tasks


def _variant(envelope: dict[str, Any], group: str, chosen: list[tuple[str, Any]]) -> dict[str, Any]:
    request, labels = envelope["request"], {**(envelope.get("labels") or {})}
    for name, value in chosen:
        request = _with(request, name.split("."), value, name)
        text = value[0] if name == "tasks" and isinstance(value, list) and len(value) == 1 else value
        shown = text if isinstance(text, str) else json.dumps(text)
        if shown.isprintable() and shown:
            labels.setdefault(name, shown[:_LABEL_LENGTH])
    return {**envelope, "request": request, "group": group, "labels": labels}


def _with(request: dict[str, Any], path: list[str], value: Any, name: str) -> dict[str, Any]:
    """*request* with the field at *path* set; nothing of it is changed in place."""
    head, *rest = path
    if not rest:
        return {**request, head: value}
    inner = request.get(head, {})
    if not isinstance(inner, dict):
        raise RequestInvalid(f"option --sweep: {name!r} leads into `{head}`, which is no object", "sweep")
    return {**request, head: _with(inner, rest, value, name)}
