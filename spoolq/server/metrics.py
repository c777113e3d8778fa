"""`GET /metrics`: the spool in figures for Prometheus, taken at the scrape, beside what the server counts of itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spoolq import control, pools
from spoolq.jobs import Entry, describe, parse_entry
from spoolq.names import PRIORITIES, parse_queued, parse_stamp
from spoolq.server.face import Face
from spoolq.server.routes import Responses, faults
from spoolq.transitions import State

_TEXT: Responses = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"},
    503: faults()[503],
}
#: The longest name of a worker in a label.
_LONGEST = 100


def router(face: Face) -> APIRouter:
    """The route."""
    made = APIRouter(tags=["metrics"])
    registry = face.figures.registry
    registry.register(Gauges(face))

    @made.get("/metrics", response_class=Response, responses=_TEXT)
    async def metrics() -> Response:
        """The spool in figures, in Prometheus' text format."""
        return Response(await face.work(generate_latest, registry), media_type=CONTENT_TYPE_LATEST)

    return made


class Gauges(Collector):
    """What the directories of a spool say at the moment."""

    def __init__(self, face: Face) -> None:
        self.face = face

    def collect(self) -> Iterator[Metric]:
        """All of it, by a few listings; raises SpoolUnusable."""
        view = self.face.view
        jobs = GaugeMetricFamily("spoolq_jobs", "Jobs by state", labels=["state"])
        for state, listing in view.all().items():
            jobs.add_metric([state.value], len(listing.names))
        yield jobs
        paused = control.read(self.face.store).paused
        yield GaugeMetricFamily("spoolq_paused", "Whether runners claim nothing", value=float(paused))
        waited = self._waited(list(view.listing(State.QUEUED).names))
        yield GaugeMetricFamily("spoolq_oldest_queued_seconds", "Age of the oldest queued job; 0: none", value=waited)
        yield self._pools()
        yield self._heartbeats()

    def _waited(self, names: list[str]) -> float:
        # Each priority is a block of names in the order of their stamps; normal ones begin with the year.
        firsts = (bisect_left(names, prefix or "2") for prefix in PRIORITIES.values())
        stems = (parse_queued(names[place]) for place in firsts if place < len(names))
        oldest = min((parse_stamp(stem.stamp).timestamp() for stem in stems if stem), default=None)
        return 0.0 if oldest is None else max(0.0, self.face.store.clock() - oldest)

    def _pools(self) -> Metric:
        found = GaugeMetricFamily("spoolq_pool_resources", "Resources of pools", labels=["type", "state"])
        for kind, shelf in pools.shelves(self.face.store).items():
            found.add_metric([kind, "free"], len(shelf.free))
            found.add_metric([kind, "leased"], len(shelf.leases))
        return found

    def _heartbeats(self) -> Metric:
        oldest: dict[str, float] = {}
        for name in list(self.face.view.listing(State.RUNNING).names):
            entry = parse_entry(State.RUNNING, name)
            if entry is not None and (age := self._age(entry)) is not None:
                worker = self._worker(entry)[:_LONGEST]
                oldest[worker] = max(age, oldest.get(worker, 0.0))
        found = GaugeMetricFamily("spoolq_heartbeat_age_seconds", "Since the last heartbeat", labels=["worker"])
        for worker, age in sorted(oldest.items()):
            found.add_metric([worker], age)
        return found

    def _age(self, entry: Entry) -> float | None:
        try:
            beat = self.face.store.layout.beat(entry.running).stat()
        except OSError:
            return None  # it has not begun to beat, or has ended
        return max(0.0, self.face.store.clock() - beat.st_mtime)

    def _worker(self, entry: Entry) -> str:
        """HOST.SLOT of a runner; a remote worker's own name, which is in the history."""
        claim = entry.running.claim
        record = describe(self.face.store, entry) if claim.is_workers else None
        return str(record["worker"]) if record is not None else claim.worker
