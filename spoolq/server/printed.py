"""The logs of a job's attempts: which there are, and one of them as an open file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolq import history
from spoolq.files import names_in, revalidate
from spoolq.store import Store

_OLD = re.compile(r"log\.([0-9]{1,9})\.txt")


@dataclass(slots=True)
class Log:
    """The log of *attempt* as an open file, *size* bytes long when it was opened; *fd* is -1 where there is none."""

    attempt: int
    fd: int = -1
    size: int = 0

    def close(self) -> None:
        """Once is enough; twice is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.close()  # of a response that was never begun


def logs_of(store: Store, key: str) -> dict[int, Path]:
    """The logs that there are by their attempts; the newest attempt's may be missing, when it has printed nothing."""
    run = store.layout.run(key)
    revalidate(store.layout.runs, run.path)
    try:
        names = names_in(run.path)
    except FileNotFoundError:
        return {}
    found = {int(old[1]): run.path / old[0] for name in names if (old := _OLD.fullmatch(name))}
    if run.log.name in names:
        found[_number(history.events(store, key), found)] = run.log
    return found


def open_log(store: Store, key: str, attempt: int | None = None) -> Log | None:
    """The log of *attempt*, or of the newest (which may have printed nothing yet); None when it is not there."""
    for _ in range(3):  # RACE: a new attempt puts the log by under another name between the look and the open
        known = logs_of(store, key)
        wanted = attempt if attempt is not None else max(known, default=0)
        if wanted not in known:
            return Log(0) if attempt is None else None
        try:
            fd = os.open(known[wanted], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        return Log(wanted, fd, os.fstat(fd).st_size)
    return None


def _number(past: Sequence[dict[str, Any]], old: dict[int, Path]) -> int:
    """Which attempt's the newest log is."""
    attempts = max(1, history.attempts(list(past)))
    events = [event.get("event") for event in past]
    claimed = len(events) - 1 - events[::-1].index("claimed") if "claimed" in events else 0
    # RACE: a claim is written down before it puts the log of the attempt before it by.
    early = attempts > 1 and attempts - 1 not in old and "started" not in events[claimed:]
    return attempts - 1 if early else max(attempts, max(old, default=0) + 1)
