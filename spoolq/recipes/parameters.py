"""The typed parameters of an operator's recipe: what a value must be, said in words that the submitter can follow."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spoolq.recipes.launcher import fault_in

_NUMBERS = ("int", "float")
_SIZED = ("str", "list")
#: Key -> the types of parameter for which it means something.
_MEANS = {
    "min": _NUMBERS,
    "max": _NUMBERS,
    "min_length": _SIZED,
    "max_length": _SIZED,
    "pattern": _SIZED,
    "choices": ("choice",),
}


class Parameter(BaseModel):
    """``[recipes.NAME.parameters.PARAMETER]``: its type, its range, and what holds when a request leaves it out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["str", "int", "float", "bool", "list", "choice"]
    required: bool = False
    default: Any = None
    #: Bounds of a number, both included.
    min: int | float | None = None
    max: int | float | None = None
    #: Characters of a text, elements of a list.
    min_length: Annotated[int, Field(ge=0)] | None = None
    max_length: Annotated[int, Field(ge=0)] | None = None
    #: A regular expression that the whole text, or each element of a list, must match.
    pattern: str | None = None
    choices: list[str | int | float] | None = None
    help: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Parameter:
        for key, types in _MEANS.items():
            if getattr(self, key) is not None and self.type not in types:
                raise ValueError(f"`{key}` means nothing for type {self.type}")
        if self.type == "choice" and not self.choices:
            raise ValueError("type choice needs `choices`, a list of what may be chosen")
        if self.required and self.default is not None:
            raise ValueError("`default` has no use when `required` is true")
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"`pattern` is no regular expression: {error}") from None
        if self.default is not None:
            try:
                self.default = self.fit(self.default)
            except ValueError as error:
                raise ValueError(f"`default` {error}; it must be {self.expected()}") from None
        elif self.type == "bool" and not self.required:
            self.default = False
        return self

    @property
    def optional(self) -> bool:
        """Whether a job may have no value for it at all."""
        return not self.required and self.default is None

    def fit(self, value: Any) -> Any:
        """*value* as it goes into the record; raises ValueError saying what is wrong with it."""
        if self.type == "choice":
            # 1 and true are equal in Python, and not the same choice.
            if not any(value == choice and type(value) is type(choice) for choice in self.choices or ()):
                raise ValueError("is none of the choices")
        elif self.type == "bool":
            if not isinstance(value, bool):
                raise ValueError("is no truth value")
        elif self.type in _NUMBERS:
            return self._fit_number(value)
        elif self.type == "str":
            self._fit_text(value)
            self._fit_length(value)
        else:
            self._fit_list(value)
            self._fit_length(value)
        return value

    def _fit_number(self, value: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int if self.type == "int" else int | float):
            raise ValueError("is no whole number" if self.type == "int" else "is no number")
        if not math.isfinite(value):
            raise ValueError("is not finite")
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            raise ValueError("is out of range")
        return value

    def _fit_text(self, value: Any) -> None:
        if not isinstance(value, str):
            raise ValueError("is no text")
        if fault := fault_in(value):
            raise ValueError(fault)
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise ValueError("does not match the pattern")

    def _fit_list(self, value: Any) -> None:
        if not isinstance(value, list):
            raise ValueError("is no list")
        for element in value:
            self._fit_text(element)
            if "," in element or not element:
                raise ValueError("has an element that is empty or holds a `,`, by which elements are joined")

    def _fit_length(self, value: str | list[str]) -> None:
        if len(value) < (self.min_length or 0):
            raise ValueError("is too short")
        if self.max_length is not None and len(value) > self.max_length:
            raise ValueError("is too long")

    def expected(self) -> str:
        """What a value must be, for messages: ``a whole number from 1 to 100``."""
        if self.type == "choice":
            return "one of " + ", ".join(map(str, self.choices or ()))
        if self.type in _NUMBERS:
            return ("a whole number" if self.type == "int" else "a number") + _span(self.min, self.max, "")
        if self.type == "bool":
            return "true or false"
        unit = " characters" if self.type == "str" else " elements"
        what = "text" if self.type == "str" else "a list of texts"
        return (
            what + _span(self.min_length, self.max_length, unit) + (f" that fits {self.pattern}" * bool(self.pattern))
        )


def _span(low: float | None, high: float | None, unit: str) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}{unit}"
    if low is not None:
        return f" of {low}{unit} or more"
    return f" of at most {high}{unit}" if high is not None else ""
