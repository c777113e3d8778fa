"""What an evaluation logged of each question: the sample files of lm-eval and lmms-eval, the JSON log of inspect."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spoolq.files import read_regular
from spoolq.store import Store

#: The largest file that is read, and the longest line of one, in bytes.
MAX_FILE, MAX_LINE = 2 << 30, 64 << 20
MAX_DOCUMENT = 256 << 20
_LM_EVAL = re.compile(r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT[0-9.:+-]+\.jsonl")
_LMMS_EVAL = re.compile(r"\d{8}_\d{6}_samples_(?P<task>.+)\.jsonl")
#: inspect's letters, as its own `accuracy` counts them.
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}


class Unreadable(Exception):
    """A file of samples that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer to a question: *digest* stands for the question and its target, *values* are the numbers scored."""

    question: str
    filter: str | None
    digest: str
    values: Mapping[str, float]


@dataclass(slots=True)
class Logged:
    """What a job logged of one task; *fault* says why there are no *samples*."""

    samples: list[Sample] = field(default_factory=list)
    version: str | None = None
    fault: str | None = None
    #: Metric -> whether more of it is better, where the harness declares it.
    higher: dict[str, bool] = field(default_factory=dict)


def logged(store: Store, record: Mapping[str, Any]) -> dict[str, Logged]:
    """Task -> what the files that the record names hold of it."""
    found: dict[str, Logged] = {}
    for named, relative in sorted(set(_texts(record.get("result")))):
        path = store.layout.anchored(relative)
        match = _LM_EVAL.fullmatch(path.name) or _LMMS_EVAL.fullmatch(path.name)
        if match:
            task = found.setdefault(match["task"], Logged())
            try:
                task.samples += _lines(path)
            except Unreadable as error:
                task.fault = str(error)
        elif path.suffix == ".json":
            _document(path, found, named if named in (record.get("metrics") or ()) else None)
        elif path.suffix == ".eval":
            for name in record.get("metrics") or ():
                fault = f"{path.name} is no JSON; have inspect log with --log-format json"
                found.setdefault(name, Logged(fault=fault))
    return found


def _texts(value: Any, named: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a result, after the first key that leads to it."""
    if isinstance(value, str):
        yield named, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, named or key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, named)


def _lines(path: Path) -> list[Sample]:
    """The samples in a file of JSON lines; raises Unreadable."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE:
                raise Unreadable(f"{path.name} is no regular file of at most {MAX_FILE >> 30} GiB")
            return [_sample(line) for line in iter(lambda: file.readline(MAX_LINE), b"") if line.strip()]
    except OSError as error:
        raise Unreadable(f"cannot read {path.name}: {error.strerror}") from None
    except (ValueError, KeyError, RecursionError):
        raise Unreadable(f"{path.name} holds a line that is no sample") from None


def _sample(line: bytes) -> Sample:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("no object")
    digest = [found.get("doc_hash") or _digest(found.get("doc")), found.get("target_hash") or found.get("target")]
    values = {name: float(value) for name, value in found.items() if isinstance(value, bool | int | float)}
    return Sample(str(found["doc_id"]), found.get("filter"), _digest(digest), values)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _document(path: Path, found: dict[str, Logged], named: str | None) -> None:
    """What a results file declares of its tasks, or inspect's log with its samples."""
    try:
        data, _ = read_regular(path, MAX_DOCUMENT)
        document = json.loads(data)
    except (OSError, ValueError, RecursionError):
        return  # then nothing is declared, and nothing logged
    if not isinstance(document, dict):
        return
    if isinstance(document.get("eval"), dict):
        _inspect(document, found.setdefault(named or str(document["eval"].get("task")), Logged()))
    for task, version in _mapping(document.get("versions")).items():
        found.setdefault(task, Logged()).version = _version(version)
    for task, metrics in _mapping(document.get("higher_is_better")).items():
        declared = {name: better for name, better in _mapping(metrics).items() if isinstance(better, bool)}
        found.setdefault(task, Logged()).higher |= declared


def _version(said: Any) -> str | None:
    """A version as text; 1.0 is 1, as YAML and JSON have it in turn."""
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    return None if said is None else str(said)


def _inspect(document: Mapping[str, Any], task: Logged) -> None:
    task.version = _version(document["eval"].get("task_version"))
    for sample in document.get("samples") or ():
        if isinstance(sample, dict) and "id" in sample:
            digest = _digest([sample.get("input"), sample.get("target")])
            values = dict(_scored(_mapping(sample.get("scores"))))
            task.samples.append(Sample(str(sample["id"]), None, digest, values))


def _scored(scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Scorer -> number; a scorer that gives several gives ``SCORER/NAME`` each."""
    for scorer, score in scores.items():
        value = _mapping(score).get("value")
        several = {f"{scorer}/{name}": inner for name, inner in value.items()} if isinstance(value, dict) else None
        for name, inner in (several or {scorer: value}).items():
            if isinstance(inner, bool | int | float):
                yield name, float(inner)
            elif isinstance(inner, str) and inner in _LETTERS:
                yield name, _LETTERS[inner]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def values(task: Logged, metric: str) -> dict[str, tuple[str, float]]:
    """Question -> its digest and score of *metric*, the mean of several answers; raises Unreadable saying why not."""
    if task.fault:
        raise Unreadable(task.fault)
    if not task.samples:
        raise Unreadable("no samples are logged")
    column, _, chosen = metric.partition(",")
    answers: dict[str, tuple[str, list[float]]] = {}
    for sample in task.samples:
        if sample.filter not in (None, chosen or "none"):
            continue
        value = _value(sample.values, column, chosen)
        if value is None:
            raise Unreadable("its samples have no number for it")
        digest, numbers = answers.setdefault(sample.question, (sample.digest, []))
        if digest != sample.digest:
            raise Unreadable(f"question {sample.question!r:.60} is logged twice, and differs")
        numbers.append(value)
    if not answers:
        raise Unreadable("no samples are logged for its filter")
    return {question: (digest, sum(found) / len(found)) for question, (digest, found) in answers.items()}


def _value(found: Mapping[str, float], column: str, scorer: str) -> float | None:
    """The number under the metric's name; or of inspect's scorer, whose `accuracy` and `mean` are of its values."""
    if column in found:
        return found[column]
    if column not in ("accuracy", "mean"):
        return None
    return found.get(scorer) if scorer else next(iter(found.values())) if len(found) == 1 else None
