"""Inputs that cannot be used: read JSON of others, and say which file is wrong and what to do about it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spoolq.errors import SpoolqError


class Refused(SpoolqError):
    """An input cannot be used; the message reads ``CAUSE. NEXT STEP.``"""


@contextlib.contextmanager
def telling(move: str) -> Iterator[None]:
    """Make whatever goes wrong with the inputs and outputs one error, ``cannot MOVE: CAUSE. NEXT STEP.``

    Raises SpoolqError in place of Refused and OSError.
    """
    try:
        yield
    except Refused as error:
        raise SpoolqError(f"cannot {move}: {error}") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise SpoolqError(f"cannot {move}: {where}{error.strerror or error}. Mend that, then try again.") from None


def read_object(path: Path, step: str = "Mend that file.") -> dict[str, Any]:
    """The JSON object in a file, NaN and Infinity allowed, as other programs write them.

    Raises Refused, with the next *step*, also for a key that stands twice in one object, and OSError.
    """
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        cause = error if isinstance(error, ValueError) else "it is nested too deep"
        raise Refused(f"{path} is no valid JSON: {cause}. {step}") from None
    if not isinstance(document, dict):
        raise Refused(f"{path} holds no JSON object. {step}")
    return document


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    for key, _ in pairs if len(document) != len(pairs) else ():
        if sum(key == other for other, _ in pairs) > 1:
            raise ValueError(f"the key {key!r} stands twice in one object")
    return document


def as_float(value: object) -> float | None:
    """A JSON value as a number, infinite beyond a float's range; None for what is none, as `true` is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value > 0 or -1)
