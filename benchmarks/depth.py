"""What a very deep queue costs those who look at it, and who must not wait behind it."""

from __future__ import annotations

import subprocess
import time

from benchmarks import spools
from benchmarks.bed import Bed
from benchmarks.clockwork import milliseconds
from benchmarks.one_shot import timed
from benchmarks.peers import Command
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.report import Figure, Line
from benchmarks.samples import median, spread

#: The marks: listings on top of the start-up; seconds until an urgent job starts.
LISTINGS = 2.0
URGENT_S = 0.5
DEEP = 100_000
_LISTING = """
import os, sys, time
began = time.perf_counter()
sorted(os.listdir(sys.argv[1]))
print((time.perf_counter() - began) * 1000)
"""


def measure_looks(bed: Bed) -> Figure:
    """`status` and `position` at depth: what they take more than with one job, in listings of the same directory."""
    rounds, depth = bed.rounds(12, 2), bed.scaled(DEEP, 2000)
    root, shallow = bed.fresh("deep") / "spool", bed.fresh("one") / "spool"
    stems, (only,) = spools.make(root, depth=depth), spools.make(shallow, depth=1)
    program = bed.script("spoolq", "spoolq")

    def verb(name: str, *words: str) -> tuple[Command, Command]:
        deep = Command([*program, name, *(words and [stems[depth // 2].uuid]), "--spool", str(root)], bed.env)
        return deep, Command([*program, name, *(words and [only.uuid]), "--spool", str(shallow)], bed.env)

    looks = {"status": verb("status"), "position": verb("position", "JOB")}
    samples: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        listing = _listing(bed, str(root / "queued"))
        for name, (deep, shallow_) in looks.items():
            took, start = timed(deep).wall, timed(shallow_).wall
            if turn:
                samples.setdefault(f"{name}, ms", []).append(took)
                samples.setdefault(f"{name} with one job, ms", []).append(start)
                samples.setdefault(f"{name}, listings", []).append((took - start) / listing)
                samples.setdefault(f"listing beside {name}, ms", []).append(listing)
    figure = Figure(
        "looks",
        f"`status` and `position` with {depth} queued",
        f"{rounds} rounds. What the command takes more than with one job queued, in units of "
        "`sorted(os.listdir(queued))` in a fresh Python, all three in the same round.",
        samples=samples,
    )
    for name in looks:
        listings = samples[f"{name}, listings"]
        beside = (
            f"start-up {spread(samples[f'{name} with one job, ms'], 'ms')}, "
            f"listing {spread(samples[f'listing beside {name}, ms'], 'ms')}"
        )
        figure.lines.append(
            Line(
                name,
                spread(samples[f"{name}, ms"], "ms"),
                beside,
                f"{spread(listings)} listings",
                f"≤ {LISTINGS:g} listings",
                median(listings) <= LISTINGS,
            )
        )
    return figure


def _listing(bed: Bed, path: str) -> float:
    words = [str(bed.python), "-c", _LISTING, path]
    return float(subprocess.run(words, env=bed.env, capture_output=True, text=True, check=True).stdout)


def measure_urgent(bed: Bed) -> Figure:
    """An urgent job, submitted while the slot is held behind a deep queue: from the slot's being free to its start."""
    rounds, depth = bed.rounds(8, 2), bed.scaled(DEEP, 2000)
    root = bed.fresh("deep") / "spool"
    spools.make(root, depth=depth)
    queue, clockwork = Spoolq(bed), bed.clockwork
    queue.open(root)
    waits = {"submitted 1 s before": 1.0, "submitted 20 ms before": 0.02}
    samples: dict[str, list[float]] = {}
    try:
        for turn in range(rounds):
            for name, ahead in waits.items():
                word = f"{turn}-{ahead}"
                queue.spool.submit({"command": clockwork.holder(f"holder{word}")}, priority="urgent")
                clockwork.heard(f"holder{word}")
                queue.spool.submit({"command": clockwork.stamp(f"urgent{word}")}, priority="urgent")
                time.sleep(ahead)
                clockwork.open_gate()
                freed = clockwork.heard(f"holder{word}.end")
                took = milliseconds(freed, clockwork.heard(f"urgent{word}"))
                samples.setdefault(f"{name}, ms", []).append(took)
    finally:
        queue.stop()
    figure = Figure(
        "urgent",
        f"An urgent job behind {depth}",
        f"{rounds} times each: the slot is held, the urgent job is submitted, then the slot becomes free. Full "
        "durability. The mark is for the slowest.",
        samples=samples,
    )
    for name in waits:
        found = samples[f"{name}, ms"]
        mark = f"≤ {URGENT_S:g} s"
        figure.lines.append(Line(name, spread(found, "ms"), mark=mark, met=max(found) <= URGENT_S * 1000))
    return figure
