"""Benchmark runs: the jobs of the recipe that ``[benchmark]`` names, whoever has submitted them.

All of it is on disk. What is remembered is only which jobs are benchmark runs, which never changes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Iterable

from fastapi import HTTPException

from spoolq import recipes
from spoolq.errors import JobNotFound, NotAllowed, RequestInvalid, SpoolqError
from spoolq.files import read_regular
from spoolq.finish import MAX_RECORD
from spoolq.jobs import Entry, describe, parse_entry
from spoolq.server import intake
from spoolq.server.benchmark_log import progress
from spoolq.server.benchmark_models import STATUS_OF, BenchmarkRequest, BenchmarkStatus, Status, config_of
from spoolq.server.face import Face
from spoolq.transitions import ACTIVE, TERMINAL, State

log = logging.getLogger("spoolq.server")

#: How often a job may move on between being found and being read.
_MOVES = 5


def _unknown(job_id: str) -> HTTPException:
    return HTTPException(404, f"Job '{job_id}' not found")


class Runs:
    """The benchmark runs of the spool behind *face*. For any thread; HTTPException carries the dialect's answers."""

    def __init__(self, face: Face) -> None:
        self.face, self.store = face, face.store
        self.recipe = face.store.settings.benchmark.recipe
        self._ours: dict[str, bool] = {}
        self._lock = threading.Lock()

    def entries(self, states: Iterable[State] = State, *, fresh: bool = False) -> list[Entry]:
        """The runs in *states*, in the order in which they were submitted."""
        found: dict[str, Entry] = {}
        for state in states:
            for uuid, name in list(self.face.view.listing(state, fresh=fresh).places.items()):
                if self._ours.get(uuid) is not False:
                    entry = parse_entry(state, name)
                    if entry is not None and self._is_run(entry):
                        found[uuid] = entry
        return sorted(found.values(), key=lambda entry: entry.stem.key)

    def _is_run(self, entry: Entry) -> bool:
        uuid = entry.stem.uuid
        known = self._ours.get(uuid)
        if known is None:
            known = self._read_whether(entry)
            if known is None:
                return False  # it has moved on, and is met again where it is now
            with self._lock:
                self._ours[uuid] = known
        return known

    def _read_whether(self, entry: Entry) -> bool | None:
        layout = self.store.layout
        path = layout.queued(entry.stem) if entry.state is State.QUEUED else None
        path = layout.running(entry.running) if entry.state is State.RUNNING else path
        try:
            data, _ = read_regular(path or layout.terminal(entry.state, entry.stem.key), MAX_RECORD)
        except OSError:
            return None
        try:
            document = json.loads(data)
            request = document.get("request")
            bare = not isinstance(request, dict)
            named = None if bare else document.get("recipe")
            return recipes.choose(document if bare else request, named, self.store.settings) == self.recipe
        except (ValueError, AttributeError, RecursionError, RequestInvalid):
            return False  # no valid job

    def find(self, job_id: str) -> Entry:
        """The run *job_id*; HTTPException 404 when there is none."""
        for _ in range(_MOVES):
            try:
                entry = self.face.view.find(job_id)
            except JobNotFound:
                break
            if self._is_run(entry):
                return entry
            if self._ours.get(job_id) is False:
                break
            self.look()
        raise _unknown(job_id)

    def look(self) -> None:
        """Have the next question answered from listings made after this call."""
        for state in State:
            self.face.view.listing(state, fresh=True)

    def start(self, asked: BenchmarkRequest) -> str:
        """Submit a run; its id. HTTPException 409 while another one waits or runs, 503 without a recipe.

        Raises RequestInvalid for what the recipe does not take, LockTimeout, SpoolUnusable.
        """
        self._insist_on_recipe()
        grace = self.store.settings.benchmark.grace
        document = {"request": asked.model_dump(), "recipe": self.recipe, "grace": grace}
        intake.check(self.face, document)
        self.entries(ACTIVE)  # what is not known yet is read before the lock is held
        with self.store.locked():
            # RACE: of two servers the second to hold the lock sees the first one's job. CRASH: killed before the
            # rename inside `submit` there is no run; killed after it there is one, and who asks again is told so.
            # Twice: a runner that goes on without the lock may requeue against the order of our listings.
            if self.entries(ACTIVE, fresh=True) or self.entries(ACTIVE, fresh=True):
                raise HTTPException(409, "A benchmark is already running")
            stem, _ = intake.submit(self.face, document)
        self.face.moved()
        return stem.uuid

    def _insist_on_recipe(self) -> None:
        if self.recipe not in recipes.known(self.store.settings):
            raise HTTPException(
                503,
                f"cannot start a benchmark: there is no recipe {self.recipe!r}. The operator may declare "
                f"[recipes.{self.recipe}] in spoolq.toml, or name another as `recipe` under [benchmark].",
            )

    def cancel(self, job_id: str) -> float:
        """Cancel a run, or ask its runner to; returns for how long that may take, in seconds.

        HTTPException 404, 409 when it has ended, 500 when the spool refuses.
        """
        entry = self.find(job_id)
        if entry.state not in TERMINAL:
            try:
                self.face.spool.cancel(entry.stem.uuid)
            except NotAllowed:
                self.look()
                entry = self.find(job_id)
                if entry.state not in TERMINAL:
                    raise
            except (SpoolqError, OSError) as error:
                log.warning("cannot cancel %s: %s", job_id, error)
                self.look()
                self.find(job_id)  # which has an answer of its own when it is gone
                raise HTTPException(500, "Failed to cancel job") from None
        if entry.state in TERMINAL:
            raise HTTPException(409, f"Job '{job_id}' is not running (status: {STATUS_OF[entry.state]})")
        self.face.moved()
        record = describe(self.store, entry) or {}
        asked = record.get("grace")
        return float(asked) if asked is not None else self.store.settings.grace

    def status(self, job_id: str, *, fresh: bool = False) -> BenchmarkStatus:
        """How the run *job_id* stands; HTTPException 404."""
        for _ in range(_MOVES):  # RACE: it moves on between being found and being read
            if fresh:
                self.look()
            entry = self.find(job_id)
            if (shown := self._shown(entry)) is not None:
                return shown
            fresh = True
        raise _unknown(job_id)

    def all(self) -> list[BenchmarkStatus]:
        """Every run, in the order in which they were submitted."""
        shown = []
        for entry in self.entries():
            with contextlib.suppress(HTTPException):  # pruned meanwhile
                shown.append(self._shown(entry) or self.status(entry.stem.uuid, fresh=True))
        self._forget()
        return shown

    def _forget(self) -> None:
        """Keep in mind only jobs that there still are."""
        there = {uuid for state in State for uuid in list(self.face.view.listing(state).places)}
        with self._lock:
            self._ours = {uuid: known for uuid, known in self._ours.items() if uuid in there}

    def _shown(self, entry: Entry) -> BenchmarkStatus | None:
        record = describe(self.store, entry)
        if record is None:
            return None
        begun = entry.state is not State.QUEUED
        experiment, step, percent = progress(self.store.layout.run(entry.stem.key).log) if begun else (None,) * 3
        return BenchmarkStatus(
            job_id=entry.stem.uuid,
            status=STATUS_OF[entry.state],
            started_at=record["started_at"],
            finished_at=record["completed_at"],
            config=config_of(record["request"]),
            current_experiment=experiment,
            current_step=step,
            progress_pct=percent,
        )

    def ended(self, job_id: str) -> tuple[Status | None, bool]:
        """The status of a run that has ended, else None; and whether its record is written, too.

        Raises JobNotFound when it is gone.
        """
        entry = self.face.view.find(job_id)
        if entry.state not in TERMINAL:
            return None, False
        record = describe(self.store, entry)
        return STATUS_OF[entry.state], record is not None and record["outcome"] is not None
