"""Who works on the spool: runners of this host and of others, remote workers, and the pools that they share."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from spoolq.jobs import Entry, describe, parse_entry
from spoolq.masking import mask
from spoolq.names import Claim
from spoolq.server.face import Face
from spoolq.server.facts import KnownFacts
from spoolq.status import slots
from spoolq.stock import Pool, Resource, pools
from spoolq.transitions import State


class Fleet:
    """Looks at the spool behind *face*. For any thread."""

    def __init__(self, face: Face, facts: KnownFacts) -> None:
        self.face, self.facts = face, facts

    def pools(self) -> list[dict[str, Any]]:
        """Every type with its resources and their leases, and how many queued jobs need it."""
        found = pools(self.face.store)
        waiting = self._waiting() if found else Counter[str]()
        return [_pool(pool, waiting[pool.kind]) for pool in found]

    def _waiting(self) -> Counter[str]:
        names = list(self.face.view.listing(State.QUEUED).names)
        entries = (parse_entry(State.QUEUED, name) for name in names)
        facts = (self.facts.of(entry) for entry in entries if entry)
        return Counter(fact.resource_type for fact in facts if fact and fact.resource_type)

    def workers(self) -> dict[str, list[dict[str, Any]]]:
        """Runners: the slots of this host, and those of others that run something. Workers: those that have jobs."""
        store = self.face.store
        names = list(self.face.view.listing(State.RUNNING, fresh=True).names)
        running = [entry for name in names if (entry := parse_entry(State.RUNNING, name))]
        ours = {(store.host, slot): "" for slot, held in slots(store).items() if held}
        busy = {(claim.host, claim.slot): job for claim, job in _claims(running) if not claim.is_workers}
        runners = [
            {"slot": slot, "host": host, "busy": bool(job), "job_id": job or None}
            for (host, slot), job in sorted((ours | busy).items())
        ]
        workers: dict[str, list[dict[str, Any]]] = {}
        for entry in running:
            if entry.running.claim.is_workers and (record := describe(store, entry)) is not None:
                facts = {key: record[key] for key in ("job_id", "heartbeat_at", "attempt")}
                workers.setdefault(str(record["worker"]), []).append(facts)
        return {
            "runners": runners,
            "workers": [{"worker": name, "jobs": jobs} for name, jobs in sorted(workers.items())],
        }


def _claims(running: list[Entry]) -> list[tuple[Claim, str]]:
    return [(entry.running.claim, entry.stem.uuid) for entry in running]


def _pool(pool: Pool, waiting: int) -> dict[str, Any]:
    total, used = len(pool.resources), sum(1 for resource in pool.resources if resource.worker is not None)
    return {
        "type": pool.kind,
        "total": total,
        "used": used,
        "utilisation": used / total if total else 0.0,
        "draining": pool.draining,
        "resources": [_resource(resource) for resource in pool.resources],
        "waiting": waiting,
    }


def _resource(resource: Resource) -> dict[str, Any]:
    lease = None
    if resource.worker is not None:
        beat = resource.beat
        at = None if beat is None else datetime.fromtimestamp(beat, UTC).isoformat(timespec="microseconds")
        lease = {"worker": resource.worker, "job_id": resource.job, "heartbeat_at": at}
    return {"index": resource.index, "resource": mask(resource.resource), "lease": lease}
