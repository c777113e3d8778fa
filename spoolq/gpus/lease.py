"""What a runner holds of its slot's GPUs: taken for a job, and given back when its memory is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spoolq.gpus.admission import AGAIN_S, Admission, Grant
from spoolq.gpus.aftermath import Aftermath
from spoolq.gpus.watched import Watched
from spoolq.names import Stem
from spoolq.store import Store

if TYPE_CHECKING:
    from spoolq.requests import Job


class Lease:
    """The GPUs of *slot*, of which one job after the other gets some; the slot's lock is what makes them its own."""

    def __init__(self, store: Store, slot: str, devices: str | None, say: Callable[[str], None]) -> None:
        self._settle, self._say = store.settings.gpus.settle, say
        self._watched = Watched(store, devices, say)
        self.admission = Admission(store, slot, devices, self._watched)
        self._grant = Grant(devices)
        self._after: Aftermath | None = None

    def take(self, stem: Stem, job: Job) -> tuple[str, float] | None:
        """Choose for a claimed job; why it must be given back, and for how many seconds, where there is none now."""
        asked = job.envelope
        document = {
            "request": asked.request,
            "recipe": job.recipe.name,
            "num_gpus": asked.num_gpus,
            "min_free_memory": asked.min_free_memory,
        }
        self._grant = self.admission.grant(stem, document)
        return None if self._grant.held is None else (self._grant.held, AGAIN_S)

    @property
    def refusal(self) -> str | None:
        """Why the job cannot be started here, or anywhere that we know of."""
        return self._grant.refusal

    @property
    def devices(self) -> str | None:
        """The job's `CUDA_VISIBLE_DEVICES`; None: as the runner has it."""
        return self._grant.devices

    @property
    def facts(self) -> dict[str, Any]:
        """What the line `claimed` of the job's history says of its GPUs."""
        return self._grant.facts

    def settle(self) -> float:
        """After the job's end: seconds after which to ask again; 0 when its GPUs are free, or in quarantine."""
        if self._after is None:
            self._after = Aftermath(self._watched, self._grant.gpus, self._settle, self._say)
        pause = self._after.wait()
        if not pause:
            self._after = None
        return pause
