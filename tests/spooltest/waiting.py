"""Wait for something that another process or the clock must do; never by a fixed sleep."""

import time
from collections.abc import Callable

import psutil

#: CLOCK_REALTIME_COARSE of clock_gettime(2), for which Python has no name.
_REALTIME_COARSE = 5


def wait_for(condition: Callable[[], object], timeout: float = 10, what: str = "") -> None:
    """Return once *condition* holds; raises AssertionError when it does not within *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what or condition}")
        time.sleep(0.01)


def gone(process: psutil.Process) -> bool:
    """Whether *process* has ended. RACE: it may end, and be reaped, between any two questions; so it is asked one."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def coarse() -> float:
    """The clock that the kernel stamps files with; it lags the precise one by up to a tick."""
    return time.clock_gettime(_REALTIME_COARSE)


def pass_tick() -> None:
    """Return once a file made now is stamped later than everything that has been stamped so far, by either clock."""
    now = time.time()
    while coarse() <= now:
        time.sleep(0.001)
