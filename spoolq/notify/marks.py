"""Who tells: a mark in the job's run folder while a notice is under way, a line in its history when it has been told.

At least once: CRASH: who dies between mark and line leaves the mark, and whoever finds its maker dead tells again.
Twice only if it died after the hook had run. A mark is never taken away from under another: its successor has the next
number, and only one can make that.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from spoolq import history, process
from spoolq.files import names_in, read_regular
from spoolq.store import Store

#: So many begin to tell of one thing, each after the death of the one before; then it is given up.
MOST_MARKS = 3
#: A mark of another host is believed for the hook's time limit and this long, in seconds, by the file server's clock.
_GRACE_S = 120.0
_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that one hook is to be told once: the job's KEY, the claim's NONCE, `end`, `idle` or `stuck`."""

    key: str
    nonce: str
    kind: str
    hook: str


def is_told(past: list[dict[str, Any]], mark: Mark) -> bool:
    """Whether the history *past* says that it has been told, well or not."""
    return any(
        event.get("event") == "notified"
        and (event.get("of"), event.get("about"), event.get("hook")) == (mark.nonce, mark.kind, mark.hook)
        for event in past
    )


def begin(store: Store, mark: Mark, timeout: float) -> int | None:
    """Make the mark; its number, or None while somebody else's stands or once it has been given up. Raises OSError."""
    run = store.layout.run(mark.key)
    store.disk.make_directory(run.path)
    standing = _numbers(store, mark)
    number = max(standing, default=0) + 1
    if number > MOST_MARKS or (standing and _may_live(store, mark, number - 1, timeout)):
        return None
    owner = {
        "host": store.host,
        "pid": os.getpid(),
        "start": process.start_time(os.getpid()),
        "boot": process.boot_id(),
    }
    try:
        # CRASH: between its creation and its content it is torn, and judged by its age: told late, but told.
        store.disk.write_new(run.telling(mark.nonce, mark.kind, mark.hook, number), json.dumps(owner).encode())
    except FileExistsError:  # RACE: another was quicker
        return None
    return number


def is_given_up(store: Store, mark: Mark) -> bool:
    """Whether as many as may have died over it."""
    return max(_numbers(store, mark), default=0) >= MOST_MARKS


def clear(store: Store, mark: Mark) -> None:
    """Remove its marks, the newest last: RACE: whoever lists them meanwhile finds the newest, or the line."""
    run = store.layout.run(mark.key)
    for number in sorted(_numbers(store, mark)):
        store.disk.unlink(run.telling(mark.nonce, mark.kind, mark.hook, number))


def record(store: Store, mark: Mark, **facts: Any) -> None:
    """Write down that it has been told, then remove the marks. Raises OSError: then the marks stand, and bound how
    often it is told again."""
    line = {"hook": mark.hook, "about": mark.kind, "of": mark.nonce, **facts}
    history.record(store, mark.key, "notified", sync=True, **line)
    # CRASH: the marks left here are of no use to anybody, and do no harm: the line is asked first.
    clear(store, mark)


def _numbers(store: Store, mark: Mark) -> list[int]:
    run = store.layout.run(mark.key)
    head = run.telling(mark.nonce, mark.kind, mark.hook, 0).name.removesuffix("0")
    tails = [name.removeprefix(head) for name in names_in(run.path) if name.startswith(head)]
    return [int(tail) for tail in tails if tail.isdecimal()]


def _may_live(store: Store, mark: Mark, number: int, timeout: float) -> bool:
    """Whether the maker of a mark may still be at it: proved on its own host, presumed by age from another."""
    path = store.layout.run(mark.key).telling(mark.nonce, mark.kind, mark.hook, number)
    try:
        data, status = read_regular(path, _LIMIT)
        owner = json.loads(data or b"{}")
        if owner.get("host") == store.host:
            return process.is_alive(int(owner["pid"]), owner["start"], str(owner["boot"]))
    except FileNotFoundError:
        return True  # it has just been cleared: the next look finds the line
    except (ValueError, KeyError, TypeError, AttributeError):
        status = path.lstat()  # torn, by a full disk: by its age
    return store.server_time() - status.st_mtime <= timeout + _GRACE_S
