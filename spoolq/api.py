"""The Python API: `Spool`, one directory tree as an object. Every method works on the disk, nothing is cached."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoolq import control, find, history, people, status, waiting
from spoolq.chosen import is_meant
from spoolq.create import create
from spoolq.durations import parse_duration
from spoolq.errors import ClaimLost, JobNotFound
from spoolq.jobs import Entry, describe, just_submitted
from spoolq.keyed import digest, named, submit_once
from spoolq.models import JobInfo
from spoolq.parents import resolve
from spoolq.prune import Pruned, prune
from spoolq.requests import accept
from spoolq.results import Row, chosen, rows_of
from spoolq.scores.choice import Choice
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import TERMINAL, State

if TYPE_CHECKING:
    from spoolq.scores.contrast import Contrast

Duration = float | str


class Spool:
    """An existing spool at *path*; raises SpoolUnusable or SettingsInvalid.

    A job is named by its id, an unambiguous beginning of it, ``last``, or the name of the file that was dropped;
    JobNotFound and JobAmbiguous say when that fails. Durations are seconds or texts such as ``"2h30m"``.
    """

    def __init__(self, path: str | Path) -> None:
        self.store = Store(Path(path))

    @classmethod
    def of(cls, store: Store) -> Spool:
        """A spool that is open already."""
        spool = cls.__new__(cls)
        spool.store = store
        return spool

    @classmethod
    def create(cls, path: str | Path, shared: str | None = None) -> Spool:
        """Make a spool (or what one lacks), private to its owner or *shared* with a group, and open it."""
        create(Path(path), shared)
        return cls(path)

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
        unique: bool = False,
        **policy: Any,
    ) -> JobInfo:
        """Queue a request; once this has returned, it survives a power cut. Raises RequestInvalid naming the field.

        *policy* are the other keys of an envelope: `after` (jobs), `not_before` (a datetime or ISO 8601 text), `labels`
        and so on. With *key*, or with *unique* (the request itself is the key), nothing is queued while a job of that
        key is queued or runs: then its record is returned. The record of a new job has no `position_in_queue`: to know
        that, the queue must be listed; ask `position`.
        """
        policy |= {"recipe": recipe, "timeout": timeout, "grace": grace, "max_attempts": max_attempts}
        policy |= {"retry_on": None if retry_on is None else list(retry_on)}
        if isinstance(moment := policy.get("not_before"), datetime):
            policy["not_before"] = moment.isoformat()
        if isinstance(parents := policy.get("after"), Sequence):
            policy["after"] = [parents] if isinstance(parents, str) else list(parents)
        document: dict[str, Any] = {"request": dict(request), "priority": priority}
        document |= {name: value for name, value in policy.items() if value is not None}
        return self.submit_document(document, key=key, unique=unique)

    def submit_document(self, document: Mapping[str, Any], *, key: str | None = None, unique: bool = False) -> JobInfo:
        """Queue a bare request or an envelope, as it would be dropped; the rest as `submit`."""
        document = resolve(self.store, document)
        job = accept(document, os.getuid(), self.store.settings)
        level = job.envelope.priority
        if key is None and not unique:
            return JobInfo.model_validate(just_submitted(self.store, publish(self.store, document, level), document))
        once = digest(job.recipe.name, job.envelope.request) if key is None else named(key)
        entry, new = submit_once(self.store, document, level, once)
        if not new:
            return self.get(entry.stem.uuid)
        return JobInfo.model_validate(just_submitted(self.store, entry.stem, document))

    def get(self, job: str) -> JobInfo:
        """The record of a job, whatever state it is in."""
        return JobInfo.model_validate(self.record(job))

    def record(self, job: str) -> dict[str, Any]:
        """The same as a plain dictionary, as it stands on disk and in ``--json``."""
        for _ in range(5):  # RACE: the job moves on between the listing and the read
            entry = find.find(self.store, job)
            record = describe(self.store, entry)
            if record is not None:
                return self._complete(entry, record)
        raise JobNotFound(job, self.store.root)

    def _complete(self, entry: Entry, record: dict[str, Any]) -> dict[str, Any]:
        if entry.state is State.QUEUED:
            record["position_in_queue"] = find.count_before(self.store, f"{entry.stem}.json")
        return status.with_progress(self.store, record)

    def list(self, states: Iterable[State | str] | None = None, limit: int | None = None) -> Sequence[JobInfo]:
        """Jobs of *states* (all, if None): queued and running in the order of service, then ended, newest first."""
        return [JobInfo.model_validate(record) for record in self.records(states, limit)]

    def records(
        self,
        states: Iterable[State | str] | None = None,
        limit: int | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        group: str | None = None,
    ) -> Sequence[dict[str, Any]]:
        """`list` as plain dictionaries; only jobs with *labels*, of *group*, where these are given."""
        wanted = [State(state) for state in states] if states is not None else list(State)
        active = [state for state in (State.RUNNING, State.QUEUED) if state in wanted]
        ended = find.entries(self.store, [state for state in TERMINAL if state in wanted])
        ended.sort(key=lambda entry: entry.stem.key, reverse=True)
        found = [*find.entries(self.store, active), *ended]
        filtered = bool(labels) or group is not None
        found = found if filtered else found[:limit]
        queued = [entry for entry in found if entry.state is State.QUEUED]
        places = {entry.stem.key: place for place, entry in enumerate(queued)}
        records: list[dict[str, Any]] = []
        for entry in found:
            if filtered and len(records) == limit:
                break
            record = describe(self.store, entry)
            if record is not None and (not filtered or is_meant(record, labels or {}, group)):
                record["position_in_queue"] = places.get(entry.stem.key)
                records.append(status.with_progress(self.store, record))
        return records

    def position(self, job: str) -> int:
        """How many queued jobs are served before this one; raises NotAllowed when it is not queued."""
        return find.position(self.store, job)

    def cancel(self, job: str) -> str:
        """``cancelled`` when that is done, ``requested`` when it runs and must be stopped first; raises NotAllowed."""
        lost = False
        for _ in range(5):
            entry = find.find(self.store, job)
            if lost and entry.state is State.CANCELLED:  # by us, the reply to which was lost, or by somebody as well
                return "cancelled"
            try:
                return people.cancel(self.store, entry)
            except ClaimLost:  # RACE: it was claimed, or ended, since we looked
                lost = True
        raise JobNotFound(job, self.store.root)

    def retry(self, job: str) -> str:
        """Put a failed or cancelled job back into the queue, in its old place; raises NotAllowed.

        ``queued`` when that is done, ``requested`` when the operator's watcher must do it (a shared spool).
        """
        return people.retry(self.store, find.find(self.store, job))

    def prioritise(self, job: str, level: str) -> int:
        """Give a queued job another priority; returns its new position. Raises NotAllowed."""
        stem = people.prioritise(self.store, find.find(self.store, job), level)
        return find.count_before(self.store, f"{stem}.json")

    def pause(self, reason: str | None = None) -> bool:
        """Stop runners from claiming; what runs goes on. False when it was paused already."""
        return control.pause(self.store, os.getuid(), reason)

    def resume(self) -> bool:
        """Let runners claim again; False when it was not paused."""
        return control.resume(self.store)

    def wait(self, jobs: Sequence[str], *, timeout: Duration | None = None, any_one: bool = False) -> Sequence[JobInfo]:
        """The jobs once all (or *any_one*) have ended, cancelled ones too; raises WaitTimeout."""
        limit = None if timeout is None else parse_duration(timeout)
        records = waiting.wait(self.store, jobs, timeout=limit, any_one=any_one)
        return [JobInfo.model_validate(record) for record in records]

    def status(self) -> dict[str, Any]:
        """Counts, what runs and how far, what waits and why; see `spoolq status --json`."""
        return status.status(self.store)

    def history(self, job: str) -> Sequence[dict[str, Any]]:
        """The events of a job, oldest first."""
        return history.events(self.store, find.find(self.store, job).stem.key)

    def log(self, job: str) -> Path:
        """Where the log of the job's newest attempt is, or will be."""
        return self.store.layout.run(find.find(self.store, job).stem.key).log

    def output(self, job: str) -> Path:
        """Where the job's published output is, or will be once it has succeeded."""
        return self.store.layout.run(find.find(self.store, job).stem.key).output

    def results(
        self, jobs: Sequence[str] = (), *, choice: Choice | None = None, limit: int | None = None
    ) -> Sequence[Row]:
        """The metrics of *jobs*, or of every completed job: of those that *choice* takes, the *limit* newest."""
        return rows_of(chosen(self.store, jobs, choice or Choice(), limit))

    def compare(self, first: str, second: str) -> Sequence[Contrast]:
        """Each metric of two jobs, with the paired difference where both have logged their samples."""
        from spoolq.scores.contrast import compare  # statistics takes longer to import than most calls here

        return compare(self.store, first, second)

    def prune(
        self,
        *,
        older_than: Duration | None = None,
        keep: int | None = None,
        states: Iterable[State | str] = TERMINAL,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove ended jobs with their runs: those older than *older_than*, sparing the *keep* newest."""
        limit = None if older_than is None else parse_duration(older_than)
        chosen = [State(state) for state in states]
        return prune(self.store, older_than=limit, keep=keep, states=chosen, dry_run=dry_run)
