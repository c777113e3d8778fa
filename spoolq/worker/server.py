"""The queue's server as a worker sees it: the eval-jobqueue routes, by HTTP. Needs the standard library alone."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from spoolq.errors import EXIT_NOT_ALLOWED, EXIT_TRY_AGAIN, SpoolqError

#: For how long an answer is waited for, in seconds.
_TIMEOUT_S = 10.0
#: The largest answer that is read, in bytes.
_MOST = 1 << 22
#: What a server answers that may have another answer later; above 499 it always is so.
_LATER = (408, 425, 429)
#: What it answers when the job is not ours: to a heartbeat 404, to done and fail 400.
_LOST = (400, 404)
#: What it answers where there is no such route at all.
_NO_ROUTE, _NO_SUCH_PATH = (404, 405), "Not Found"


class Unreachable(SpoolqError):
    """No answer, or one that says: later. Whether the request was carried out is not known."""

    exit_code = EXIT_TRY_AGAIN


class Refused(SpoolqError):
    """The server has understood, and refuses; *status* and *detail* are its words."""

    exit_code = EXIT_NOT_ALLOWED

    def __init__(self, message: str, status: int, detail: str = "") -> None:
        super().__init__(message)
        self.status, self.detail = status, detail


@dataclass(frozen=True, slots=True)
class Offer:
    """A job that the server has given us."""

    job: str
    payload: dict[str, Any]
    kind: str


class Server:
    """One server, asked under the name *worker*. For any thread. Every method raises Unreachable and Refused."""

    def __init__(self, url: str, worker: str, token: str | None = None) -> None:
        self.url, self.worker, self.token = url.rstrip("/"), worker, token

    def claim(self, wait: float) -> Offer | None:
        """A job, None when there is none for us. A server that can hold the answer back does so for *wait* seconds."""
        answer = self._ask("GET", "/job", {"wait": f"{wait:g}"}, _TIMEOUT_S + wait).get("job")
        if answer is None:
            return None
        try:
            return Offer(str(answer["id"]), dict(answer["payload"] or {}), str(answer["resource_type"]))
        except (KeyError, TypeError, ValueError):
            raise Refused(f"cannot take a job from {self.url}: its answer is none of a job queue's.", 200) from None

    def keep(self, job: str) -> bool:
        """Say that we are at work on *job*; False when it is not ours any more."""
        return self._is_ours(f"/job/{_quoted(job)}/heartbeat")

    def keep_leases(self) -> dict[str, int]:
        """Say that we are there; returns how many resources of each type we hold."""
        held = self._ask("POST", "/heartbeat").get("resources_heartbeated")
        return {str(kind): int(count) for kind, count in held.items()} if isinstance(held, dict) else {}

    def done(self, job: str) -> bool:
        """Say that *job* is done; False when it is not ours any more."""
        return self._is_ours(f"/done/{_quoted(job)}")

    def fail(self, job: str, error: str, exit_code: int | None, outcome: str) -> bool:
        """Say that *job* has failed, or is `lost` because we are stopped; False when it is not ours any more.

        The original has no word for it: True.
        """
        code = {} if exit_code is None else {"exit_code": str(exit_code)}
        try:
            return self._is_ours(f"/fail/{_quoted(job)}", error=error, outcome=outcome, **code)
        except Refused as refused:
            if refused.status in _NO_ROUTE:
                return True
            raise

    def release(self, kind: str, job: str) -> None:
        """Give back what we hold of *kind* for *job*."""
        # Whoever acquires what he has gets the same again: so we learn which one the command has taken.
        place = f"/resource/{_quoted(kind)}"
        index = str(self._ask("POST", f"{place}/acquire", {"job_id": job}).get("index"))
        self._ask("POST", f"{place}/release", {"job_id": job, "resource_idx": index})

    def _is_ours(self, path: str, **query: str) -> bool:
        try:
            self._ask("POST", path, query)
        except Refused as refused:
            if refused.status in _LOST and refused.detail != _NO_SUCH_PATH:
                return False
            raise
        return True

    def _ask(
        self, method: str, path: str, query: dict[str, str] | None = None, timeout: float = _TIMEOUT_S
    ) -> dict[str, Any]:
        address = f"{self.url}{path}?{urllib.parse.urlencode({'worker': self.worker, **(query or {})})}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(address, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                found = json.loads(answer.read(_MOST))
        except urllib.error.HTTPError as error:
            raise self._refusal(method, path, error) from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", None) or error
            raise Unreachable(f"cannot reach {self.url}: {_words(cause)}. See that it is up.") from None
        except ValueError:
            raise Unreachable(f"cannot understand {self.url}: its answer to {path} is no JSON.") from None
        if not isinstance(found, dict):
            raise Unreachable(f"cannot understand {self.url}: its answer to {path} is no object.")
        return found

    def _refusal(self, method: str, path: str, error: urllib.error.HTTPError) -> SpoolqError:
        with error:
            try:
                detail = str(json.loads(error.read(_MOST))["detail"])
            except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
                detail = str(error.reason)
        if error.code >= 500 or error.code in _LATER:
            return Unreachable(f"{self.url} cannot answer now: {error.code} {detail}.")
        return Refused(f"cannot {method} {path} at {self.url}: {error.code} {detail}.", error.code, detail)


def _words(cause: object) -> str:
    return str(getattr(cause, "strerror", None) or cause)


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
