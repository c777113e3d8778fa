"""How long after `submit` has returned the evaluation starts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from benchmarks.bed import Bed
from benchmarks.clockwork import milliseconds
from benchmarks.limits import spawn_latencies
from benchmarks.peers import Peer
from benchmarks.report import Figure, Line
from benchmarks.samples import median, number, quantile, spread

#: The marks, in ms.
P50_MS = {"full": 4.0, "process": 3.0}
P99_MS = 15.0
#: One gap in twelve of the idle regime is long: 0.5 to 2 s.
_LONG_SHARE = 1 / 12


def _idle(dice: random.Random) -> float:
    return dice.uniform(0.5, 2.0) if dice.random() < _LONG_SHARE else dice.uniform(0.030, 0.100)


def _busy(dice: random.Random) -> float:
    return dice.uniform(0.005, 0.030)


#: Regime -> seconds between the start of a job and the next submit. The job ends as soon as it has said so.
REGIMES: dict[str, Callable[[random.Random], float]] = {"idle": _idle, "right after a claim": _busy}


def sample(bed: Bed, peer: Peer, regime: str, count: int, dice: random.Random) -> list[float]:
    """Submit and listen *count* times; from the return of submit to the stamp, in ms."""
    found = []
    for turn in range(count + 3):
        word = f"job{turn}"
        argv = bed.clockwork.stamp(word)
        time.sleep(REGIMES[regime](dice))
        peer.submit(argv)
        returned = time.time_ns()
        heard = bed.clockwork.heard(word)
        if turn >= 3:  # the first ones warm caches up
            found.append(milliseconds(returned, heard))
    return found


def measure(bed: Bed, ours: Sequence[Peer], others: Sequence[Peer]) -> Figure:
    """Every queue in each regime, one after another, in rounds."""
    rounds, count = bed.rounds(5, 1), bed.scaled(50, 6)
    dice = random.Random(1)
    samples: dict[str, list[list[float]]] = {}
    for _ in range(rounds):
        samples.setdefault("spawn", []).append(spawn_latencies(bed, count, lambda: _idle(dice)))
        for peer in (*ours, *others):
            peer.start(bed.fresh("latency"))
            try:
                for regime in REGIMES:
                    found = sample(bed, peer, regime, count, dice)
                    samples.setdefault(f"{peer.name}, {regime}", []).append(found)
            finally:
                peer.stop()
    figure = Figure(
        "latency",
        "Start of the evaluation after `submit` has returned",
        f"One slot, an empty queue, {rounds * count} jobs a regime in {rounds} rounds. A job stamps the time first "
        "thing and says it on a FIFO. Idle: the next submit comes 30 to 100 ms after a start, one in twelve 0.5 to 2 s "
        "after it. Right after a claim: 5 to 30 ms after it. p50 is the median of the rounds' medians, in brackets "
        "their least and greatest; p95 and p99 are of all jobs.",
    )
    figure.samples = {f"{name}, ms": [value for chunk in chunks for value in chunk] for name, chunks in samples.items()}
    spawn = samples.pop("spawn")
    figure.lines.append(Line("nothing between: `Popen` to stamp", _said(spawn)))
    marks = {peer.name: P50_MS[durability] for peer, durability in zip(ours, P50_MS, strict=False)}
    for name, chunks in samples.items():
        figure.lines.extend(_lines(name, chunks, spawn, marks.get(name.rpartition(", ")[0])))
    return figure


def _lines(name: str, chunks: list[list[float]], spawn: list[list[float]], mark: float | None) -> list[Line]:
    half = median(quantile(chunk, 0.5) for chunk in chunks)
    bare = median(quantile(chunk, 0.5) for chunk in spawn)
    line = Line(name, _said(chunks), f"`Popen` {number(bare)} ms", f"{number(half / bare)} of it")
    if mark is None:
        return [line]
    last = quantile([value for chunk in chunks for value in chunk], 0.99)
    line.mark, line.met = f"p50 ≤ {mark:g} ms", half <= mark
    return [line, Line(f"{name}: p99", f"{number(last)} ms", mark=f"p99 ≤ {P99_MS:g} ms", met=last <= P99_MS)]


def _said(chunks: list[list[float]]) -> str:
    every = [value for chunk in chunks for value in chunk]
    halves = spread([quantile(chunk, 0.5) for chunk in chunks])
    return f"p50 {halves}, p95 {number(quantile(every, 0.95))}, p99 {number(quantile(every, 0.99))} ms"
