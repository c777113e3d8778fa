"""What was measured, as one Markdown report and one JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


@dataclass(slots=True)
class Line:
    """One row: what, how much, what that was measured beside, and the mark if there is one."""

    what: str
    measured: str
    beside: str = ""
    ratio: str = ""
    mark: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """The mark with whether it was met."""
        return self.mark if self.met is None else f"{self.mark} **{'met' if self.met else 'missed'}**"


@dataclass(slots=True)
class Figure:
    """One question with its rows; *samples* are all raw numbers, by name, with the unit in the name."""

    key: str
    title: str
    method: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    samples: dict[str, list[float]] = field(default_factory=dict)

    def markdown(self) -> str:
        """The figure as a section with its table."""
        rows = [(line.what, line.measured, line.beside, line.ratio, line.verdict) for line in self.lines]
        table = _table(("", "measured", "beside it, in the same run", "ratio", "mark"), rows)
        return "\n\n".join([f"### {self.title}", self.method, table, *self.notes])


@dataclass(slots=True)
class Report:
    """All figures of a run, with what they were measured on (*facts*) and what could not be measured (*missing*)."""

    facts: dict[str, str]
    missing: list[str]
    figures: list[Figure] = field(default_factory=list)

    def markdown(self) -> str:
        """The whole report. It begins with the marks, so that one look tells."""
        parts = [_table(("conditions", ""), list(self.facts.items()))]
        marks = [(figure.title, line) for figure in self.figures for line in figure.lines if line.met is not None]
        if marks:
            rows = [
                (f"{title}: {line.what}", line.measured, line.ratio, line.mark, "met" if line.met else "**missed**")
                for title, line in marks
            ]
            parts += ["### Marks", _table(("", "measured", "ratio", "mark", ""), rows)]
        parts += [figure.markdown() for figure in self.figures]
        if self.missing:
            parts += ["### Not measured", "\n".join(f"- {line}" for line in self.missing)]
        return "\n\n".join(parts) + "\n"

    def json(self) -> str:
        """The same with every sample."""
        return json.dumps(asdict(self), indent=1) + "\n"


def around(page: Path) -> tuple[str, str]:
    """What stands before and behind the two comments in *page*; raises ValueError when they are not there."""
    head, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks {BEGIN} and {END}")
    return head, tail


def update(page: Path, text: str) -> None:
    """Put *text* between the two comments in *page*; raises ValueError when they are not there."""
    head, tail = around(page)
    page.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}", encoding="utf-8")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
