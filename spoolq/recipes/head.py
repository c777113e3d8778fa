"""The head of a results file that may be too large to be read whole: what stands before its bulk.

Inspect's logs hold every sample with all that was said about it, and the verdict before them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from spoolq.files import read_regular
from spoolq.recipes.metrics import MAX_RESULTS, read_document, unreadable

_SPACE = re.compile(r"[ \t\r\n]*")


def read_head(output: Path, relative: str, bulk: Collection[str]) -> dict[str, Any]:
    """`read_document`; of a file that is too large for it, the keys that stand before the first of *bulk*.

    Such a file must at least end as an object does. Raises NoResults.
    """
    try:
        data, status = read_regular(output / relative, MAX_RESULTS)
        if len(data) <= MAX_RESULTS:
            return read_document(output, relative)
        if not _last_bytes(output / relative, status.st_size).rstrip().endswith(b"}"):
            raise ValueError("it ends in the middle")
        return _keys_before(data.decode("utf-8", "replace"), bulk)
    except OSError as error:
        raise unreadable(relative, error.strerror or str(error)) from None
    except RecursionError:
        raise unreadable(relative, "it is nested too deeply") from None
    except (ValueError, IndexError) as error:
        raise unreadable(relative, str(error)) from None


def _last_bytes(path: Path, size: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.pread(fd, 64, max(0, size - 64))
    finally:
        os.close(fd)


def _keys_before(text: str, bulk: Collection[str]) -> dict[str, Any]:
    """The keys of the object that *text* begins with, up to the first of *bulk*; raises ValueError, IndexError."""
    decoder = json.JSONDecoder()
    found: dict[str, Any] = {}
    at = _past_space(text, 0)
    if text[at] != "{":
        raise ValueError("it holds no JSON object")
    while True:
        key, at = decoder.raw_decode(text, _past_space(text, at + 1))
        at = _past_space(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError("it is no JSON")
        if key in bulk:
            return found
        found[key], at = decoder.raw_decode(text, _past_space(text, at + 1))
        at = _past_space(text, at)
        if text[at] != ",":
            raise ValueError("it has no such part as makes it too large")


def _past_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches anywhere
