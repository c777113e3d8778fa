"""Put how an evaluation ended on disk, however long the disk refuses: without it the evaluation would be run again."""

from __future__ import annotations

import contextlib
import errno
import json
import select
from collections.abc import Callable
from pathlib import Path

from spoolq.beat import Beater
from spoolq.files import Disk
from spoolq.orders import End, Order

_RETRY_S = 1.0


def write_end(
    order: Order, end: End, beater: Beater | None, *, durable: Callable[[], bool], stuck: Callable[[str], None]
) -> Beater | None:
    """Write the end record of *order*; *stuck* is told each time that the disk refuses, *durable* says whether to sync.

    Meanwhile the heart goes on beating; returns the heartbeat process, if there is one.
    """
    path = Path(order.end)
    while True:
        disk = Disk(durable=durable())
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            disk.write_new(temporary, json.dumps(end.document()).encode())
            disk.rename(temporary, path)
            return beater
        except FileExistsError:  # of an earlier try
            with contextlib.suppress(OSError):
                temporary.unlink()
                continue
        except OSError as error:
            if error.errno == errno.ENOENT and not path.parent.parent.exists():
                return beater  # the whole spool is gone; there is nothing left to protect
            if error.errno == errno.ENOENT:
                with contextlib.suppress(OSError):
                    path.parent.mkdir()
            stuck(f"{error.strerror}: {path}")
        beater = beater or Beater(Path(order.running), Path(order.beat), order.heartbeat)
        select.select([], [], [], _RETRY_S)
