"""Text with placeholders, as an operator writes it in ``spoolq.toml``: ``{name}``; ``{{`` and ``}}`` are braces."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Placeholders that spoolq fills: its Python, the output folder, the run folder, the number of the attempt.
RESERVED = ("python", "output", "run", "attempt")
_PIECE = re.compile(r"(\{\{|\}\}|\{[^{}]*\})")


class Element:
    """One text: literal parts and the names of placeholders, in turn. Raises ValueError for stray braces."""

    def __init__(self, text: str) -> None:
        #: (text, None) or ("", name)
        self.pieces: list[tuple[str, str | None]] = []
        for piece in filter(None, _PIECE.split(text)):
            if piece in ("{{", "}}"):
                self.pieces.append((piece[0], None))
            elif piece.startswith("{") and piece.endswith("}"):
                self.pieces.append(("", piece[1:-1]))
            elif "{" in piece or "}" in piece:
                raise ValueError(f"{text!r} has a brace that belongs to no placeholder; write `{{{{` or `}}}}` for one")
            else:
                self.pieces.append((piece, None))

    @property
    def names(self) -> list[str]:
        """Its placeholders."""
        return [name for _, name in self.pieces if name is not None]

    @property
    def leading(self) -> list[str]:
        """The parameters whose value can be the beginning of the text; all but the last of them may be empty."""
        found = []
        for _, name in self.pieces:
            if name is None or name in RESERVED:
                break
            found.append(name)
        return found

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with its placeholders replaced; a value's own braces stay as they are."""
        return "".join(text if name is None else values[name] for text, name in self.pieces)
