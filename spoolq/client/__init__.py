"""Clients of `spoolq serve`, for machines without a spool. They need the extra ``spoolq[client]``.

`EvalClient` and `AsyncEvalClient` are used like those of lmms-eval, of its own server too; `Client` speaks spoolq's own
API, with logs, events and results.
"""

from __future__ import annotations

try:
    import httpx  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"cannot use spoolq.client: {error.name} is not installed. Install the extra: pip install 'spoolq[client]'.",
        name=error.name,
    ) from None

from spoolq.client.faults import Conflict, Invalid, NoSuchJob, Refused, TokenRefused, TryLater, Unreachable
from spoolq.client.lmms import AsyncEvalClient, EvalClient, JobCancelled
from spoolq.client.v1 import Client, Job

__all__ = [
    "AsyncEvalClient", "Client", "Conflict", "EvalClient", "Invalid", "Job", "JobCancelled", "NoSuchJob", "Refused",
    "TokenRefused", "TryLater", "Unreachable",
]  # fmt: skip
