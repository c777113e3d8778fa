"""Progress from lines of an operator's own form, which ``progress`` of a recipe describes, as in
``[PROGRESS] step={stage} current={current} total={total} |``.

Each placeholder takes the text up to the next literal part, which is found by one search from left to right. So no
line, whoever printed it, takes more than linear time: a regular expression could not promise that.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from spoolq.recipes.element import Element
from spoolq.recipes.progress import printable_lines, reported

#: What a placeholder may take; the empty one takes what does not matter.
KNOWN = ("stage", "current", "total", "percent", "")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


class ProgressLine:
    """The form of a line; raises ValueError, in words that follow the key's name, for one that can say nothing."""

    def __init__(self, text: str) -> None:
        element = Element(text)
        names = element.names
        for name in names:
            if name not in KNOWN:
                raise ValueError(
                    f"there is no placeholder {{{name}}}; known are {{stage}}, {{current}}, {{total}}, {{percent}}, "
                    "and {} for text that does not matter"
                )
        if "percent" not in names and not {"current", "total"} <= set(names):
            raise ValueError("it needs {percent}, or {current} and {total}")
        if any(one is not None and other is not None for (_, one), (_, other) in pairwise(element.pieces)):
            raise ValueError("two placeholders need text between them, or nobody can tell where one ends")
        if element.pieces[0][1] is not None:
            raise ValueError("it must begin with text, by which such lines are known")
        #: As in Element, with neighbouring literal parts put together.
        self._pieces: list[tuple[str, str | None]] = []
        for piece in element.pieces:
            if self._pieces and piece[1] is None is self._pieces[-1][1]:
                piece = (self._pieces.pop()[0] + piece[0], None)
            self._pieces.append(piece)

    def newest(self, tail: str) -> dict[str, Any] | None:
        """``stage``, ``percent``, ``done`` and ``total`` of the last line of this form in *tail*; None without one.

        The line may have other text before and behind what is described.
        """
        return next((found for line in reversed(printable_lines(tail)) if (found := self._read(line))), None)

    def _read(self, line: str) -> dict[str, Any] | None:
        taken: list[tuple[str, str]] = []
        at = 0
        waiting: str | None = None
        for text, name in self._pieces:
            if name is not None:
                waiting = name
                continue
            end = line.find(text, at)
            if end < 0:
                return None
            if waiting is not None:
                taken.append((waiting, line[at:end]))
            at, waiting = end + len(text), None
        if waiting is not None:  # the last one: a number up to the next space, a stage to the end of the line
            rest = line[at:].strip()
            taken.append((waiting, rest if waiting == "stage" else rest.partition(" ")[0]))
        return progress_of(taken)


def progress_of(taken: list[tuple[str, str]]) -> dict[str, Any] | None:
    """Progress as a record shows it, of names and the texts that were taken for them; None if no number is one."""
    numbers = {name: text.strip() for name, text in taken if name not in ("stage", "")}
    if not all(_NUMBER.fullmatch(text) for text in numbers.values()):
        return None
    done, total = numbers.get("current"), numbers.get("total")
    if "percent" in numbers:
        percent = float(numbers["percent"])
    elif done is not None and total is not None and float(total) > 0:
        percent = 100 * float(done) / float(total)
    else:
        return None
    stage = " ".join(text.strip() for name, text in taken if name == "stage")
    return reported(stage, int(percent), done, total)
