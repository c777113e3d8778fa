"""lmms-eval's dialect as a test asks it, and jobs of every kind behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from spoolq.find import entries
from spoolq.jobs import Entry
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import State
from tests.server.live import Live
from tests.spooltest import jobs

REQUEST = {"model": "dummy", "tasks": ["mme"]}
#: What the server makes of that.
FILLED = {
    "model": "dummy", "tasks": ["mme"], "model_args": None, "num_fewshot": None, "batch_size": None, "device": None,
    "limit": None, "gen_kwargs": None, "log_samples": True, "predict_only": False, "num_gpus": 1, "output_dir": None,
}  # fmt: skip
KEYS = [
    "job_id", "status", "created_at", "started_at", "completed_at", "request", "result", "error", "position_in_queue",
]  # fmt: skip


class Lmms(Live):
    """A server of the dialect alone, in a thread of this process."""

    def __init__(self, store: Store, **options: Any) -> None:
        super().__init__(store, routers=("login", "lmms"), **options)

    def evaluate(self, status: int = 200, **said: Any) -> Any:
        """What POSTing REQUEST, with what is *said*, gives."""
        return self._checked(self.client.post("/evaluate", json={**REQUEST, **said}), status)

    def submit(self, **said: Any) -> str:
        """The id of such a job."""
        return str(self.evaluate(**said)["job_id"])

    def job(self, job_id: str, status: int = 200) -> Any:
        """The job, or why not."""
        return self._checked(self.client.get(f"/jobs/{job_id}"), status)

    def cancel(self, job_id: str, status: int = 200) -> Any:
        """What a DELETE gives."""
        return self._checked(self.client.delete(f"/jobs/{job_id}"), status)

    def queue(self) -> Any:
        """`/queue`."""
        return self._checked(self.client.get("/queue"), 200)

    def found(self, ids: Sequence[str]) -> list[bool]:
        """Which of *ids* are found."""
        return [self.client.get(f"/jobs/{job_id}").status_code == 200 for job_id in ids]


def entry(store: Store, outcome: str = "succeeded", **facts: Any) -> Entry:
    """A job of the dialect that has ended."""
    return jobs.ended(store, publish(store, {"recipe": "lmms-eval", "request": dict(REQUEST)}), outcome, **facts)


def taken(store: Store) -> Any:
    """Claim the first job of the queue, as a runner does."""
    return jobs.opened(store, jobs.claimed(store, entries(store, [State.QUEUED])[0].stem))


def bare(client: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    """POST *body* as it is to `/evaluate`."""
    return client.post("/evaluate", content=body, headers={"content-type": "application/json", **headers})
