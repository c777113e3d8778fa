"""What `/api/v1/pools`, `/workers` and `/recipes` answer, as models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Lease(BaseModel):
    """Who has a resource; `job_id` is the worker's name for its job."""

    worker: str
    job_id: str | None
    heartbeat_at: str | None


class Resource(BaseModel):
    """One resource of a pool; `resource` is null where its file cannot be read."""

    index: int
    resource: dict[str, Any] | None
    lease: Lease | None


class Pool(BaseModel):
    """All resources of one type."""

    type: str
    total: int
    used: int
    utilisation: float = Field(ge=0, le=1)
    draining: bool
    resources: list[Resource]
    waiting: int = Field(description="How many queued jobs need this type.")


class Pools(BaseModel):
    """The resource pools."""

    pools: list[Pool]


class Runner(BaseModel):
    """A slot in which jobs run: one of this host that a runner holds, or one of another host that is busy."""

    slot: str
    host: str
    busy: bool
    job_id: str | None


class WorkersJob(BaseModel):
    """A job that a remote worker has."""

    job_id: str
    heartbeat_at: str | None
    attempt: int


class Worker(BaseModel):
    """A remote worker with its jobs."""

    worker: str
    jobs: list[WorkersJob]


class Workers(BaseModel):
    """Who works on the spool."""

    runners: list[Runner]
    workers: list[Worker]


class Parameter(BaseModel):
    """What a request may hold."""

    name: str
    type: str = Field(description="str, int, float, bool, list, choice, object or any.")
    required: bool
    default: Any
    help: str
    choices: list[Any] | None
    min: float | None
    max: float | None


class Recipe(BaseModel):
    """One way to run a job; `parameters` is null where it does not tell."""

    name: str
    default: bool = Field(description="Whether a request of model and tasks that names none gets it.")
    parameters: list[Parameter] | None


class Recipes(BaseModel):
    """The recipes that a request may name."""

    recipes: list[Recipe]
