"""Which GPUs of its slot a job gets, and why it must wait for them: the gate that a runner asks before it claims.

What comes first is the slot's lock, which keeps two jobs of ours apart; then the quarantine; then what is free of each
GPU's memory, whoever has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from spoolq.claims import MAX_CLAIMED
from spoolq.documents import MAX_DEPTH, parse_object
from spoolq.errors import RequestInvalid, SpoolUnusable
from spoolq.files import read_regular
from spoolq.gate import Gate
from spoolq.gpus import DriverSilent, Gpu, told
from spoolq.gpus.elsewhere import could_run
from spoolq.gpus.need import Need, floor_of, need_of, size
from spoolq.gpus.quarantine import among
from spoolq.gpus.strangers import strangers
from spoolq.gpus.visible import device_list
from spoolq.gpus.watched import Watched
from spoolq.names import Stem
from spoolq.store import Store

#: Nobody tells us when a stranger leaves a GPU: so often a job that waits for one is asked about, in seconds.
AGAIN_S = 3.0
#: Views are told at once, but not more often than this within a round; of so many jobs; and for so long of one that
#: nobody has asked about.
_TELL_S, _SHOWN, _FORGET_S = 1.0, 500, 600.0
#: How many jobs' needs are remembered; those beyond are read again.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Grant:
    """What a job gets: its `CUDA_VISIBLE_DEVICES` (None: as the runner has it) and the GPUs in it.

    *held*: it must wait, for that reason. *refusal*: it can never run here, for that one.
    """

    devices: str | None = None
    gpus: tuple[Gpu, ...] = ()
    held: str | None = None
    refusal: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What the history says of it: the UUIDs, or indices where no UUID is known; nothing without GPUs."""
        return {"gpus": [gpu.uuid or str(gpu.index) for gpu in self.gpus]} if self.gpus else {}


