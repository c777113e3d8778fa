"""When a run of an operator's recipe has succeeded, beyond its exit code: ``success`` of its table.

Many programs end with 0 whatever happened, and say in a file how it went.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from spoolq.errors import NoResults
from spoolq.recipes.metrics import fresh_files, matches, read_document, unreadable

_Scalar = str | int | float | bool
_Path = Annotated[str, Field(min_length=1)]
_MISSING = object()


class Success(BaseModel):
    """``[recipes.NAME.success]``: exit codes that are no failure, the files that must be there, and what they say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    exit_codes: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1)] = [0]
    #: A pattern below the output folder. At least one fresh file fits it, and all that do pass.
    files: _Path | None = None
    #: Dotted paths in each such file, with the values that they must have.
    equals: Annotated[dict[_Path, _Scalar], Field(alias="json")] = {}
    #: Dotted paths in each such file, at which there must be something: no null, no empty text, list or object.
    nonempty: list[_Path] = []

    @property
    def reads(self) -> bool:
        """Whether the files are read, and so must be JSON objects."""
        return bool(self.equals or self.nonempty)


def check(success: Success, pattern: str | None, output: Path, since: float) -> None:
    """Raise NoResults unless the fresh files in *output* that fit *pattern* are as *success* wants them."""
    if pattern is None:
        return
    found = sorted(file.path for file in fresh_files(output, since) if matches(file.path, pattern))
    if not found:
        raise NoResults(
            f"cannot take the results: no file newer than the start fits {pattern!r} in the output folder. "
            "See the end of the log."
        )
    for relative in found:
        if not success.reads:
            if not (output / relative).lstat().st_size:
                raise unreadable(relative, "it is empty")
            continue
        document = read_document(output, relative)
        for path, wanted in success.equals.items():
            value = at(document, path)
            if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
                shown = "missing" if value is _MISSING else json.dumps(value)[:200]
                raise unreadable(relative, f"`{path}` is {shown}, not {json.dumps(wanted)}")
        for path in success.nonempty:
            value = at(document, path)
            if value is _MISSING or value is None or value in ("", [], {}):
                raise unreadable(relative, f"`{path}` is {'missing' if value is _MISSING else 'empty'}")


def at(document: Mapping[str, Any], path: str) -> Any:
    """What stands at the dotted *path*; a mark that equals nothing where there is nothing."""
    found: Any = document
    for key in path.split("."):
        if not isinstance(found, dict) or key not in found:
            return _MISSING
        found = found[key]
    return found
