"""Progress from lines that a regular expression describes, as ``progress = { regex = '…' }`` of a recipe has it:
``epoch (?P<stage>[a-z]+): (?P<current>[0-9]+) of (?P<total>[0-9]+)``.

The log is a stranger's text, so no expression may take longer than linear time over it. Python's own goes back and
tries again; here none does: every quantifier is made possessive and every group atomic, quantifiers within quantified
groups are refused, and so is what looks back or ahead. What is left runs once over a line from each of its places, and
a line counts with its last few hundred characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from spoolq.recipes.progress import printable_lines
from spoolq.recipes.progress_line import KNOWN, progress_of

#: Characters of a line that are looked at, from its end.
LINE = 400
#: Characters of an expression.
_LONGEST = 500
_QUANTIFIER = re.compile(r"[*+?]|\{([0-9]{1,3})?(?:,([0-9]{1,3})?)?\}")
_GROUP = re.compile(r"\((?:\?P<([A-Za-z_]+)>|\?:)")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_ESCAPE = re.compile(r"\\(?:[dDwWsSbt]|[^A-Za-z0-9])")


@dataclass(slots=True)
class _Open:
    """A group that is being read: what closes it, and whether there is a quantifier in it."""

    closing: str
    quantified: bool = False


class ProgressPattern:
    """A regular expression with the groups `current` and `total`, or `percent`, and `stage` if there is one.

    Raises ValueError, in words that follow the key's name, for an expression that cannot be used.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} characters")
        try:
            self._compiled = re.compile(_Rewriting(text).text, re.ASCII)
        except re.error as error:
            raise ValueError(f"it is no regular expression: {error}") from None
        groups = set(self._compiled.groupindex)
        for name in sorted(groups - set(KNOWN)):
            raise ValueError(f"there is no group {name!r}; known are stage, current, total and percent")
        if "percent" not in groups and not {"current", "total"} <= groups:
            raise ValueError("it needs a group (?P<percent>…), or (?P<current>…) and (?P<total>…)")

    def newest(self, tail: str) -> dict[str, Any] | None:
        """``stage``, ``percent``, ``done`` and ``total`` of the last match in *tail*; None without one."""
        for line in reversed(printable_lines(tail)):
            for match in reversed(list(self._compiled.finditer(line[-LINE:]))):
                taken = [(name, text) for name, text in match.groupdict().items() if text is not None]
                if found := progress_of(taken):
                    return found
        return None


class _Rewriting:
    """One pass over an expression, which makes `text` of it: the same, without a way back."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.text = ""
        self._at = 0
        self._open: list[_Open] = []
        #: Of what was read last: whether a quantifier may follow, whether it has one in it, and whether it is `.`.
        self._atom, self._inner = False, False
        self._any = False
        self._least = 0
        while self._at < len(source):
            self._step()
        if self._open:
            raise ValueError("a group is not closed")

    def _step(self) -> None:
        letter = self.source[self._at]
        dot, self._any = self._any, letter == "."
        if letter == "(":
            self._enter()
        elif letter == ")":
            self._leave()
        elif letter == "[":
            self._take(_CLASS, "a class `[…]` is not closed")
        elif letter == "\\":
            self._take(_ESCAPE, "of escapes there are \\d \\w \\s \\D \\W \\S \\b \\t, and those of signs")
            self._atom = not self.text.endswith("\\b")
        elif letter in "*+?{":
            self._repeat(dot)
        else:
            self.text += letter
            self._at += 1
            self._atom, self._inner = letter not in "|^$", False

    def _take(self, form: re.Pattern[str], otherwise: str) -> None:
        match = form.match(self.source, self._at)
        if match is None:
            raise ValueError(otherwise)
        self.text += match[0]
        self._at = match.end()
        self._atom, self._inner = True, False

    def _enter(self) -> None:
        match = _GROUP.match(self.source, self._at)
        if match is None:
            raise ValueError("of groups there are (?P<name>…) and (?:…); write `\\(` for a bracket")
        self.text += f"{match[0]}(?>" if match[1] else "(?>"
        self._open.append(_Open("))" if match[1] else ")"))
        self._at = match.end()
        self._atom = False

    def _leave(self) -> None:
        if not self._open:
            raise ValueError("a `)` closes nothing; write `\\)`")
        closed = self._open.pop()
        self.text += closed.closing
        self._at += 1
        self._atom, self._inner = True, closed.quantified

    def _repeat(self, dot: bool) -> None:
        match = _QUANTIFIER.match(self.source, self._at)
        if match is None or match[0] in ("{}", "{,}"):
            raise ValueError("a `{` begins no quantifier; write `\\{`")
        if not self._atom:
            raise ValueError(f"there is nothing that `{match[0]}` could repeat")
        if self._inner:
            raise ValueError(f"`{match[0]}` repeats a group with a quantifier in it, which could take very long")
        self._at = match.end()
        if self.source.startswith("?", self._at):
            raise ValueError(f"`{match[0]}?` would go back; say what the text does not hold, as in `[^:]*`")
        self._at += self.source.startswith("+", self._at)
        if dot and match[0] != "?" and self.source[self._at :].strip(")"):
            raise ValueError(f"`.{match[0]}` takes the rest of the line, and none is given back; write `[^:]*` or so")
        self._least += int(match[1] or 0)
        if self._least > LINE:
            raise ValueError(f"it asks for more than the {LINE} characters of a line that are looked at")
        self.text += match[0] + "+"
        self._atom = False
        for group in self._open:
            group.quantified = True
