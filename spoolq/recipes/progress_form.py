"""What ``progress`` of a recipe may be: text with placeholders, or a table with a regular expression."""

from __future__ import annotations

from typing import Any

from spoolq.recipes.progress_line import ProgressLine
from spoolq.recipes.progress_pattern import ProgressPattern

ProgressForm = ProgressLine | ProgressPattern


def progress_form(said: Any) -> ProgressForm:
    """The reader of lines that *said* describes; raises ValueError, in words that follow the key's name."""
    if isinstance(said, str):
        return ProgressLine(said)
    if not isinstance(said, dict) or set(said) != {"regex"} or not isinstance(said["regex"], str):
        raise ValueError("it must be text with placeholders, or a table with the key `regex` and no other")
    return ProgressPattern(said["regex"])
