"""How many jobs a second one slot gets through, shallow and deep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import limits, spools
from benchmarks.bed import Bed
from benchmarks.clockwork import PATIENCE_S
from benchmarks.peers import Peer
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.report import Figure, Line
from benchmarks.samples import median, ratios, spread
from spoolq.names import Stem

#: The marks: of spawn and wait, by durability; and of the rate at depth 100.
SHARE = {"full": 0.15, "process": 0.3}
FLAT = 0.9
SHALLOW, DEEP = 100, 100_000


def measure(bed: Bed, ours: Sequence[Peer], others: Sequence[Peer]) -> Figure:
    """Every queue filled behind a job that holds the slot, then let go; then spoolq shallow and deep in turn."""
    rounds, count = bed.rounds(5, 1), bed.scaled(300, 10)
    rates: dict[str, list[float]] = {}
    beside: dict[str, list[float]] = {}
    for _ in range(rounds):
        before = limits.spawn_and_wait(bed.fresh("spawned"), count)
        for peer in (*ours, *others):
            rates.setdefault(peer.name, []).append(drained(bed, peer, min(count, peer.most or count)))
            behind = limits.spawn_and_wait(bed.fresh("spawned"), count)
            beside.setdefault(peer.name, []).append((before + behind) / 2)
            before = behind
    figure = Figure(
        "drain",
        "One slot, a queue of `true`",
        f"{rounds} rounds of {count} jobs that wait behind one that holds the slot; from the first to the last of "
        "them. Spawn and wait (`Popen`, new session, output into a file) is measured before and after each.",
    )
    marks = {peer.name: mark for peer, mark in zip(ours, SHARE.values(), strict=False)}
    for name, found in rates.items():
        shares = ratios(found, beside[name])
        line = Line(name, spread(found, "/s"), f"spawn and wait {spread(beside[name], '/s')}", spread(shares))
        if name in marks:
            line.mark, line.met = f"≥ {marks[name]}", median(shares) >= marks[name]
        figure.lines.append(line)
        figure.samples |= {f"{name}, 1/s": found, f"spawn and wait beside {name}, 1/s": beside[name]}
    return figure


def drained(bed: Bed, peer: Peer, count: int) -> float:
    """Jobs a second of *count* that have been queued while the slot was held."""
    clockwork = bed.clockwork
    peer.start(bed.fresh("drain"))
    try:
        peer.submit(clockwork.holder("holder"))
        clockwork.heard("holder")
        peer.submit(clockwork.stamp("first"))
        for _ in range(count - 1):
            peer.submit([limits.TRUE])
        peer.submit(clockwork.stamp("last"))
        clockwork.open_gate()
        began = clockwork.heard("first")
        return count / ((clockwork.heard("last", PATIENCE_S + count) - began) / 1e9)
    finally:
        peer.stop()


def measure_depth(bed: Bed) -> Figure:
    """The rate with few jobs queued and with many, in turn."""
    rounds, deep, window = bed.rounds(3, 1), bed.scaled(DEEP, 2000), SHALLOW
    samples: dict[str, list[float]] = {}
    for durability in SHARE:
        root = bed.fresh("deep") / "spool"
        stems = spools.make(root, durability=durability, depth=deep)
        for turn in range(rounds):
            shallow = bed.fresh("shallow") / "spool"
            few = spools.make(shallow, durability=durability, depth=SHALLOW)
            rate = _windowed(bed, shallow, durability, few)
            samples.setdefault(f"{durability}, {SHALLOW} queued", []).append(rate)
            found = _windowed(bed, root, durability, stems[2 * turn * window :][:window])
            samples.setdefault(f"{durability}, {deep} queued", []).append(found)
    figure = Figure(
        "drain-depth",
        "The same rate at depth",
        f"{rounds} rounds: the first {window} jobs of a spool that was filled before `spoolq run` was started, once "
        f"with {SHALLOW} and once with {deep} queued.",
        samples={f"{name}, 1/s": found for name, found in samples.items()},
    )
    for durability in SHARE:
        slow, fast = samples[f"{durability}, {SHALLOW} queued"], samples[f"{durability}, {deep} queued"]
        share = ratios(fast, slow)
        figure.lines.append(
            Line(
                f"durability {durability}, {deep} queued",
                spread(fast, "/s"),
                f"{SHALLOW} queued: {spread(slow, '/s')}",
                spread(share),
                f"≥ {FLAT}",
                median(share) >= FLAT,
            )
        )
    return figure


def _windowed(bed: Bed, root: Path, durability: str, stems: Sequence[Stem]) -> float:
    """Run the spool at *root* until the jobs *stems*, its first ones, are done; jobs a second."""
    first, last = spools.after(stems[0]), spools.after(stems[-1])
    spools.put(root, first, bed.clockwork.stamp("first"))
    spools.put(root, last, bed.clockwork.stamp("last"))
    runs = Spoolq(bed, durability)
    runs.open(root, serve=False)
    runs.serve()
    try:
        began = bed.clockwork.heard("first")
        return len(stems) / ((bed.clockwork.heard("last", PATIENCE_S + len(stems)) - began) / 1e9)
    finally:
        runs.stop()
