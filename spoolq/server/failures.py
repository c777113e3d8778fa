"""How often an address has shown a wrong token lately: after too many it is refused unheard for a while."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

#: Addresses remembered; beyond that the one that failed longest ago is forgotten.
_MOST = 4096


class Failures:
    """*most* failures of one address within *window* seconds close the door to it for *window* seconds."""

    def __init__(self, most: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.window, self.clock = most, window, clock
        self._of: OrderedDict[str, list[float]] = OrderedDict()

    def count(self, address: str) -> None:
        """Another failure of *address*."""
        times = self._recent(address)
        times.append(self.clock())
        self._of[address] = times
        self._of.move_to_end(address)
        while len(self._of) > _MOST:
            self._of.popitem(last=False)

    def wait(self, address: str) -> int:
        """Whole seconds for which *address* must wait; 0 when it may try."""
        times = self._recent(address)
        return max(1, math.ceil(times[-self.most] + self.window - self.clock())) if len(times) >= self.most else 0

    def _recent(self, address: str) -> list[float]:
        oldest = self.clock() - self.window
        return [at for at in self._of.get(address, []) if at > oldest][-self.most :]