class Admission(Gate):
    """The GPUs of *slot* and who may have them. *watched* tells what they are like now."""

    def __init__(self, store: Store, slot: str, devices: str | None, watched: Watched) -> None:
        self.store, self.slot, self.devices, self.watched = store, slot, devices, watched
        self._needs: dict[str, Need] = {}
        #: Job id -> why it waits, and when it was asked about last.
        self._waiting: dict[str, tuple[str, float]] = {}
        self._told: tuple[Any, ...] = ()
        self._tell_at = float("-inf")
        #: What jobs of one need are told in one round, by one look.
        self._decided: dict[Need, Grant] = {}

    def refresh(self) -> None:
        """A new round: what jobs waited for in the last one is told to who looks."""
        self._decided.clear()
        self._tell()

    def why_not(self, stem: Stem, document: Mapping[str, Any]) -> str | None:
        """Why the job must wait for GPUs; None when it may go, or must be claimed to be refused."""
        need = self._need(stem, document)
        if need not in self._decided:
            self._decided[need] = self._decide(need, {})
        held = self._decided[need].held
        if held is None:
            self._waiting.pop(stem.uuid, None)
            return None
        now = self.watched.clock()
        self._waiting[stem.uuid] = (held, now)
        if now >= self._tell_at:
            self._tell()
        return held

    def patience(self, _stem: Stem, _document: Mapping[str, Any]) -> float:
        """A few seconds."""
        return AGAIN_S

    def grant(self, stem: Stem, document: Mapping[str, Any]) -> Grant:
        """What the job gets that was claimed as *document*: an envelope with its request as submitted."""
        self._needs.pop(str(stem), None)
        self._waiting.pop(stem.uuid, None)
        recipe = self.store.settings.recipes.get(str(document.get("recipe")), {})
        return self._decide(need_of(document, self.store.settings), recipe)

    def _need(self, stem: Stem, document: Mapping[str, Any]) -> Need:
        """What it asks for, also in its request, which is not in *document*.

        RACE: after its claim the file is gone; what was read before is right, for a queued file never changes.
        """
        name = str(stem)
        need = self._needs.get(name)
        if need is None:
            try:
                data, _ = read_regular(self.store.layout.queued(stem), MAX_CLAIMED)
                need = need_of(_parsed(data), self.store.settings)
            except (OSError, RequestInvalid):
                return need_of({"request": {}, **document}, self.store.settings)
            self._needs[name] = need
            if len(self._needs) > _REMEMBERED:
                del self._needs[next(iter(self._needs))]
        return need

    def _decide(self, need: Need, recipe: Mapping[str, Any]) -> Grant:
        if need.count == 0 and not need.because:
            return Grant(devices="")
        try:
            gpus = self.watched.look()
        except DriverSilent as error:
            return Grant(held=f"waiting for the GPUs to be seen: {error}")
        if need.count == 0:
            return Grant(refusal=f"{need.because}, and it asks for no GPU at all")
        if len(gpus) < need.least:
            return self._elsewhere(need, len(gpus))
        if not gpus:
            return Grant(devices=self.devices)
        if (floor := need.floor_mib) is not None:
            if any(gpu.free_mib is None for gpu in gpus):
                return Grant(refusal=f"`min_free_memory` is {size(floor)}, and nobody tells what is free of each GPU")
            if sum(floor <= (gpu.total_mib or floor) for gpu in gpus) < max(1, need.least):
                return self._larger(floor, need)
        return self._choose(need, gpus, recipe)

    def _larger(self, floor: float, need: Need) -> Grant:
        """No GPU here is so large: it waits for another slot, whose GPUs may be larger."""
        who = could_run(self.store, self.slot, max(1, need.least), self._inherited)
        if who is not None:
            return Grant(
                held=f"waiting for {who} with larger GPUs; those of slot {self.slot} have less than {size(floor)}"
            )
        return Grant(
            refusal=f"`min_free_memory` is {size(floor)}, and no slot has {_gpus(need.least or 1)} of that size"
        )

    def _elsewhere(self, need: Need, has: int) -> Grant:
        """There are too few here: it waits for another slot that has enough, and without one it can never run."""
        who = could_run(self.store, self.slot, need.least, self._inherited)
        if who is not None:
            return Grant(held=f"waiting for {who} with {_gpus(need.least)}; slot {self.slot} has {has or 'none'}")
        where = f"slot {self.slot} has {_gpus(has)}" if has else "there is no GPU"
        return Grant(
            refusal=f"{need.because}, and {where}, nor has any other slot so many. Harnesses would compute on the CPU "
            "without a word. See `spoolq doctor`, and docs/gpus.md for GPUs that are not found."
        )

    def _inherited(self) -> int:
        """How many GPUs a slot without a list has: what this one would have without it."""
        other = Watched(self.store, None, self.watched.say)
        try:
            return len(other.look())
        except DriverSilent:
            return 1 << 10  # nobody knows, so it may be enough

    def _choose(self, need: Need, gpus: Sequence[Gpu], recipe: Mapping[str, Any]) -> Grant:
        section = self.store.settings.gpus
        out = self.watched.quarantined(list(gpus))
        there = [gpu for gpu in gpus if among(out, gpu) is None]
        floors = {gpu.key: floor_of(need, gpu, section) for gpu in there}
        free = [gpu for gpu in there if _fits(gpu, floors[gpu.key])]
        # A GPU in quarantine is not waited for by a job that takes what there is: the night has other jobs.
        count = need.count if need.count is not None else len(there)
        if count and len(free) >= count:
            picked = tuple(free[:count])
            return Grant(device_list(picked, uuids=recipe.get("gpu_ids") == "uuid"), picked)
        why = [f"{gpu.title} is in quarantine since {q.since}" for gpu in gpus if (q := among(out, gpu)) is not None]
        why += [_busy(gpu) for gpu in there if gpu not in free]
        return Grant(held=f"waiting for {_gpus(count or 1)}{_with(list(floors.values()))}: {'; '.join(why)}")

    def _tell(self) -> None:
        """Say what has changed; a job that nobody has asked about for long is cancelled, or another's."""
        clock = self.watched.clock()
        self._waiting = {job: (why, at) for job, (why, at) in self._waiting.items() if clock - at < _FORGET_S}
        waiting = {job: why for job, (why, _) in islice(self._waiting.items(), _SHOWN)}
        now = (tuple(waiting.items()), tuple(gpu.key for gpu in self.watched.known))
        if now == self._told or (not self._told and not any(now)):
            return
        self._tell_at = clock + _TELL_S
        try:
            told.tell(self.store, self.slot, self.watched.known, waiting)
            self._told = now
        except (OSError, SpoolUnusable):  # a view's loss: the next round tries again
            self._told = ()


def _parsed(data: bytes) -> dict[str, Any]:
    return parse_object(data, "the job's file", limit=MAX_CLAIMED, depth=MAX_DEPTH + 1)


def _fits(gpu: Gpu, floor: float | None) -> bool:
    return floor is None or gpu.free_mib is None or gpu.free_mib >= floor


def _busy(gpu: Gpu) -> str:
    others = strangers(gpu)
    return f"{gpu.title} has {size(gpu.free_mib or 0)}" + (f" beside {others}" if others else "")


def _with(floors: list[float | None]) -> str:
    known = [floor for floor in floors if floor is not None]
    return f" with {size(max(known))} free" if known else ""


def _gpus(count: int) -> str:
    return f"{count} GPU" + ("" if count == 1 else "s")
