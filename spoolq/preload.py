"""When an evaluation may be forked from a warm parent, and when a warm parent is worth its memory."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from spoolq import environment
from spoolq.documents import MAX_BYTES, parse_object
from spoolq.errors import SpoolqError
from spoolq.files import read_regular
from spoolq.names import Running, Stem, parse_queued
from spoolq.recipes import Plan, choose
from spoolq.sections import WarmSection
from spoolq.store import Store
from spoolq.transitions import State
from spoolq.warm import Warmth

#: How many of the queue's first jobs are looked at for one that a warm parent could serve.
_LOOKED_AT = 8
#: A look may cost this share of the time.
_SHARE = 0.05


def warmth(
    limits: WarmSection, recipe: str, plan: Plan, env: Mapping[str, str], unset: Sequence[str], running: Running
) -> dict[str, Any] | None:
    """How the run that *plan*, *env* and *unset* describe may be forked; None when it is to be a program.

    The key holds whatever a module may read while it is imported: the interpreter, what is imported, and the
    environment but for what spoolq tells one job about itself.
    """
    if not limits.enabled or not (plan.preload or plan.entry):
        return None
    if len(plan.argv) < 3 or not plan.argv[0].startswith("/") or plan.argv[1] != "-m":
        return None  # a launcher, or another program
    entry = plan.entry or ""
    modules = [*plan.preload, *([entry.partition(":")[0]] if entry else [])]
    common = {name: value for name, value in env.items() if not name.startswith("SPOOLQ_")}
    gone = sorted(name for name in unset if not name.startswith("SPOOLQ_"))
    key = json.dumps([plan.argv[0], recipe, modules, entry, common, gone], sort_keys=True)
    mark = environment.mark(running)
    patience = (limits.idle, limits.max_jobs, limits.start_timeout, limits.preload_timeout)
    return asdict(Warmth(key, recipe, modules, entry, mark, *patience))


class Successor:
    """Whether another job of *recipe* is among the next ones, so that a warm parent would be used. Told once."""

    def __init__(self, store: Store, recipe: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.recipe, self.clock = store, recipe, clock
        self._next_look = float("-inf")
        self._told = False

    def has_come(self) -> bool:
        """True the first time that there is one; looks at the disk, as often as its share of the time allows."""
        began = self.clock()
        if self._told or began < self._next_look:
            return False
        try:
            names = heapq.nsmallest(_LOOKED_AT, filter(parse_queued, self.store.each_name(State.QUEUED)))
            self._told = any(self._is_alike(stem) for name in names if (stem := parse_queued(name)))
        except (OSError, SpoolqError):  # the runner's own scan tells of a spool that cannot be read
            pass
        self._next_look = self.clock() + (self.clock() - began) / _SHARE
        return self._told

    def _is_alike(self, stem: Stem) -> bool:
        return recipe_of(self.store, stem) == self.recipe


def recipe_of(store: Store, stem: Stem) -> str | None:
    """The recipe of a queued job, read from its file; None when it was claimed meanwhile, or is no job at all."""
    from spoolq.models import parse_envelope  # with it comes pydantic, which not every process needs

    try:
        data, _ = read_regular(store.layout.queued(stem), MAX_BYTES)
        envelope = parse_envelope(parse_object(data))
        return choose(envelope.request, envelope.recipe, store.settings)
    except (OSError, SpoolqError):
        return None
