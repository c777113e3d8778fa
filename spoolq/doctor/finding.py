"""What a check has found: how bad, what was measured, what it breaks, what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How bad a finding is, from best to worst."""

    #: As it should be.
    OK = "ok"
    #: Worth knowing; nothing breaks.
    NOTE = "note"
    #: Something may go wrong, or has; the queue itself keeps its promises.
    WARNING = "warning"
    #: A promise does not hold here, or the queue cannot work.
    FAULT = "fault"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. *breaks* and *next_step* are sentences, empty when all is well.

    *mend* puts it right and says what it did; it is there only where that is certainly safe. *mended* is what it said.
    """

    name: str
    verdict: Verdict
    measured: str
    breaks: str = ""
    next_step: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    mend: Callable[[], str] | None = None
    mended: str = ""

    def document(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "measured": self.measured,
            "breaks": self.breaks or None,
            "next_step": self.next_step or None,
            "numbers": dict(self.numbers),
            "fixable": self.mend is not None,
            "mended": self.mended or None,
        }


def ok(name: str, measured: str, **numbers: Any) -> Finding:
    """All is well."""
    return Finding(name, Verdict.OK, measured, numbers=numbers)


def note(name: str, measured: str, breaks: str = "", next_step: str = "", **numbers: Any) -> Finding:
    """Worth knowing."""
    return Finding(name, Verdict.NOTE, measured, breaks, next_step, numbers)


def warning(name: str, measured: str, breaks: str, next_step: str, **numbers: Any) -> Finding:
    """Something may go wrong."""
    return Finding(name, Verdict.WARNING, measured, breaks, next_step, numbers)


def fault(name: str, measured: str, breaks: str, next_step: str, **numbers: Any) -> Finding:
    """A promise does not hold."""
    return Finding(name, Verdict.FAULT, measured, breaks, next_step, numbers)


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


#: A KEY in a name; people know a job by the first digits of its id.
_KEY = re.compile(r"\d{8}T\d{6}\.\d{6}Z-([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def some(names: list[str], limit: int = 3) -> str:
    """The first few of *names*, each KEY in them cut to the beginning of its id, and how many more there are."""
    more = len(names) - limit
    return _KEY.sub(r"\1", ", ".join(names[:limit])) + (f" and {more} more" if more > 0 else "")
