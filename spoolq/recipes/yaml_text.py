"""A single value written so that a program which reads its arguments as YAML 1.1 gets back just that value."""

from __future__ import annotations

import json


def yaml_text(value: str | int | float | bool | None) -> str:
    """*value*, a finite number, a text, a truth value or null, as YAML on one line."""
    if isinstance(value, float):
        # YAML 1.1 takes a number in powers of ten for text unless it has a point.
        number, e, power = repr(value).partition("e")
        return f"{number if '.' in number else number + '.0'}{e}{power}"
    if isinstance(value, str):
        # What a terminal would not show is escaped, for YAML refuses it as it stands.
        return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in _quoted(value))
    return json.dumps(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
