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


class McNemar(BaseModel):
    """Of scores that are 0 or 1: how many questions only one of the two got right, and the exact test of that."""

    first_only: int
    second_only: int
    p: float


class Paired(BaseModel):
    """The second less the first over the questions that both have logged, with its confidence interval."""

    n: int
    difference: float
    stderr: float | None
    low: float | None
    high: float | None
    mcnemar: McNemar | None
    only_first: int = Field(description="Questions that the second lacks.")
    only_second: int = Field(description="Questions that the first lacks.")
    method: str
    source: str
    confidence: float


class Line(BaseModel):
    """A metric of a task, with the value of each job, in the order of `jobs`."""

    task: str
    metric: str
    values: list[Value | None]
    difference: float | None = Field(description="Of exactly two numbers: the second less the first.")
    better: str = Field("higher", description="`higher` or `lower`; this and the rest only with `samples`.")
    paired: Paired | None = None
    reason: str | None = Field(None, description="Why there is no `paired`.")
    refused: bool = Field(False, description="The two did not evaluate the same thing: no difference.")


class Compared(Job):
    """A job that is compared."""

    model_config = ConfigDict(extra="allow", title="Compared")

    model: str


class Comparison(BaseModel):
    """Jobs side by side."""

    jobs: list[Compared]
    rows: list[Line]
