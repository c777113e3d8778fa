"""What the guest does: brings spools to a point of a move, and after the cut, in another boot, recovers and judges.

`python -m tests.powercut.inside VERB PAPER`, where PAPER is a JSON file of the host.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spoolq
from spoolq.process import boot_id
from tests.powercut.bed import LATER_S
from tests.powercut.moves import MOVES
from tests.spooltest.crashes import QUICK, SETTINGS, Fate, Move, Prepared, hold, open_store, prepared, recover
from tests.spooltest.faults import Steps
from tests.spooltest.guest import CHECKOUT


def _root(number: int) -> Path:
    return Path(f"/mnt/{number}/spool")


def _memo(number: int) -> Path:
    """What the first boot tells the second about a disk; it is on that disk, and synced before the move."""
    return Path(f"/mnt/{number}/memo")


def _own_slots(number: int) -> None:
    """Slot locks by disk: a process that stands still at its point holds its own."""
    slots = Path(f"/run/slots/{number}")
    slots.mkdir(parents=True, exist_ok=True)
    os.environ["SPOOLQ_LOCK_DIR"] = str(slots)


def stop_at_points(paper: dict[str, Any]) -> None:
    """Prepare a spool on each disk, sync, then bring each to its point; the plug is pulled once POINT is said."""
    ready = []
    for number, (name, _step) in enumerate(paper["points"]):
        _own_slots(number)
        ready.append(prepared(_root(number), MOVES[name]))
        _memo(number).write_bytes(pickle.dumps((boot_id(), ready[-1])))
    os.sync()
    fates = []
    for number, (name, step) in enumerate(paper["points"]):
        _own_slots(number)
        fates.append(_stopped(_root(number), MOVES[name], ready[number], step, paper["durability"]))
    if paper["when"] == "later":
        time.sleep(LATER_S)
    print("POINT", json.dumps(fates), flush=True)
    signal.pause()


def _stopped(root: Path, move: Move, ready: Prepared, step: int, durability: str) -> str:
    """Have a child make *move* up to its call of number *step*; there it stands still with all that it holds."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            own = open_store(root, settings=SETTINGS if durability == "full" else QUICK)
            own.disk.step = Steps(step, lambda: _stand(writer, b"cut"))
            move.act(own, ready.context)
            _stand(writer, b"returned")
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as answer:
        return answer.read(64).decode() or "raised"


def _stand(writer: int, how: bytes) -> None:
    os.write(writer, how)
    while True:
        signal.pause()


def judge(paper: dict[str, Any]) -> None:
    """Recover each spool as a watcher does when it comes back, and hold what must be true; one JUDGED line a disk."""
    for number, ((name, _step), how) in enumerate(zip(paper["points"], paper["fates"], strict=True)):
        _own_slots(number)
        fault = None
        try:
            boot, ready = pickle.loads(_memo(number).read_bytes())
            assert boot != boot_id(), "this is the same boot"
            hold(recover(_root(number)), MOVES[name], ready, Fate(how))
        except BaseException:
            fault = traceback.format_exc() + "\n" + _tree(_root(number))
        print("JUDGED", json.dumps(fault), flush=True)


def _tree(root: Path) -> str:
    """Every file of a spool with its size, for whoever reads of a fault."""
    return "\n".join(f"{path.relative_to(root)} {path.lstat().st_size}" for path in sorted(root.rglob("*.*")))


VERBS: dict[str, Callable[[dict[str, Any]], None]] = {"stop": stop_at_points, "judge": judge}

if __name__ == "__main__":
    assert Path(spoolq.__file__).is_relative_to(CHECKOUT), "the guest must work with this checkout"
    VERBS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
