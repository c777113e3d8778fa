"""`/queue` and `/health` in lmms-eval's dialect. Both count the same queued files, so they agree."""

from __future__ import annotations

import json
from datetime import datetime

from spoolq.server.face import Face
from spoolq.server.lmms_kept import Visible
from spoolq.transitions import State


class Queue:
    """Renders the queue; the text is kept until a listing has changed, since ten thousand ids are a long one."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self._kept: tuple[tuple[object, ...], bytes] = ((), b"")

    def body(self, visible: Visible) -> bytes:
        """What waits and what runs, with the counts of *visible*."""
        queued, running = self.face.view.listing(State.QUEUED), self.face.view.listing(State.RUNNING)
        version = (queued.version, running.version, visible.version)
        kept_version, kept = self._kept
        if kept_version == version:
            return kept
        ids = [name[-41:-5] for name in queued.names]
        first = next((name.partition("@")[0][-36:] for name in running.names), None)
        text = {
            "queue_size": len(ids),
            "running_job": first,
            "queued_jobs": ids,
            "completed_jobs": visible.completed,
            "failed_jobs": visible.failed,
        }
        body = json.dumps(text, separators=(",", ":")).encode()
        self._kept = version, body
        return body

    def health(self) -> bytes:
        """That we answer, when, and how many jobs wait."""
        size = len(self.face.view.listing(State.QUEUED).names)
        now = datetime.now().isoformat(timespec="microseconds")
        return json.dumps({"status": "healthy", "timestamp": now, "queue_size": size}, separators=(",", ":")).encode()
