"""Results on disk to metrics: find the fresh file, read it, keep what fits in a record.

A file counts only if it lies in the output folder (no symbolic link is followed), is regular, and is not older than
the start of the run. What is kept of it is small and always valid JSON, because it becomes part of the job's record.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from spoolq.errors import NoResults
from spoolq.files import read_regular
from spoolq.recipes import Findings

#: The largest results file that is read, in bytes.
MAX_RESULTS = 64 << 20
#: Characters of metrics that a record takes, names and all; the file itself keeps everything.
MAX_METRICS = 256 << 10
#: Characters of one name or text value.
_MAX_TEXT = 200

Metrics = dict[str, dict[str, Any]]
#: Decides about one metric: its name in the record, or None to leave it out.
Keep = Callable[[str, Any], str | None]


@dataclass(frozen=True, slots=True, order=True)
class Fresh:
    """A file of this run; sorts by age, ties by path. *path* is relative to the folder that was searched."""

    mtime_ns: int
    path: str


def fresh_files(output: Path, since: float) -> Iterator[Fresh]:
    """The regular files under *output* with a modification time of *since* (POSIX seconds) or later.

    Never follows a symbolic link, not even *output* itself; leaves out names that are not UTF-8, which no record takes.
    """
    if output.is_symlink():
        return
    for folder, _, names in os.walk(output):
        for name in names:
            path = Path(folder, name)
            try:
                status = path.lstat()
                relative = path.relative_to(output).as_posix()
                relative.encode()
            except (OSError, UnicodeEncodeError):
                continue
            if stat.S_ISREG(status.st_mode) and status.st_mtime >= since:
                yield Fresh(status.st_mtime_ns, relative)


def matches(path: str, pattern: str) -> bool:
    """Whether a relative path fits a pattern: ``*``, ``?``, ``[…]`` in a name, ``**`` for any folders or none.

    A name that begins with a dot fits only a part that does: half-written files often have such names.
    """
    wanted = [part for part in pattern.split("/") if part not in ("", ".")]
    # The places in the pattern that what was read so far can have led to: linear, however many `**` there are.
    places = _skip({0}, wanted)
    for name in path.split("/"):
        after = set()
        for place in places:
            if place == len(wanted):
                continue
            part = wanted[place]
            if name.startswith(".") and not part.startswith("."):
                continue
            if part == "**":
                after.add(place)
            elif fnmatchcase(name, part):
                after.add(place + 1)
        places = _skip(after, wanted)
    return len(wanted) in places


def _skip(places: set[int], wanted: list[str]) -> set[int]:
    """*places*, and those behind each ``**``, which may stand for nothing."""
    for place in sorted(places):
        while place < len(wanted) and wanted[place] == "**":
            place += 1
            places.add(place)
    return places


def newest_file(output: Path, pattern: str, since: float) -> str:
    """The path (relative to *output*) of the newest fresh file that fits *pattern*; raises NoResults."""
    found = [file for file in fresh_files(output, since) if matches(file.path, pattern)]
    if found:
        return max(found).path
    stale = any(matches(file.path, pattern) for file in fresh_files(output, -math.inf))
    cause = f"every file that fits {pattern!r} is older than the start" if stale else f"no file fits {pattern!r}"
    raise NoResults(f"cannot take the results: {cause} in the output folder. See the end of the log.")


def read_document(output: Path, relative: str) -> dict[str, Any]:
    """The JSON object in a file under *output*; raises NoResults saying what is wrong with it."""
    try:
        data, _ = read_regular(output / relative, MAX_RESULTS)
        if len(data) > MAX_RESULTS:
            raise ValueError(f"it is larger than {MAX_RESULTS >> 20} MiB")
        document = json.loads(data)
        if not isinstance(document, dict):
            raise ValueError(f"it holds a JSON {type(document).__name__}, not an object")
    except OSError as error:
        raise unreadable(relative, error.strerror or str(error)) from None
    except RecursionError:
        raise unreadable(relative, "it is nested too deeply") from None
    except ValueError as error:
        raise unreadable(relative, str(error) if data.strip() else "it is empty") from None
    return document


def unreadable(relative: str, cause: str) -> NoResults:
    """The error about a file under the output that cannot be taken for results."""
    return NoResults(f"cannot read results {relative!r}: {cause}. See the end of the log.")


def read_metrics(
    output: Path,
    pattern: str,
    since: float,
    at: str | None = None,
    require: Mapping[str, Any] | None = None,
) -> Findings:
    """The metrics in the newest fresh file under *output* that fits *pattern*; ``result`` names that file.

    *at* is the dotted path to the mapping task -> metric -> value, which must be there and not empty; without it
    `results` is taken if the document has that key, else the document. *require* are top-level keys with the values
    that they must have. Raises NoResults when there is no such file, or it says that there are no results.
    """
    relative = newest_file(output, pattern, since)
    document = read_document(output, relative)
    for key, value in (require or {}).items():
        if document.get(key) != value or isinstance(document.get(key), bool) != isinstance(value, bool):
            shown = json.dumps(document[key])[:_MAX_TEXT] if key in document else "missing"
            raise unreadable(relative, f"`{key}` is {shown}, not {json.dumps(value)}")
    return Findings({"results": Path(relative)}, metrics_in(_mapping(document, at, relative)))


def _mapping(document: dict[str, Any], at: str | None, relative: str) -> Any:
    if at is None:
        found = document.get("results", document)
    else:
        found = document
        for key in at.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise unreadable(relative, f"it has no object at `{at}`")
    if found == {}:
        where = f"`{at or 'results'}`" if document else "it"
        raise unreadable(relative, f"{where} is empty, so nothing was evaluated")
    return found


def keep_scalars(name: str, value: Any) -> str | None:
    """Keep every number, text, truth value and null under its own name."""
    return name if value is None or isinstance(value, str | int | float) else None


def metrics_in(found: Any, keep: Keep = keep_scalars) -> Metrics:
    """Task -> metric -> value of what *keep* takes from a mapping of mappings; all else is left out.

    NaN and infinities become None. Long text is cut, and after MAX_METRICS characters the rest is left out.
    """
    metrics: Metrics = {}
    left = MAX_METRICS
    for task, values in found.items() if isinstance(found, dict) else ():
        if not isinstance(values, dict):
            continue
        kept: dict[str, Any] = {}
        left -= len(task)
        for name, value in values.items():
            shown = keep(name, value)
            if shown is None:
                continue
            plain = _plain(value)
            left -= len(shown) + len(str(plain)) + 8
            if left < 0:
                return metrics
            kept[_text(shown)] = plain
            metrics[_text(task)] = kept
    return metrics


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    """*text*, cut, and without the lone surrogates that JSON can hold and UTF-8 cannot."""
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode()
