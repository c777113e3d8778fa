"""Leases of a worker's server, by HTTP: the eval-jobqueue routes. Needs the standard library alone."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from spoolq.errors import (
    EXIT_NOT_ALLOWED,
    EXIT_TRY_AGAIN,
    LeaseLost,
    NoneFree,
    PoolUnknown,
    SettingsInvalid,
    SpoolqError,
)

#: For how long an answer is waited for, beside what the server was asked to wait; and the largest that is read.
_TIMEOUT_S, _MOST = 10.0, 1 << 22
#: How long a server that does not know how to wait is left alone, in seconds.
_PAUSE_S = 5.0


class Unreachable(SpoolqError):
    """The server does not answer, or not now."""

    exit_code = EXIT_TRY_AGAIN


class Refused(SpoolqError):
    """The server does not do it: a token is missing, or it is no job queue's."""

    exit_code = EXIT_NOT_ALLOWED


class Served:
    """What *worker* has for *job* of the server at *url*. Every method raises Unreachable and Refused."""

    def __init__(self, url: str, worker: str, job: str, token_file: str | None) -> None:
        self.url, self.query = url.rstrip("/"), {"worker": worker, "job_id": job}
        self.token = _token(token_file)

    def acquire(self, kind: str, wait: float) -> tuple[int, dict[str, Any]]:
        """The first free one, waited for at most *wait* seconds; raises PoolUnknown, NoneFree."""
        asked = time.monotonic()
        status, answer = self._ask(f"{_place(kind)}/acquire", _TIMEOUT_S + wait, wait=f"{wait:g}")
        if status == 429:
            # The original answers at once whatever it is asked.
            time.sleep(max(0.0, min(wait, _PAUSE_S) - (time.monotonic() - asked)))
            raise NoneFree(kind)
        if status == 404:
            raise PoolUnknown(kind)
        return int(answer["index"]), dict(answer["resource"])

    def heartbeat(self, kind: str) -> None:
        """Say that it is still needed; raises LeaseLost without one."""
        self._held(kind)

    def release(self, kind: str, index: int | None) -> None:
        """Give it back; raises LeaseLost without one."""
        number = self._held(kind) if index is None else index
        status, _ = self._ask(f"{_place(kind)}/release", resource_idx=str(number))
        if status == 404:
            raise lost(kind)

    def _held(self, kind: str) -> int:
        """The index of what we have: whoever acquires what he has gets the same again, touched. Raises LeaseLost."""
        _, answer = self._ask("/heartbeat")
        if not (answer.get("resources_heartbeated") or {}).get(kind):
            raise lost(kind)  # or asking would lease one
        try:
            return self.acquire(kind, 0.0)[0]
        except (NoneFree, PoolUnknown):
            raise lost(kind) from None

    def _ask(self, path: str, timeout: float = _TIMEOUT_S, **query: str) -> tuple[int, dict[str, Any]]:
        """The status and document of an answer: 200, or a 404 or 429 with the words of the dialect."""
        address = f"{self.url}{path}?{urlencode({**self.query, **query})}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(address, method="POST", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, _object(answer.read(_MOST))
        except urllib.error.HTTPError as error:
            with error:
                return self._refusal(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = getattr(error, "reason", None) or error
            words = getattr(cause, "strerror", None) or cause
            raise Unreachable(f"cannot reach {self.url}: {words}. See that it is up.") from None

    def _refusal(self, error: urllib.error.HTTPError) -> tuple[int, dict[str, Any]]:
        try:
            detail = str(_object(error.read(_MOST)).get("detail"))
        except (OSError, ValueError, http.client.HTTPException):
            detail = str(error.reason)
        if error.code in (404, 429) and (" resource" in detail or "Resource" in detail):
            return error.code, {}
        said = f"{self.url} answers {error.code} {detail}."
        if error.code >= 500 or error.code == 429:
            raise Unreachable(f"cannot have it now: {said} Try again.")
        raise Refused(f"cannot have it: {said} See that it is a job queue's server, and its token.")


def lost(kind: str) -> LeaseLost:
    """There is nothing to keep or to give back."""
    return LeaseLost(
        f"cannot find a lease of type {kind!r}: this worker has none for this job. See `spoolq pool list`."
    )


def _place(kind: str) -> str:
    return f"/resource/{quote(kind, safe='')}"


def _object(data: bytes) -> dict[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("its answer is no object")
    return found


def _token(file: str | None) -> str | None:
    """The first line of the file in which a worker has its server's token; raises SettingsInvalid."""
    if not file:
        return None
    try:
        return (Path(file).read_text(encoding="utf-8").splitlines() or [""])[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is no UTF-8"
        raise SettingsInvalid(f"cannot read token file {file}: {cause}. Name one that this user can read.") from None
