"""What `/api/v1` answers, as models: the OpenAPI document is made of them, and its tests hold answers against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spoolq.models import JobInfo, Progress
from spoolq.settings import Priority


class Job(JobInfo):
    """One job: the record that `spoolq show --json` gives, its secrets masked."""

    model_config = ConfigDict(extra="allow", title="Job")

    reason: str | None = Field(None, description="Why a queued job waits.")


class Fault(BaseModel):
    """What went wrong."""

    detail: str = Field(description="What could not be done, why, and what to do next.")
    field: str | None = Field(None, description="The field of the request that is the culprit.")
    candidates: list[str] | None = Field(None, description="The ids that the beginning of an id fits.")


class Counts(BaseModel):
    """How many jobs are in each state."""

    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int


class Jobs(BaseModel):
    """A page of a listing."""

    jobs: list[Job]
    next: str | None = Field(
        description="The `cursor` of the next page; null: there is none. A page with a filter may be short, or empty, "
        "and still have a next: what one request reads is bounded."
    )
    counts: Counts


class Batch(BaseModel):
    """The jobs that were queued, in the order of their documents."""

    jobs: list[Job]


class Valid(BaseModel):
    """A request that would be taken."""

    ok: Literal[True]
    recipe: str
    request: dict[str, Any] = Field(description="With its defaults filled in.")


class History(BaseModel):
    """The events of a job, oldest first."""

    events: list[dict[str, Any]]


class Cancelled(BaseModel):
    """What became of a cancel."""

    job_id: str
    status: Literal["cancelled", "requested"] = Field(description="`requested`: it runs, and is being stopped.")


class Retried(BaseModel):
    """What became of a retry."""

    job_id: str
    status: Literal["queued", "requested"] = Field(description="`requested`: the operator's watcher will do it.")


class Level(BaseModel):
    """The priority that a queued job is to have."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority


class Placed(BaseModel):
    """Where a job stands now."""

    job_id: str
    position_in_queue: int


class Why(BaseModel):
    """Why the queue is paused."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(None, max_length=500)


class Paused(BaseModel):
    """Whether runners claim nothing."""

    paused: bool


class Limits(BaseModel):
    """Which ended jobs are to go; with both limits, a job goes only when it is past both."""

    model_config = ConfigDict(extra="forbid")

    older_than: str | float | None = Field(None, description="How long ago they ended at least: `30d`, or seconds.")
    keep: int | None = Field(None, ge=0, description="Spare so many of the newest.")
    states: list[Literal["completed", "failed", "cancelled"]] | None = Field(None, min_length=1)
    dry_run: bool = Field(False, description="Only say what would go.")


class Pruned(BaseModel):
    """What went, or would go: ids by state, and bytes on disk."""

    jobs: dict[str, list[str]]
    bytes: int


class Running(BaseModel):
    """A running job, and how far it says it is."""

    job_id: str
    progress: Progress | None


class Status(BaseModel):
    """The whole queue in one look, as `spoolq status --json` gives it."""

    model_config = ConfigDict(extra="allow")

    spool: str = Field(description="The name of its directory; where that is stays with the host.")
    paused: bool
    pause: dict[str, Any] | None
    queue_size: int
    running_job: str | None
    running_jobs: list[str]
    queued_jobs: list[str]
    completed_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    drops: int
    expected_done: dict[str, str | None] | None = Field(
        None, description="When the last job ends that can run now: `p50` and `p90`."
    )
    slots: dict[str, bool] = Field(description="This host's slots, and whether a runner holds each.")
    devices: dict[str, str] = Field(description="Slot to its CUDA_VISIBLE_DEVICES, as the spool's settings say.")
    troubles: list[dict[str, Any]]
    running: list[Job]
    waiting: list[Job] = Field(description="The first of those that wait.")
    server_time: str
    version: str
    read_only: bool = Field(description="Whether this caller may only look.")
    token_required: bool
