"""`python -m spoolq.notify SPOOL`: the courier. Reads one batch from stdin, as JSON, and ends.

Exit 0: nothing of it is left to be told; 75: something is, later.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from spoolq.errors import EXIT_TRY_AGAIN, SpoolqError
from spoolq.notify.courier import Batch, Courier
from spoolq.notify.hooks import read_hooks
from spoolq.plain import one_line
from spoolq.process import become_subreaper
from spoolq.store import Store


def say(line: str) -> None:
    """One line for the operator, as the watcher has them; a closed terminal is no reason to stop."""
    with contextlib.suppress(OSError):
        os.write(2, f"{time.strftime('%H:%M:%S')} {one_line(line)}\n".encode())


def main() -> NoReturn:
    """Carry the batch."""
    batch = Batch(**json.load(sys.stdin))
    try:
        store = Store(Path(sys.argv[1]))
        become_subreaper()  # what a hook leaves behind is ours to kill, and to bury
        done = Courier(store, read_hooks(store.settings), say).carry(batch)
    except (OSError, SpoolqError) as error:
        say(f"cannot tell the hooks: {error}")
        done = False
    sys.exit(0 if done else EXIT_TRY_AGAIN)


if __name__ == "__main__":
    main()
