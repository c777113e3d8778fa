"""Whether an evaluation ran out of memory: by its control group's count of kills, and by what its log says.

The kernel's own log is not read: that takes rights which a runner need not have.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

from spoolq.orders import End

#: What PyTorch, JAX, CUDA and Python say of it. A GPU's memory has no other witness.
_SAYS = re.compile(
    r"\b(?:\w*OutOfMemoryError|CUDA out of memory|RESOURCE_EXHAUSTED: Out of memory|(?:_Array)?MemoryError)\b"
)
#: A shell, or a harness that waits for its children, reports a death by SIGKILL so.
_KILLED = (128 + signal.SIGKILL, 256 - signal.SIGKILL)


def kills(proc: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """How many processes of this process's control group were killed for want of memory; None where it is not told.

    What a runner starts is in its group, or in one below, whose kills count here too.
    """
    try:
        lines = proc.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            place, name = root / path.lstrip("/"), "memory.events"
        elif "memory" in controllers.split(","):
            place, name = root / "memory" / path.lstrip("/"), "memory.oom_control"
        else:
            continue
        count = _count(place / name)
        if count is not None:
            return count
    return None


def _count(path: Path) -> int | None:
    try:
        rows = path.read_text(encoding="ascii").splitlines()
    except OSError:  # version 1 and 2 side by side, or a container that hides it
        return None
    for row in rows:
        name, _, value = row.partition(" ")
        if name == "oom_kill" and value.isdecimal():
            return int(value)
    return None


def why(end: End, log: str, before: int | None, now: int | None) -> str | None:
    """What says that a failed evaluation ran out of memory; None when nothing does.

    *log* is the tail of its log, *before* and *now* the count of kills when it began and after it ended.
    """
    killed = end.signal == signal.SIGKILL or end.exit_code in _KILLED
    if killed and before is not None and now is not None and now > before:
        return "the kernel killed it for want of memory"
    said = _SAYS.search(log)
    return f"its log says {said[0]!r}" if said else None
