"""The queue's near future for views: which jobs are held and why, what is expected of the others, and of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spoolq import gates
from spoolq.forecast import forecast
from spoolq.names import parse_key
from spoolq.store import Store
from spoolq.took import Past

#: How many of the first jobs of the queue are read; those behind are counted.
READ = 25


class Outlook:
    """What is expected of the jobs of a spool as it was when *running* and *first* were read.

    *first* are the records of the first jobs in the queue, at least `READ` of its *depth*. A queue that is *paused*
    gets nowhere; a job that is held, or a remote worker's, is left out, and those behind it go on without it.
    """

    def __init__(
        self,
        store: Store,
        past: Past,
        running: Sequence[Mapping[str, Any]],
        first: Sequence[Mapping[str, Any]],
        *,
        depth: int,
        idle: int,
        paused: bool,
    ) -> None:
        self._gates = gates.Gates(store, gates.of(store))
        self._held: dict[str, str | None] = {}
        self._read = len(first)
        going = [] if paused else [record for record in first if not self._is_left_out(record)]
        rest = max(0, depth - len(first)) if going else 0
        self._forecast = forecast(past, store.clock(), running, idle, going, rest, store.settings.timeout)

    def facts(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """`expected_start`, `expected_end` and `expected_from` of a running or a queued job; null where unknown."""
        place = record["position_in_queue"]
        behind = None
        if place is not None and place >= self._read and not self._is_left_out(record):
            behind = place - self._read
        return self._forecast.facts(record["job_id"], behind)

    def why_held(self, record: Mapping[str, Any]) -> str | None:
        """Why runners pass over the queued job of *record*; None when it waits only for its turn, or for a slot."""
        job = record["job_id"]
        if job not in self._held:
            stem = parse_key(str(record["run_dir"]).rpartition("/")[2])
            hold = self._gates.judge(stem.with_priority(record["priority"]), record) if stem else None
            self._held[job] = hold.why if hold else None
        return self._held[job]

    @property
    def done(self) -> dict[str, str | None] | None:
        """When the last job ends that can run now: `p50` and `p90`; None when nobody can tell."""
        return self._forecast.span(self._forecast.done)

    def _is_left_out(self, record: Mapping[str, Any]) -> bool:
        """Whether no slot of ours is taken by the job when its turn comes."""
        return record["resource_type"] is not None or bool(record["error"]) or self.why_held(record) is not None
