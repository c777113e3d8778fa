"""How long a worker tries: for ever, at growing distances, until told to stop. Servers are restarted at any time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from spoolq.errors import EXIT_TRY_AGAIN, SpoolqError
from spoolq.worker.server import Unreachable

Answer = TypeVar("Answer")
#: Between two tries, in seconds: at first, and at most. Up to half of it more, so that workers do not come in step.
FIRST_S, MOST_S = 0.5, 30.0


class Stopped(SpoolqError):
    """We were told to stop trying, or the time for it was over."""

    exit_code = EXIT_TRY_AGAIN


def insist(
    ask: Callable[[], Answer], told: threading.Event, say: Callable[[str], None], *, within: float | None = None
) -> Answer:
    """What *ask* returns, however often it is Unreachable; raises Stopped once *told*, or *within* seconds are over."""
    pause, deadline, complained = FIRST_S, None if within is None else time.monotonic() + within, False
    while True:
        try:
            return ask()
        except Unreachable as error:
            if told.is_set() or (deadline is not None and time.monotonic() + pause > deadline):
                raise Stopped(str(error)) from None
            if not complained:
                say(f"{error} Trying again.")
            complained = True
        told.wait(pause * random.uniform(1.0, 1.5))
        pause = min(2 * pause, MOST_S)
