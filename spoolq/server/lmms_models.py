"""What lmms-eval's evaluation server takes and gives, field by field: other people's clients are written against it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class EvaluateRequest(BaseModel):
    """An evaluation to queue. Values are coerced ("3" is 3), fields that there are not are dropped without a word."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model: str = Field(description="The model type: one of `GET /models`.")
    tasks: list[str] = Field(description="The benchmarks: of `GET /tasks`.")
    model_args: dict[str, Any] | None = Field(None, description="Arguments of the model, in the order given.")
    num_fewshot: int | None = Field(None, description="Examples before each question.")
    batch_size: int | str | None = Field(None, description="Samples at once, or a word such as `auto`; 0: not said.")
    device: str | None = Field(None, description="Taken and shown; which devices a run sees is its slot's affair.")
    limit: int | float | None = Field(None, description="Samples of each benchmark, or a share of them; 0: all.")
    gen_kwargs: str | None = Field(None, description="Arguments of the generation, as the command line takes them.")
    log_samples: bool = Field(True, description="Whether each sample is written down.")
    predict_only: bool = Field(False, description="Whether the scoring is left out.")
    num_gpus: int = Field(1, description="GPUs of one run; 0 is 1.")
    output_dir: str | None = Field(
        None, description="A directory of the server that the operator has opened; none or empty: the job's own."
    )


class JobStatus(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobSubmitResponse(BaseModel):
    """A job was queued."""

    job_id: str
    status: JobStatus
    position_in_queue: int = Field(description="How many queued jobs are served before it.")
    message: str


class JobInfo(BaseModel):
    """One job. Times are the server's local time, without an offset; every key is always there."""

    job_id: str
    status: JobStatus
    created_at: str
    started_at: str | None
    completed_at: str | None = Field(description="Also when it failed or was cancelled.")
    request: EvaluateRequest | dict[str, Any] | None = Field(
        description="What was asked for, with its defaults. A job of another recipe has the fields of its own."
    )
    result: dict[str, Any] | None = Field(
        description='`{FOLDER: {"results": PATH or null, "samples": [PATH, …]}}`; paths are absolute, on the server.'
    )
    error: str | None
    position_in_queue: int | None = Field(description="How many queued jobs are served before it; null once it runs.")


class QueueStatusResponse(BaseModel):
    """What waits, in the order of service, and what runs."""

    queue_size: int
    running_job: str | None = Field(description="Where several run, the one that came first.")
    queued_jobs: list[str]
    completed_jobs: int
    failed_jobs: int


class HealthResponse(BaseModel):
    """The server answers."""

    status: Literal["healthy"]
    timestamp: str
    queue_size: int


class CancelResponse(BaseModel):
    """What became of a cancel."""

    message: str


class TasksResponse(BaseModel):
    """The benchmarks that the harness knows; *error* says why there are none."""

    tasks: list[str]
    error: str | None = None


class ModelsResponse(BaseModel):
    """The model types that the harness knows; *error* says why there are none."""

    models: list[str]
    error: str | None = None


class MergeRequest(BaseModel):
    """A sharded checkpoint to merge into one."""

    checkpoint_path: str
    output_path: str | None = Field(None, description="Where to; none: where the merger puts it by itself.")
    checkpoint_type: Literal["regular", "ema"] = "regular"


class MergeResponse(BaseModel):
    """The checkpoint was merged."""

    success: bool
    message: str
    merged_path: str | None


class Detail(BaseModel):
    """Why not."""

    detail: str
