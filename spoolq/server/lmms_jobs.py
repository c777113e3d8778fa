"""A job as lmms-eval's server shows it: nine keys, times in the server's own zone, paths that are absolute."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spoolq import recipes
from spoolq.errors import RequestInvalid
from spoolq.files import GONE
from spoolq.finish import terminal_record
from spoolq.jobs import Entry, describe, newest_final
from spoolq.masking import mask
from spoolq.server.face import Face
from spoolq.server.lmms_models import EvaluateRequest
from spoolq.transitions import State

#: What is kept of rendered jobs, in bytes; and the largest one that is kept.
_ROOM, _LARGEST = 16 << 20, 64 << 10
_POSITION = ',"position_in_queue":'

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: Stamp
    text: bytes


class Jobs:
    """Renders jobs. Of a queued or ended job the text is kept as long as its file is the same; for any thread."""

    def __init__(self, face: Face) -> None:
        self.face, self.store = face, face.store
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def body(self, entry: Entry) -> bytes | None:
        """The job as JSON; None when it has moved on since it was listed."""
        if entry.state is State.RUNNING:
            record = describe(self.store, entry)
            return None if record is None else self._text(record) + b"null}"
        queued = entry.state is State.QUEUED
        layout = self.store.layout
        path = layout.queued(entry.stem) if queued else layout.terminal(entry.state, entry.stem.key)
        text = self._unchanged(path) or self._read(entry, path)
        if text is None:
            return None
        return text + (b"%d}" % self.face.view.position(entry.stem) if queued else b"null}")

    def _unchanged(self, path: Path) -> bytes | None:
        stamp = _stamp(path)
        with self._lock:
            kept = self._kept.get(str(path))
            if kept is None or kept.stamp != stamp:
                return None
            self._kept.move_to_end(str(path))
            return kept.text

    def _read(self, entry: Entry, path: Path) -> bytes | None:
        stamp = _stamp(path)  # RACE: before the read, so that what replaces the file makes it stale
        record = describe(self.store, entry)
        if record is None:
            return None
        text = self._text(record)
        # An end may be in a `.final` that is not published yet; that goes by another name.
        whole = entry.state is State.QUEUED or (terminal_record(path) and not newest_final(self.store, entry))
        if stamp is not None and whole and len(text) <= _LARGEST:
            self._keep(str(path), _Kept(stamp, text))
        return text

    def _keep(self, name: str, kept: _Kept) -> None:
        with self._lock:
            before = self._kept.pop(name, None)
            self._kept[name] = kept
            self._size += len(kept.text) - (len(before.text) if before else 0)
            while self._size > _ROOM:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest.text)

    def _text(self, record: dict[str, Any]) -> bytes:
        """All of it but the position, which is another one at any moment."""
        shown = {
            "job_id": record["job_id"],
            "status": record["status"],
            **{name: local(record[name]) for name in ("created_at", "started_at", "completed_at")},
            "request": mask(self._asked(record)),
            "result": self._result(record["result"]),
            "error": record["error"],
        }
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        return (text[:-1] + _POSITION).encode("utf-8", "backslashreplace")

    def _asked(self, record: dict[str, Any]) -> Any:
        """The request with all fields of the dialect, where it is one of a harness; any other as it is."""
        request = record["request"]
        if not isinstance(request, dict):
            return None
        try:
            name = recipes.choose(request, record["recipe"], self.store.settings)
            if name not in ("lmms-eval", "lm-eval"):
                return request
            filled = EvaluateRequest.model_validate(request).model_dump()
        except (RequestInvalid, ValidationError):  # a dropped file that a runner has not rejected yet
            return request
        return filled if name == "lmms-eval" else {**request, **filled}

    def _result(self, result: Any) -> Any:
        """*result* with absolute paths, and samples sorted."""
        if isinstance(result, dict):
            return {
                key: sorted(self._result(inner)) if key == "samples" and _is_texts(inner) else self._result(inner)
                for key, inner in result.items()
            }
        if isinstance(result, list):
            return [self._result(inner) for inner in result]
        inside = isinstance(result, str) and result.startswith(f"{self.store.layout.runs.name}/")
        return str(self.store.absolute.anchored(result)) if inside else result


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(inner, str) for inner in value)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = os.lstat(path)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    return status.st_ino, status.st_ctime_ns, status.st_size


def local(moment: str | None) -> str | None:
    """A record's moment as the dialect says it: this server's time, without an offset; None for what is none."""
    try:
        return datetime.fromisoformat(moment or "").astimezone().replace(tzinfo=None).isoformat(timespec="microseconds")
    except (TypeError, ValueError):
        return None
