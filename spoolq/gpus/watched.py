"""The GPUs of one slot as they are now: looked at when somebody asks, and for a second not again."""

from __future__ import annotations

import time
from collections.abc import Callable

from spoolq.errors import SpoolqError, SpoolUnusable
from spoolq.gpus import DriverSilent, Gpu, Look, NoDriver, Provider, provider
from spoolq.gpus.quarantine import Quarantine, among, lift, standing
from spoolq.gpus.slots import ours
from spoolq.gpus.visible import chosen, named
from spoolq.lock import lock_directory
from spoolq.store import Store

#: For so long a look is true enough to choose by; and a driver that was silent is not asked again, in seconds.
_FRESH_S, _SILENT_S = 1.0, 5.0


class Watched:
    """The GPUs that *devices* names (None: all that are ours); *say* gets a line about what came and went."""

    def __init__(
        self,
        store: Store,
        devices: str | None,
        say: Callable[[str], None],
        source: Provider | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.say, self.clock = store, say, clock
        self._devices = devices
        self._source = source or provider(store.settings.gpus)
        self._gpus: list[Gpu] = []
        self._silent: SpoolqError | None = None
        self._until = float("-inf")
        self._absent = False
        self._faults: tuple[str, ...] = ()

    def look(self, *, anew: bool = False) -> list[Gpu]:
        """The slot's GPUs, also those in quarantine; [] when it has none. Raises DriverSilent.

        *anew*: what was seen before this moment does not count.
        """
        if self._absent or self._devices == "":
            return self._gpus
        if self.clock() >= self._until or (anew and self._silent is None):
            self._ask()
        if self._silent is not None:
            raise self._silent
        return self._gpus

    @property
    def known(self) -> list[Gpu]:
        """What the last look has seen, however old."""
        return self._gpus

    def _ask(self) -> None:
        self._silent = None
        try:
            seen = self._source.look()
        except NoDriver:
            self._nobody()
        except DriverSilent as error:
            self._silent = error
        else:
            self._take(seen)
        self._until = self.clock() + (_FRESH_S if self._silent is None else _SILENT_S)

    def _nobody(self) -> None:
        """A host that has no driver gets none while we live, so it is not asked for each job; a list is believed."""
        self._gpus = chosen([], named(self._devices)) if self._devices else []
        self._absent = True

    def _take(self, seen: Look) -> None:
        if not seen.gpus and not seen.faults:
            self._nobody()
            return
        if seen.faults != self._faults:
            self._faults = seen.faults
            for fault in seen.faults:
                self.say(fault)
        if self._devices is None:
            self._gpus = ours(self.store.settings.gpus, seen)
            return
        listed = chosen(seen.usable, named(self._devices))
        self._gpus = [gpu for gpu in listed if gpu in seen.usable]
        if listed and not self._gpus:  # a job would find none, and compute on the CPU without a word
            why = "; ".join(seen.faults) or f"the slot's devices are {self._devices}, and nobody sees those"
            self._silent = DriverSilent(f"{why}. See `spoolq doctor`.")

    def quarantined(self, gpus: list[Gpu]) -> list[Quarantine]:
        """The quarantines that are in force among *gpus*; those that are over are lifted."""
        try:
            found = standing(lock_directory(self.store.settings.lock_dir))
        except (SpoolUnusable, OSError) as error:
            self.say(f"cannot look for quarantines: {error}. None is taken to be in force.")
            return []
        kept = []
        for gpu in gpus:
            quarantine = among(found, gpu)
            if quarantine is None:
                continue
            if quarantine.is_over(gpu):
                if lift(quarantine):
                    self.say(f"{gpu.title} is out of quarantine: its memory is back")
            else:
                kept.append(quarantine)
        return kept
