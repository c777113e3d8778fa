"""JSON text from strangers to one plain object, or a refusal that says where it is wrong.

A truncated object never parses, so parsing is also the test of whether a dropped file is complete.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from spoolq.errors import RequestInvalid

#: The largest job file that is read, in bytes.
MAX_BYTES = 1 << 20
#: The deepest nesting of objects and arrays that is taken.
MAX_DEPTH = 32
_KINDS = {
    list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"
}  # fmt: skip
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RequestInvalid(f"the key {twice!r} stands twice in one object; say it once", twice)
    return document


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RequestInvalid(f"the number {text[:40]} is too large; use a finite one")
    return number


def _no_constant(name: str) -> Any:
    raise RequestInvalid(f"{name} is no JSON number; use null or a finite number")


def is_deeper(value: Any, left: int) -> bool:
    """Whether *value* is nested deeper than *left* levels."""
    if isinstance(value, dict):
        return left == 0 or any(is_deeper(inner, left - 1) for inner in value.values())
    if isinstance(value, list):
        return left == 0 or any(is_deeper(inner, left - 1) for inner in value)
    return False


def _has_half(document: Any) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def parse_object(
    data: bytes, what: str = "the file", *, limit: int = MAX_BYTES, depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """The one JSON object in *data* (UTF-8, with or without BOM).

    Raises RequestInvalid, with line and column for a syntax error, for anything else: other JSON values,
    duplicate keys, NaN and Infinity, nesting beyond *depth*, more than *limit* bytes.
    """
    if len(data) > limit:
        raise RequestInvalid(f"{what} is larger than {limit} bytes")
    if not data.strip():
        raise RequestInvalid(f"{what} is empty")
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise RequestInvalid(f"{what} is not UTF-8: byte {error.start} does not decode") from None
    except json.JSONDecodeError as error:
        raise RequestInvalid(
            f"{what} is no valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise RequestInvalid(f"{what} is nested deeper than {depth} levels") from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise RequestInvalid(f"{what} holds a number that is too long: {error}") from None
    if _SURROGATE.search(text) and _has_half(document):
        raise RequestInvalid(f"{what} holds half of a surrogate pair, which is no character; write the whole pair")
    if not isinstance(document, dict):
        raise RequestInvalid(f"{what} holds {_KINDS[type(document)]}; a job is one JSON object")
    if is_deeper(document, depth):
        raise RequestInvalid(f"{what} is nested deeper than {depth} levels")
    return document


def dump(document: dict[str, Any], *, indent: int | None = 2) -> bytes:
    """*document* as UTF-8 JSON with a final newline; raises ValueError for NaN and Infinity.

    Beyond MAX_BYTES without indentation, which can be most of it.
    """
    data = (json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode()
    return data if len(data) <= MAX_BYTES or indent is None else dump(document, indent=None)
