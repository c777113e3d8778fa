"""From the bytes of a job file to a job that can be run: envelope, recipe, request with defaults, and who may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolq import recipes, trust
from spoolq.documents import MAX_BYTES, MAX_DEPTH, is_deeper, parse_object
from spoolq.errors import RequestInvalid, SettingsInvalid
from spoolq.models import Envelope, is_record, parse_envelope
from spoolq.retries import Policy
from spoolq.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """A job that a recipe can take; the policy has the recipe's and the spool's settings filled in (seconds)."""

    recipe: recipes.Recipe
    request: dict[str, Any]
    envelope: Envelope
    submitted_by: int
    timeout: float | None
    grace: float
    max_attempts: int
    retry_on: list[str]
    backoff: float

    @property
    def policy(self) -> dict[str, Any]:
        """The policy as the record keeps it: what was submitted, so that a retry follows changed settings."""
        asked = self.envelope
        return {
            "recipe": self.recipe.name,
            "timeout": asked.timeout,
            "grace": asked.grace,
            "max_attempts": self.max_attempts,
            "retry_on": list(asked.retry_on) if asked.retry_on is not None else None,
            "resource_type": asked.resource_type,
            "external_id": asked.external_id,
            "attempts_before": asked.attempts_before,
            "after": asked.after,
            "not_before": asked.not_before.isoformat() if asked.not_before else None,
            "idle_timeout": asked.idle_timeout,
            "backoff": asked.backoff,
            "num_gpus": asked.num_gpus,
            "min_free_memory": asked.min_free_memory,
            "labels": asked.labels,
            "group": asked.group,
        }

    @property
    def retries(self) -> Policy:
        """Whether and when it runs again."""
        return Policy(self.retry_on, self.max_attempts, self.backoff)

    @property
    def is_workers(self) -> bool:
        """Whether a remote worker runs it, and no runner of ours."""
        return self.envelope.resource_type is not None


def read(data: bytes, uid: int, settings: Settings) -> Job:
    """The job in *data*, a file of *uid*; raises RequestInvalid, naming the field, for what cannot be run.

    A record that was put back by a retry may be larger and deeper than the request that it holds.
    """
    document = parse_object(data, "the job's file", limit=len(data), depth=MAX_DEPTH + 1)
    if not is_record(document) and (len(data) > MAX_BYTES or is_deeper(document, MAX_DEPTH)):
        document = parse_object(data, "the job's file")  # which says so
    return accept(document, uid, settings)


def accept(document: Mapping[str, Any], uid: int, settings: Settings) -> Job:
    """The job in a parsed document; raises RequestInvalid."""
    envelope = parse_envelope(document)
    name = _recipe_of(envelope, settings)
    asker = trust.submitter(document, uid, settings)
    trust.check(settings, asker, name)
    trust.check_priority(settings, uid, envelope.priority)  # the file's owner: a retried record is ours, level and all
    recipe, request = _checked(name, envelope, settings)
    grace = envelope.grace if envelope.grace is not None else recipe.grace
    return Job(
        recipe=recipe,
        request=request,
        envelope=envelope,
        submitted_by=asker,
        timeout=envelope.timeout if envelope.timeout is not None else settings.timeout,
        grace=grace if grace is not None else settings.grace,
        max_attempts=envelope.max_attempts or settings.max_attempts,
        retry_on=list(envelope.retry_on) if envelope.retry_on is not None else settings.retry_on,
        backoff=envelope.backoff if envelope.backoff is not None else settings.backoff,
    )


def _recipe_of(envelope: Envelope, settings: Settings) -> str:
    """The recipe's name; a resource_type and the recipe `worker` stand or fall together."""
    if envelope.resource_type is not None:
        if envelope.recipe not in (None, recipes.WORKER):
            raise RequestInvalid(
                "field `recipe`: a job with a `resource_type` is a remote worker's; leave one of the two out", "recipe"
            )
        return recipes.WORKER
    name = recipes.choose(envelope.request, envelope.recipe, settings)
    if name == recipes.WORKER and name not in settings.recipes:
        raise RequestInvalid(
            "field `resource_type`: a remote worker's job says which type of resources it needs; add it",
            "resource_type",
        )
    return name


def _checked(name: str, envelope: Envelope, settings: Settings) -> tuple[recipes.Recipe, dict[str, Any]]:
    """The recipe and the request with its defaults. A recipe that is itself broken fails its jobs, not the queue."""
    try:
        recipe = recipes.workers(settings) if envelope.resource_type is not None else recipes.find(name, settings)
        return recipe, recipe.check(envelope.request)
    except RequestInvalid:
        raise
    except SettingsInvalid as error:
        raise RequestInvalid(f"field `recipe`: {error}", "recipe") from None
    except Exception as error:
        raise RequestInvalid(f"field `recipe`: {name!r} broke: {type(error).__name__}: {error}", "recipe") from error
