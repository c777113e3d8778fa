"""The documents of the eval-jobqueue dialect, for the OpenAPI document, and what a worker may report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from spoolq.models import field_error

Responses = dict[int | str, dict[str, Any]]


class Detail(BaseModel):
    """An error."""

    detail: str


class Done(BaseModel):
    """It was so, and is noted."""

    status: Literal["ok"]


class Failed(Done):
    """The same, and where the job is now."""

    job_status: Literal["queued", "failed"]


class GivenJob(BaseModel):
    """A job as a worker gets it."""

    id: str
    payload: dict[str, Any]
    resource_type: str


class Given(BaseModel):
    """The next job, or null."""

    job: GivenJob | None


class Leased(BaseModel):
    """A resource that is the worker's now."""

    index: int
    resource: dict[str, Any]


class Beaten(Done):
    """How many jobs and resources of the worker were heard of."""

    jobs_heartbeated: int
    resources_heartbeated: dict[str, int]
    total_resources_heartbeated: int


class Report(BaseModel):
    """What a worker says of a job that is done."""

    model_config = ConfigDict(extra="forbid")

    result: dict[str, Any] | None = None
    #: Task -> metric -> value.
    metrics: dict[str, dict[str, Any]] | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Report:
        """The report in a parsed body; raises RequestInvalid naming the field."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise field_error(error, cls.model_fields) from None


OK: Responses = {200: {"model": Done}}
DONE: Responses = {200: {"model": Failed}}
GIVEN: Responses = {200: {"model": Given}}
LEASED: Responses = {200: {"model": Leased}}
BEATEN: Responses = {200: {"model": Beaten}}
#: The body of `/done`, which need not be there.
REPORT = {"requestBody": {"required": False, "content": {"application/json": {"schema": Report.model_json_schema()}}}}


def refusals(status: int, said: str) -> Responses:
    """One error answer of a route, by its words."""
    return {status: {"model": Detail, "description": said}}
