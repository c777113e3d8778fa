"""What people see: JSON documents, plain lines, tables that fit 80 columns, colours only on a terminal.

Whatever comes from a job or a log is made harmless first: a terminal obeys what it is shown.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from spoolq.durations import format_duration
from spoolq.masking import mask
from spoolq.plain import block, one_line

_COLOURS = {"completed": "32", "failed": "31", "cancelled": "33", "running": "36", "bold": "1", "dim": "2"}
#: What JSON may hold as it stands and a terminal or an editor would obey; json.dumps escapes the C0 controls.
_OBEYED_IN_JSON = r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"


def emit_json(document: Any) -> None:
    """One JSON document on stdout, secrets in `env` masked; what a terminal would obey is escaped."""
    text = json.dumps(mask(document), indent=2, ensure_ascii=not _speaks_utf8(), default=str)
    sys.stdout.write(re.sub(_OBEYED_IN_JSON, lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


def _speaks_utf8() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


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
    if not _is_terminal() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colour in _COLOURS else text


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def width() -> int:
    """The terminal's width, 80 where there is none, never less than 40."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def columns(text: str) -> int:
    """How many columns of a terminal *text* takes: Chinese, Japanese, Korean and emoji take two, accents none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def clip(text: str, size: int) -> str:
    """*text* cut to *size* columns, with an ellipsis where something was cut."""
    if columns(text) <= size:
        return text
    kept = text[: max(0, size - 1)]
    while kept and columns(kept) > size - 1:
        kept = kept[:-1]
    return kept + "…"


def fit(text: str, taken: int = 0) -> str:
    """*text* in what a terminal's line has left beside *taken* columns; all of it where there is no terminal."""
    return clip(text, max(8, width() - taken)) if _is_terminal() else text


def paragraph(text: str) -> str:
    """*text* wrapped between words to the terminal's width."""
    import textwrap

    return textwrap.fill(text, width(), break_long_words=False, break_on_hyphens=False)


def table(
    header: Sequence[str], lines: Iterable[Sequence[Any]], *, right: Iterable[int] = (), flexible: int = -1
) -> None:
    """Columns with two spaces between; nothing when there are no *lines*.

    On a terminal a line fits: the *flexible* column is clipped, then whatever is widest. A pipe or a file gets it all.
    """
    cells = [[safe(cell) for cell in row] for row in lines]
    if not cells:
        return
    widths = [max([len(header[n]), *(columns(row[n]) for row in cells)]) for n in range(len(header))]
    if _is_terminal():
        _narrow(widths, flexible % len(header), width() - 2 * (len(header) - 1))
    aligned = set(right)

    def row_text(row: Sequence[str]) -> str:
        parts = []
        for n, cell in enumerate(clip(cell, widths[n]) for n, cell in enumerate(row)):
            blank = " " * (widths[n] - columns(cell))
            parts.append(blank + cell if n in aligned else cell + blank)
        return "  ".join(parts).rstrip()

    line(coloured(row_text(header), "bold"))
    for row in cells:
        line(row_text(row))


def _narrow(widths: list[int], flexible: int, room: int) -> None:
    """Make *widths* sum to *room* where that leaves every column its 8: the flexible one first, then the widest."""
    over = sum(widths) - room
    if over > 0:
        widths[flexible] = max(min(8, widths[flexible]), widths[flexible] - over)
    while sum(widths) > room and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1


def subject(record: Mapping[str, Any]) -> str:
    """What a job is, in a few words: model and tasks, or the command."""
    request = mask(record.get("request") or {})
    if isinstance(request.get("command"), list) and request["command"]:
        program, *rest = map(str, request["command"])
        return safe(shlex.join([program.rpartition("/")[2] or program, *rest]))
    tasks = request.get("tasks")
    named = ", ".join(map(str, tasks)) if isinstance(tasks, list) else str(tasks or "")
    model = str(request.get("model") or "")
    arguments = request.get("model_args")
    if isinstance(arguments, Mapping):
        which = next((str(arguments[key]) for key in ("pretrained", "model", "path") if key in arguments), "")
        model = f"{model} {which}".strip()
    if model or named:
        return safe(f"{model}: {named}" if named else model)
    words = [str(record.get("recipe") or ""), *(f"{key}={value}" for key, value in request.items())]
    return safe(" ".join(words).strip())


