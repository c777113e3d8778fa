"""What people see: JSON documents, plain lines, tables that fit 80 columns, colours only on a terminal.

Whatever comes from a job or a log is made harmless first: a terminal obeys what it is shown.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from spoolq.durations import format_duration
from spoolq.plain import block, one_line

_COLOURS = {"completed": "32", "failed": "31", "cancelled": "33", "running": "36", "bold": "1", "dim": "2"}
#: Environment names whose values nobody should read over a shoulder.
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIAL|PRIVATE|_KEY$|^KEY$", re.IGNORECASE)
_MASK = "***"


def emit_json(document: Any) -> None:
    """One JSON document on stdout, secrets in `env` masked."""
    sys.stdout.write(json.dumps(mask(document), indent=2, ensure_ascii=False, default=str) + "\n")


def mask(value: Any) -> Any:
    """*value* with what looks like a secret in any `env` object replaced."""
    if isinstance(value, Mapping):
        return {key: _mask_env(inner) if key == "env" else mask(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [mask(inner) for inner in value]
    return value


def _mask_env(env: Any) -> Any:
    if not isinstance(env, Mapping):
        return mask(env)
    return {name: _MASK if _SECRET.search(str(name)) else value for name, value in env.items()}


def line(text: str = "") -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def talk(text: str) -> None:
    """One line on stderr: for people, never for scripts."""
    sys.stderr.write(text + "\n")


def safe(text: Any) -> str:
    """*text* without control characters, escape sequences and direction marks; newlines become spaces."""
    return one_line(text)


def safe_block(text: str) -> str:
    """The same for text of several lines."""
    return block(text)


def coloured(text: str, colour: str) -> str:
    """*text* in the colour of a state, or ``bold`` or ``dim``; plain when stdout is no terminal or NO_COLOR is set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colour in _COLOURS else text


def width() -> int:
    """The terminal's width, 80 where there is none, never less than 40."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def clip(text: str, size: int) -> str:
    """*text* cut to *size* columns, with an ellipsis where something was cut."""
    return text if len(text) <= size else text[: max(0, size - 1)] + "…"


def table(
    header: Sequence[str], lines: Iterable[Sequence[Any]], *, right: Iterable[int] = (), flexible: int = -1
) -> None:
    """Columns with two spaces between. The *flexible* column is clipped so that a line fits the terminal."""
    cells = [[safe(cell) for cell in row] for row in lines]
    widths = [max([len(header[n]), *(len(row[n]) for row in cells)]) for n in range(len(header))]
    flexible %= len(header)
    others = sum(widths) - widths[flexible] + 2 * (len(header) - 1)
    if sys.stdout.isatty() or flexible != len(header) - 1:
        widths[flexible] = min(widths[flexible], max(8, width() - others))
    aligned = set(right)

    def row_text(row: Sequence[str]) -> str:
        parts = [clip(cell, widths[n]) for n, cell in enumerate(row)]
        return "  ".join(
            p.rjust(widths[n]) if n in aligned else p.ljust(widths[n]) for n, p in enumerate(parts)
        ).rstrip()

    line(coloured(row_text(header), "bold"))
    for row in cells:
        line(row_text(row))


def subject(record: Mapping[str, Any]) -> str:
    """What a job is, in a few words: model and tasks, or the command."""
    request = record.get("request") or {}
    if isinstance(request.get("command"), list) and request["command"]:
        program, *rest = map(str, request["command"])
        return safe(" ".join([program.rpartition("/")[2] or program, *rest]))
    tasks = request.get("tasks")
    named = ", ".join(map(str, tasks)) if isinstance(tasks, list) else str(tasks or "")
    model = str(request.get("model") or "")
    arguments = request.get("model_args")
    if isinstance(arguments, Mapping):
        which = next((str(arguments[key]) for key in ("pretrained", "model", "path") if key in arguments), "")
        model = f"{model} {which}".strip()
    return safe(f"{model}: {named}" if named else model or " ".join(f"{k}={v}" for k, v in request.items()))


def progress_text(progress: Mapping[str, Any] | None) -> str:
    """``Running … 76% (122/160)``, or nothing."""
    if not progress:
        return ""
    counted = f" ({progress['done']}/{progress['total']})" if progress.get("total") else ""
    return safe(f"{progress['stage']} {progress['percent']}%{counted}".strip())


def age(since: str | None, until: str | None = None) -> str:
    """How long ago (or for how long) in short form; empty when it has not begun."""
    if not since:
        return ""
    end = datetime.fromisoformat(until) if until else datetime.now(UTC)
    return format_duration(max(0.0, (end - datetime.fromisoformat(since)).total_seconds()))


def local_time(moment: str | None) -> str:
    """A moment as the reader's clock shows it, to the second."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


class LogFilter:
    """A log's bytes for a terminal: colours and carriage returns stay, other escape sequences go.

    Keeps back an escape sequence that the end of a chunk cuts in two.
    """

    _UNSAFE = re.compile(
        rb"\x1b(?!\[[0-9;:]*m)(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?"
        rb"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
    )
    _CUT = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,256})?\Z")

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """The harmless form of the next bytes."""
        data = self._held + chunk
        cut = self._CUT.search(data)
        self._held = data[cut.start() :] if cut else b""
        return self._UNSAFE.sub(b"", data[: cut.start()] if cut else data)
