"""What a request to `/api/v1` may end with instead of an answer, one class for each thing that can be done about it."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx

from spoolq.errors import EXIT_NOT_ALLOWED, EXIT_NOT_FOUND, EXIT_TRY_AGAIN, EXIT_USAGE, SpoolqError


class Unreachable(SpoolqError):
    """No answer came. Whether the request was carried out is not known."""

    exit_code = EXIT_TRY_AGAIN


class Refused(SpoolqError):
    """The server refuses; *status* is that of its answer, *field* the culprit in what was sent, if there is one."""

    exit_code = EXIT_NOT_ALLOWED

    def __init__(self, message: str, status: int, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.field = status, field


class TokenRefused(Refused):
    """A token is needed, it is another one, or it may only look."""


class NoSuchJob(Refused):
    """No job answers to that id, or several do to that beginning of one."""

    exit_code = EXIT_NOT_FOUND


class Conflict(Refused):
    """The job's state does not allow it; or the key was used for another request."""


class Invalid(Refused):
    """The request cannot be taken; `field` is the culprit."""

    exit_code = EXIT_USAGE


class TryLater(Refused):
    """The spool, or the server, cannot do it at this moment."""

    exit_code = EXIT_TRY_AGAIN


_KINDS: dict[int, type[Refused]] = {
    401: TokenRefused, 403: TokenRefused, 404: NoSuchJob, 409: Conflict, 413: Invalid, 422: Invalid, 429: TryLater,
    503: TryLater,
}  # fmt: skip


def check(response: httpx.Response) -> None:
    """Raise what *response*, whose body has been read, says went wrong."""
    if response.is_success:
        return
    said: Any = None
    with contextlib.suppress(ValueError):
        said = response.json()
    detail = said.get("detail") if isinstance(said, dict) else None
    field = said.get("field") if isinstance(said, dict) else None
    message = (
        detail if isinstance(detail, str) else f"the server answered {response.status_code} {response.reason_phrase}"
    )
    raise _KINDS.get(response.status_code, Refused)(message, response.status_code, field)


def unreachable(url: str, error: httpx.HTTPError) -> Unreachable:
    """What is raised when no answer came."""
    cause = str(error) or type(error).__name__
    return Unreachable(f"cannot reach {url}: {cause}. See that `spoolq serve` runs there, and try again.")