def progress_text(progress: Mapping[str, Any] | None) -> str:
    """``Running … 76% (122/160), 2.1it/s, 18s left``, as much of it as is known, or nothing."""
    if not progress:
        return ""
    counted = f" ({progress['done']}/{progress['total']})" if progress.get("total") else ""
    parts = [f"{progress['stage']} {progress['percent']}%{counted}".strip()]
    if progress.get("rate"):
        parts.append(progress["rate"])
    if progress.get("remaining") is not None:
        parts.append(f"{format_duration(progress['remaining'])} left")
    return safe(", ".join(parts))


def expected(span: Mapping[str, str | None] | None) -> str:
    """``14:32 (90%: by 15:10)``: a moment that is expected, with the one by which it has come with 90% certainty."""
    if not span:
        return ""
    sure = f" (90%: by {clock_time(span['p90'])})" if span["p90"] else ""
    return f"{clock_time(span['p50'])}{sure}"


def ending(record: Mapping[str, Any], word: str = "ends") -> str:
    """``ends 15:10`` of a running or queued job; ``overdue`` of one that has run longer than any like it."""
    span = record.get("expected_end")
    if not span:
        return ""
    overdue = record["status"] == "running" and span["p90"] is None and record.get("expected_from")
    return "overdue" if overdue else f"{word} {clock_time(span['p50'])}"


def clock_time(moment: str | None) -> str:
    """A near moment by the reader's clock: ``14:32``, ``Thu 14:32`` within a week, else ``2026-12-03 14:32``."""
    if not moment:
        return ""
    when, now = datetime.fromisoformat(moment).astimezone(), datetime.now(UTC).astimezone()
    days = (when.date() - now.date()).days
    return when.strftime("%H:%M" if days == 0 else "%a %H:%M" if 0 < days < 7 else "%Y-%m-%d %H:%M")


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
    """A log's bytes for a terminal: text and colours stay, and tabs, backspaces, carriage returns and newlines.

    Whatever else a terminal obeys goes, and bytes that are no UTF-8 become U+FFFD. What comes out does not depend on
    how the bytes were cut into chunks: an escape sequence that a chunk's end cuts in two is kept back.
    """

    _STRING = "\x1b[P\\]X^_]|[\x90\x98\x9d-\x9f]"  # title, hyperlink, clipboard, picture: what is told, not shown
    _SHOWN = "[^\x00-\x1f\x7f-\x9f]*"
    _OBEYED = re.compile(
        "(?P<colour>\x1b\\[[0-9;:]{0,64}m)"
        "|(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
        f"|(?:{_STRING}){_SHOWN}"
        "|\x1b[ -/]{0,8}[0-~]"
        "|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    )
    _CUT = re.compile(rf"(?P<string>{_STRING}){_SHOWN}\Z" "|(?:\x1b(?:\\[[0-?]{0,64})?|\x9b[0-?]{0,64})[ -/]{0,8}\\Z")

    def __init__(self) -> None:
        import codecs

        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._colour = False

    def feed(self, chunk: bytes) -> bytes:
        """The harmless form of the next bytes."""
        text = self._held + self._decoder.decode(chunk)
        cut = self._CUT.search(text)
        self._held = (cut["string"] or cut[0]) if cut else ""
        return self._OBEYED.sub(self._keep, text[: cut.start()] if cut else text).encode()

    def end(self) -> bytes:
        """What sets the colour back that the log left on; nothing when it left none."""
        return b"\x1b[0m" if self._colour else b""

    def _keep(self, match: re.Match[str]) -> str:
        if not match["colour"]:
            return ""
        self._colour = match[0] not in ("\x1b[m", "\x1b[0m")
        return match[0]
