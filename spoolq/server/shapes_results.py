"""What `/api/v1/results` answers, as models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from spoolq.server.shapes import Job


class Score(BaseModel):
    """One metric of one task of one job."""

    job_id: str
    model: str
    task: str
    metric: str
    value: float | str | None
    stderr: float | None


class Results(BaseModel):
    """Scores of jobs."""

    rows: list[Score]


class Value(BaseModel):
    """A job's value of a metric."""

    value: float | str | None
    stderr: float | None


class Line(BaseModel):
    """A metric of a task, with the value of each job, in the order of `jobs`."""

    task: str
    metric: str
    values: list[Value | None]
    difference: float | None = Field(description="Of exactly two numbers: the second less the first.")


class Compared(Job):
    """A job that is compared."""

    model_config = ConfigDict(extra="allow", title="Compared")

    model: str


class Comparison(BaseModel):
    """Jobs side by side."""

    jobs: list[Compared]
    rows: list[Line]
