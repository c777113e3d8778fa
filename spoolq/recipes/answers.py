"""Where the answers of a job's model are kept for its next attempt.

Never shared: a cache of lm-eval knows requests and no models. So each job has its own, and the file is named after
the request and after the state of the model's files: who retries a job because its checkpoint was wrong gets no
answer of the wrong one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Files of one model that are looked at.
_MOST = 10_000


def answers(cache: Path, request: Mapping[str, Any]) -> Path:
    """The file in *cache* for the answers to *request*; neither has to be there."""
    said = {name: value for name, value in request.items() if name != "resume"}
    state = {key: _state(value) for key, value in (request.get("model_args") or {}).items()}
    told = json.dumps([said, state], sort_keys=True).encode("utf-8", "surrogatepass")
    return cache / f"answers.{hashlib.sha256(told).hexdigest()[:16]}"


def _state(value: Any) -> list[list[Any]]:
    """Name, size and time of the files at *value*, or directly under it, if it is an absolute path."""
    if not isinstance(value, str) or not value.startswith("/"):
        return []
    try:
        if not Path(value).is_dir():
            return [["", *_size_and_time(Path(value))]]
        names = sorted(os.listdir(value))[:_MOST]
    except (OSError, ValueError):
        return []
    return [[name, *_size_and_time(Path(value, name))] for name in names]


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
