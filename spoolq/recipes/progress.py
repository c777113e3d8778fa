"""How far an evaluation is, read from what it prints; for display only, never a proof of anything.

Bars of tqdm's form are separated by carriage returns, and several follow each other in one run: loading, tokenizing,
the work itself, writing. Inspect prints lines with ``Samples:`` instead. Every expression here takes linear time.
"""

from __future__ import annotations

import re
from typing import Any

#: Characters looked at, from the end: what is older is no progress.
_TAIL = 64 * 1024
#: The longest stage that is reported.
_STAGE = 120
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]?[@-~]|\][^\x07\x1b]*\x07?)")
_COUNT = r"([0-9]{1,18}(?:\.[0-9]{1,9})?[kMGTPEZY]?)"
_BAR = re.compile(rf"([0-9]{{1,3}})%\|[^|]*\|[ ]*{_COUNT}/[ ]*{_COUNT}[ ]*\[")
_SAMPLES = re.compile(r"Samples:[ ]*([0-9]{1,15})/[ ]*([0-9]{1,15})")


def newest(tail: str, work: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """The newest progress in *tail*: ``stage``, ``percent`` (0 to 100), ``done`` and ``total``; None without any.

    A stage that begins with one of the *work* prefixes wins over a newer one that does not: reading weights or
    writing files is not the evaluation. *tail* may begin and end in the middle of a bar or of an escape sequence.
    """
    newest_of_any: dict[str, Any] | None = None
    for line in reversed(printable_lines(tail)):
        for found in _in_line(line)[::-1]:
            if not work or found["stage"].startswith(work):
                return found
            newest_of_any = newest_of_any or found
    return newest_of_any


def printable_lines(tail: str) -> list[str]:
    """The last lines of *tail* without escape sequences; what a carriage return overwrote is a line of its own."""
    return _ESCAPE.sub("", tail[-_TAIL:]).replace("\r", "\n").split("\n")


def reported(stage: str, percent: int, done: str | None, total: str | None) -> dict[str, Any]:
    """Progress as a record shows it: *stage* printable and cut, *percent* within 0 to 100."""
    shown = "".join(letter for letter in stage[-_STAGE:] if letter.isprintable())
    stage = shown.strip().removesuffix(":").rstrip()
    return {"stage": stage, "percent": max(0, min(percent, 100)), "done": done, "total": total}


def _in_line(line: str) -> list[dict[str, Any]]:
    """All progress in one line, oldest first; more than one where something dropped the carriage returns."""
    found: list[dict[str, Any]] = []
    end = 0
    for match in _BAR.finditer(line):
        before = line[end : match.start()]
        # What follows an earlier bar's bracket belongs to that bar: `[00:01<00:03, 2.1it/s]`.
        found.append(_progress(before.partition("]")[2] if end else before, int(match[1]), match[2], match[3]))
        end = match.end()
    if not found and (samples := _SAMPLES.search(line)):
        found.append(_progress("samples", 0, samples[1], samples[2]))
    return found


def _progress(stage: str, percent: int, done: str, total: str) -> dict[str, Any]:
    if done.isdecimal() and total.isdecimal() and int(total):
        # The tail may begin in the middle of the number: 6% that was 76%.
        counted = 100 * int(done) // int(total)
        percent = percent if abs(percent - counted) <= 1 else counted
    return reported(stage, percent, done, total)
