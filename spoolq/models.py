"""The two documents of the protocol as pydantic models: what is submitted, and the record of a job.

Importing this module imports pydantic; the verbs that start often work on plain dictionaries of the same keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from spoolq.durations import parse_duration, parse_mebibytes
from spoolq.errors import RequestInvalid
from spoolq.names import RESOURCE_TYPE, UUID
from spoolq.settings import Priority
from spoolq.transitions import RETRY_ON_RULE, State, is_retry_on

#: How a run ended; see docs/protocol.md.
Outcome = Literal[
    "succeeded",
    "exit",
    "signal",
    "timed_out",
    "could_not_start",
    "no_results",
    "invalid",
    "lost",
    "cancelled",
    "idle",
    "oom",
    "dependency_failed",
]
#: How many faults of a request are told at once.
_FAULTS = 10
Seconds = Annotated[float, BeforeValidator(parse_duration)]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable characters, without line breaks")
    return text


def _outcome(text: str) -> str:
    if not is_retry_on(text):
        raise ValueError(f"{text!r} is not {RETRY_ON_RULE}")
    return text


#: An outcome after which a job runs again, or an exit code of its evaluation.
RetryOn = Annotated[str, AfterValidator(_outcome)]
LabelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")]
LabelValue = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
JobId = Annotated[str, Field(pattern=f"^{UUID}$")]
Mebibytes = Annotated[float, BeforeValidator(parse_mebibytes)]
#: A kind of resource, which is also the name of its pool.
ResourceType = Annotated[str, Field(pattern=f"^{RESOURCE_TYPE}$")]


class Envelope(BaseModel):
    """A request with its policy, as it is submitted. None means: the recipe's or the spool's setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: dict[str, Any]
    recipe: str | None = None
    priority: Priority = "normal"
    #: Wall-clock limit of one attempt, in seconds.
    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    #: Seconds between the stop signal and SIGKILL.
    grace: Seconds | None = None
    max_attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    retry_on: list[RetryOn] | None = None
    #: Makes it the job of a remote worker, who needs a resource of that type; no runner of ours touches it.
    resource_type: ResourceType | None = None
    #: The id by which the eval-jobqueue dialect knows the job; None: its own.
    external_id: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)] | None = None
    #: Jobs that must have completed before this one runs: whole ids.
    after: Annotated[list[JobId], Field(min_length=1, max_length=1000)] | None = None
    #: Not run before this moment; ISO 8601 with an offset.
    not_before: AwareDatetime | None = None
    #: Wall-clock limit without any output, in seconds.
    idle_timeout: Annotated[Seconds, Field(gt=0)] | None = None
    #: Seconds before a second attempt; doubled before each further one.
    backoff: Seconds | None = None
    #: How many GPUs it needs; 0: none. None: as many as its slot has.
    num_gpus: Annotated[int, Field(ge=0, le=1024)] | None = None
    #: Free memory that each of its GPUs must have before it starts, in MiB.
    min_free_memory: Annotated[Mebibytes, Field(gt=0)] | None = None
    #: What people call it, and filter by.
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=64)] | None = None
    #: Jobs that belong together.
    group: LabelValue | None = None
    #: Attempts that an older queue had counted; shown, and not held against `max_attempts`.
    attempts_before: Annotated[int, Field(ge=0, le=10**9)] | None = None


class Progress(BaseModel):
    """How far the evaluation says it is; for display only, never a proof of anything."""

    stage: str
    percent: int
    done: str | None = None
    total: str | None = None
    #: What its bar says of its speed, and of the seconds that are left; None where it does not.
    rate: str | None = None
    remaining: float | None = None


class JobInfo(BaseModel):
    """One job, the same on disk, in ``--json``, in Python and over HTTP. Times are UTC, paths relative to it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    job_id: str
    status: State
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    request: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    position_in_queue: int | None = None
    recipe: str | None = None
    priority: Priority = "normal"
    timeout: float | None = None
    grace: float | None = None
    max_attempts: int | None = None
    retry_on: list[str] | None = None
    resource_type: str | None = None
    external_id: str | None = None
    attempts_before: int | None = None
    after: list[str] | None = None
    not_before: datetime | None = None
    idle_timeout: float | None = None
    backoff: float | None = None
    num_gpus: int | None = None
    min_free_memory: float | None = None
    labels: dict[str, str] | None = None
    group: str | None = None
    submitted_by: int | None = None
    attempt: int = 0
    worker: str | None = None
    claim: str | None = None
    heartbeat_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    outcome: Outcome | None = None
    peak_memory_mib: float | None = None
    launch: Literal["exec", "fork"] | None = None
    warm_hit: bool | None = None
    setup_seconds: float | None = None
    gpus: list[str] | None = None
    progress: Progress | None = None
    metrics: dict[str, dict[str, Any]] | None = None
    run_dir: str | None = None
    log: str | None = None


def is_record(document: Mapping[str, Any]) -> bool:
    """Whether *document* is the record of an ended job (which is also a valid envelope, so a retry is one rename)."""
    return "job_id" in document and "outcome" in document and isinstance(document.get("request"), dict)


def parse_envelope(document: Mapping[str, Any]) -> Envelope:
    """The Envelope of a bare request, an envelope or a record; raises RequestInvalid naming the field."""
    if not isinstance(document.get("request"), dict):
        if "request" in document:
            raise RequestInvalid("field `request`: must be a JSON object", "request")
        return Envelope(request=dict(document))
    if is_record(document):
        document = {key: document[key] for key in Envelope.model_fields if key in document}
    try:
        return Envelope.model_validate(document)
    except ValidationError as error:
        raise field_error(error, Envelope.model_fields) from None


def field_error(error: ValidationError, known: Iterable[str] = (), prefix: str = "") -> RequestInvalid:
    """A RequestInvalid that names each field of a pydantic error; *known* are the fields there are, for a wrong one."""
    parts = []
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    for fault in faults[:_FAULTS]:
        name = prefix + ".".join(str(part) for part in fault["loc"] if not str(part).startswith("function-"))
        said = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            said = f"there is no such field; known are {', '.join(known)}" if known else "there is no such field"
        parts.append(f"field `{name}`: {said}")
    if len(faults) > _FAULTS:
        parts.append(f"and {len(faults) - _FAULTS} more")
    first = ".".join(str(part) for part in faults[0]["loc"])
    return RequestInvalid("; ".join(dict.fromkeys(parts)), prefix + first)
