"""The command of an operator's recipe: argv elements with placeholders, and arrays that are there only sometimes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spoolq.recipes.element import RESERVED, Element
from spoolq.recipes.parameters import Parameter


class Template:
    """A whole command; raises ValueError for one that some request could not fill."""

    def __init__(self, command: list[Any], parameters: Mapping[str, Parameter]) -> None:
        self._parameters = parameters
        #: Elements that stand or fall together, and whether they may fall.
        self._groups: list[tuple[list[Element], bool]] = []
        for entry in command:
            texts = entry if isinstance(entry, list) else [entry]
            if not all(isinstance(text, str) and "\0" not in text for text in texts):
                raise ValueError(f"{entry!r} is neither text nor an array of texts")
            self._groups.append(([Element(text) for text in texts], isinstance(entry, list)))
        for elements, may_fall in self._groups:
            for name in (name for element in elements for name in element.names):
                self._check_name(name, may_fall)
        program = self._groups[0][0]
        if self._groups[0][1] or not program[0].pieces or not set(program[0].names) <= set(RESERVED):
            raise ValueError("its first element is the program, which no request may choose; write its path")
        self._leading = {name for elements, _ in self._groups for element in elements for name in element.leading}

    def _check_name(self, name: str, may_fall: bool) -> None:
        if name in RESERVED:
            return
        if name not in self._parameters:
            raise ValueError(
                f"there is no parameter for the placeholder {{{name}}}; declare it under `parameters`, "
                "or write `{{` and `}}` for braces"
            )
        if self._parameters[name].optional and not may_fall:
            raise ValueError(
                f"{{{name}}} may have no value; give the parameter a `default`, make it `required`, "
                "or put it in a nested array with its option"
            )

    def check_place(self, name: str, value: Any) -> None:
        """Raise ValueError when *value*, free text of parameter *name*, would be read as an option where it stands."""
        if (
            name in self._leading
            and self._parameters[name].type in ("str", "list")
            and value is not None
            and _text(value).startswith("-")
        ):
            raise ValueError("begins with `-`, like an option")

    def fill(self, values: Mapping[str, Any], reserved: Mapping[str, str]) -> list[str]:
        """argv for checked *values*.

        A nested array is left out when a value in it is null or false; an element of it that is nothing but the
        placeholder of a truth value only decides about that.
        """
        texts = {name: _text(values.get(name)) for name in self._parameters} | dict(reserved)
        argv = []
        for elements, may_fall in self._groups:
            inside = {name for element in elements for name in element.names if name not in RESERVED}
            if may_fall and any(values.get(name) is None or values.get(name) is False for name in inside):
                continue
            argv += [element.fill(texts) for element in elements if not (may_fall and self._decides(element))]
        return argv

    def _decides(self, element: Element) -> bool:
        names = element.names
        return (
            len(element.pieces) == 1 == len(names)
            and names[0] in self._parameters
            and (self._parameters[names[0]].type == "bool")
        )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)
