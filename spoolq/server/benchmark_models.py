"""The two documents of the benchmark-run dialect, with the fields and defaults of the execution management system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from spoolq.masking import mask
from spoolq.transitions import State

Status = Literal["pending", "running", "completed", "failed", "cancelled"]
#: What the dialect calls a state.
STATUS_OF: dict[State, Status] = {
    State.QUEUED: "pending",
    State.RUNNING: "running",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


class BenchmarkRequest(BaseModel):
    """A run to be started. Ranges are the recipe's to check; unknown fields are ignored."""

    experiments: list[str] = ["all"]
    n: int = 1000
    seed: int = 42
    no_perf: bool = False
    perf_rounds: int = 5
    ci_mode: bool = False
    notes: str = ""


class BenchmarkStatus(BaseModel):
    """A run. Times are UTC with offset; the progress is what the run's newest log says."""

    job_id: str = Field(description="The job's id, the same at every route of this server")
    status: Status
    started_at: str | None = None
    finished_at: str | None = None
    run_id: None = Field(default=None, description="Always null, as in the original")
    config: dict[str, Any] = Field(description="The request with its defaults")
    current_experiment: str | None = None
    current_step: str | None = None
    progress_pct: float | None = Field(default=None, description="0 to 100, one decimal")


def config_of(request: Any) -> dict[str, Any]:
    """The `config` of a job's *request*, which may have come another way and be anything; secrets masked."""
    given: Mapping[str, Any] = request if isinstance(request, Mapping) else {}
    return {**BenchmarkRequest().model_dump(), **mask(given)}
