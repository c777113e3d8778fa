"""A client of spoolq's own API: what `spoolq.Spool` does on a disk, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

from spoolq.client.line import Line
from spoolq.client.stream import Event
from spoolq.errors import WaitTimeout
from spoolq.models import JobInfo
from spoolq.transitions import TERMINAL

Duration = float | str
#: How many jobs of a listing are asked for at once.
_PAGE = 200


class Job(JobInfo):
    """One job; *reason* says why it waits, if it does."""

    reason: str | None = None


class Client:
    """A spool behind `spoolq serve` at *base_url*; *timeout* is of one request, in seconds, None for none.

    A job is named by its id, an unambiguous beginning of it, or ``last``. Durations are seconds or texts such as
    ``"2h30m"``. Every method raises Unreachable, TokenRefused, NoSuchJob, Conflict, Invalid, TryLater, which are all
    SpoolqErrors.
    """

    def __init__(
        self, base_url: str = "http://localhost:8000", *, token: str | None = None, timeout: float | None = 30.0
    ) -> None:
        self.line = Line(base_url, token, timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_raised: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.line.http.close()

    def submit(
        self,
        request: Mapping[str, Any],
        *,
        recipe: str | None = None,
        priority: str = "normal",
        timeout: Duration | None = None,
        grace: Duration | None = None,
        max_attempts: int | None = None,
        retry_on: Sequence[str] | None = None,
        key: str | None = None,
    ) -> Job:
        """Queue a request; once this has returned, it survives a power cut.

        With a *key* of your own, a new one for each submission, the same call may be made again after Unreachable: it
        queues nothing twice.
        """
        policy = {
            "recipe": recipe,
            "timeout": timeout,
            "grace": grace,
            "max_attempts": max_attempts,
            "retry_on": None if retry_on is None else list(retry_on),
        }
        document: dict[str, Any] = {"request": dict(request), "priority": priority}
        return self.submit_document(
            document | {name: said for name, said in policy.items() if said is not None}, key=key
        )

    def submit_document(self, document: Mapping[str, Any], *, key: str | None = None) -> Job:
        """Queue a bare request or an envelope, as it would be dropped; the rest as `submit`."""
        return Job.model_validate(self.line.json("POST", "/jobs", json=dict(document), headers=_key(key)))

    def submit_all(self, documents: Iterable[Mapping[str, Any]], *, key: str | None = None) -> list[Job]:
        """Queue several, all or none, in their order."""
        asked = {"jobs": [dict(document) for document in documents]}
        queued = self.line.json("POST", "/jobs/batch", json=asked, headers=_key(key))["jobs"]
        return [Job.model_validate(record) for record in queued]

    def validate(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The request with its defaults filled in, and its recipe; queues nothing. Raises Invalid."""
        return dict(self.line.json("POST", "/validate", json=dict(document)))

    def get(self, job: str) -> Job:
        """The record of a job, whatever state it is in."""
        return Job.model_validate(self.line.json("GET", _path(job)))

    def jobs(self, states: Iterable[str] = (), *, limit: int | None = None, **filters: Any) -> Iterator[Job]:
        """Jobs of *states* (all, if none): running, queued in the order of service, then ended, newest first.

        *filters* are those of `GET /api/v1/jobs`: recipe, model, task, priority, outcome, q, since, until.
        """
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            asked = {"state": list(states), **filters, "limit": min(left or _PAGE, _PAGE), "cursor": cursor}
            page = self.line.json("GET", "/jobs", params=_said(asked))
            for record in page["jobs"]:
                yield Job.model_validate(record)
            cursor = page["next"]
            if cursor is None:
                return
            left = None if left is None else left - len(page["jobs"])

    def history(self, job: str) -> list[dict[str, Any]]:
        """The events of a job, oldest first."""
        return list(self.line.json("GET", _path(job, "history"))["events"])

    def cancel(self, job: str) -> str:
        """``cancelled`` when that is done, ``requested`` when it runs and must be stopped first."""
        return str(self.line.json("POST", _path(job, "cancel"))["status"])

    def retry(self, job: str) -> str:
        """``queued`` when it is back in its place, ``requested`` when the operator's watcher must do it."""
        return str(self.line.json("POST", _path(job, "retry"))["status"])

    def prioritise(self, job: str, level: str) -> int:
        """Give a queued job another priority; returns its new position."""
        return int(self.line.json("PUT", _path(job, "priority"), json={"priority": level})["position_in_queue"])

    def wait(
        self, *jobs: str, timeout: float | None = None, any_one: bool = False, poll_interval: float = 1.0
    ) -> list[Job]:
        """*jobs* once all (or *any_one*) have ended, cancelled ones too; raises WaitTimeout."""
        began, ended = time.monotonic(), dict[str, Job]()
        while True:
            for job in jobs:
                if job not in ended and (record := self.get(job)).status in TERMINAL:
                    ended[job] = record
            if len(ended) == len(jobs) or (any_one and ended):
                return [ended[job] for job in jobs if job in ended]
            if timeout is not None and time.monotonic() - began > timeout:
                so_far = f"{len(ended)} of {len(jobs)} jobs had ended"
                raise WaitTimeout(f"cannot wait any longer: after {timeout:g} s only {so_far}. Wait for them again.")
            time.sleep(poll_interval)

    def log(self, job: str, *, tail: int | None = None, attempt: int | None = None) -> str:
        """What a job has printed so far: all of it, or its last lines; *attempt* for an earlier one's."""
        return self.line.ask("GET", _path(job, "log"), params=_said({"tail": tail, "attempt": attempt})).text

    def follow(self, job: str, *, tail: int | None = None) -> Iterator[str]:
        """What a job prints, as it prints it, until it has ended; goes on when the server is restarted."""
        for event in self.line.listen(_path(job, "log/events"), _said({"tail": tail})):
            if event.name == "end":
                return
            if event.name == "log":
                yield event.data["text"]

    def events(self, last_id: str | None = None) -> Iterator[Event]:
        """``change`` for every change of a job's state, ``queue`` for counts and progress; without end.

        With the id of the last event seen, what has changed since comes first.
        """
        return self.line.listen("/events", {}, last_id)

    def results(
        self, jobs: Sequence[str] = (), *, model: str | None = None, task: str | None = None, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The metrics of *jobs*, or of the newest completed ones, a row each."""
        asked = {"job": list(jobs), "model": model, "task": task, "limit": limit}
        return list(self.line.json("GET", "/results", params=_said(asked))["rows"])

    def compare(self, *jobs: str) -> dict[str, Any]:
        """The metrics of *jobs* side by side."""
        return dict(self.line.json("GET", "/results/compare", params={"job": list(jobs)}))

    def status(self) -> dict[str, Any]:
        """Counts, what runs and how far, what waits and why."""
        return dict(self.line.json("GET", "/status"))

    def pause(self, reason: str | None = None) -> None:
        """Stop runners from claiming; what runs goes on."""
        self.line.ask("POST", "/pause", json={"reason": reason})

    def resume(self) -> None:
        """Let runners claim again."""
        self.line.ask("POST", "/resume")


def _path(job: str, verb: str = "") -> str:
    return f"/jobs/{quote(job, safe='')}" + (f"/{verb}" if verb else "")


def _said(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value is not None}


def _key(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}
