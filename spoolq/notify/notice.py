"""What is told: the texts that fill a command's template, the same as environment, and the whole as JSON.

Much of it was written by whoever submitted the job, so each text is one line, short, and no option.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spoolq.masking import mask
from spoolq.names import Stem
from spoolq.plain import one_line
from spoolq.recipes.element import Element
from spoolq.store import Store

#: What a command's template may hold in braces; with `SPOOLQ_` before it, in capitals, the name in the environment.
PLACEHOLDERS = (
    "event", "hook", "subject", "job_id", "status", "outcome", "recipe", "model", "tasks", "group", "error",
    "exit_code", "attempt", "worker", "created_at", "started_at", "completed_at", "log", "run_dir", "spool", "host",
)  # fmt: skip
#: Longer texts are cut, in characters: an argument has its limits, and so has a telephone's screen.
_ROOM = 1000
#: The same for what a request calls its model, its tasks or its command, in the subject.
_SHORT = 80


def texts(store: Store, hook: str, word: str, stem: Stem, record: Mapping[str, Any], why: str) -> dict[str, str]:
    """What each of PLACEHOLDERS stands for; empty where there is nothing to say. *why* says why it is `stuck`."""
    given = record.get("request")
    request: dict[str, Any] = given if isinstance(given, dict) else {}
    run = store.absolute.run(stem.key)
    found = {name: record.get(name) for name in PLACEHOLDERS} | {
        "event": word,
        "hook": hook,
        "model": request.get("model"),
        "tasks": _joined(request.get("tasks")),
        "error": why or record.get("error"),
        "log": str(run.log),
        "run_dir": str(run.path),
        "spool": str(store.absolute.root),
        "host": store.host,
    }
    found["subject"] = _subject(word, found, request)
    return {name: _plain(value) for name, value in found.items()}


def document(told: Mapping[str, str], record: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON on a command's stdin and in a webhook's body: the event, and the job's record with secrets masked."""
    names = ("event", "hook", "subject", "spool", "host", "log")
    return {**{name: told[name] for name in names}, "error": told["error"] or None, "job": mask(dict(record))}


def environment(told: Mapping[str, str]) -> dict[str, str]:
    """The texts as `SPOOLQ_…`."""
    return {f"SPOOLQ_{name.upper()}": text for name, text in told.items()}


def argv(template: tuple[str, ...], told: Mapping[str, str]) -> list[str]:
    """*template* filled: each element stays one argument, whatever the values hold.

    A value of the job's that would make its element an option gets a space before it.
    """
    filled = []
    for text in template:
        element = Element(text)
        value = element.fill(told)
        is_theirs = bool(element.pieces) and element.pieces[0][1] is not None
        filled.append(f" {value}" if is_theirs and value.startswith("-") else value)
    return filled


def _subject(word: str, found: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """One line for people: `failed: lm-eval gpt2 arc_easy (exit), 1b4e28ba`."""
    if word == "idle":
        return f"idle: the queue of {found['spool']} is empty, {str(found['job_id'])[:8]} {found['status']}"
    what = [found["model"], found["tasks"]] if found["model"] else [_joined(request.get("command"))]
    words = [found["recipe"], *(str(text)[:_SHORT] for text in what if text)]
    outcome = found["outcome"] if found["outcome"] not in (None, "succeeded", "cancelled") else ""
    about = " ".join(str(text) for text in words if text)
    return f"{word}: {about}{f' ({outcome})' if outcome else ''}, {str(found['job_id'])[:8]}"


def _joined(value: Any) -> str:
    return " ".join(str(inner) for inner in value[:20]) if isinstance(value, list) else str(value or "")


def _plain(value: Any) -> str:
    text = "" if value is None else str(value)
    return one_line(text if len(text) <= _ROOM else f"{text[: _ROOM // 2]} … {text[-_ROOM // 2 :]}")
