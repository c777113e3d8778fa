"""How many jobs a second one process can submit, and whether that depends on how many are queued."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import limits, spools
from benchmarks.bed import Bed
from benchmarks.peers import Peer
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.report import Figure, Line
from benchmarks.samples import median, ratios, spread

#: The marks: of create + fsync + rename + fsync of the directory; and the rate at any depth, of that at depth 0.
SHARE = 0.8
FLAT = 0.9
DEPTHS = (0, 1000, 10_000, 100_000)


def measure(bed: Bed, others: Sequence[Peer]) -> Figure:
    """spoolq at each depth, the limit, and the others, in turns of a few jobs each."""
    rounds, count = bed.rounds(60, 3), bed.scaled(10, 5)
    depths = DEPTHS[: bed.scaled(len(DEPTHS), 2)]
    folder, samples = bed.fresh("limit"), dict[str, list[float]]()
    queues: dict[str, Peer] = {}
    for depth in depths:
        root = bed.fresh(f"depth{depth}") / "spool"
        spools.make(root, depth=depth)
        ours = Spoolq(bed)
        ours.open(root, serve=False)
        queues[f"spoolq, {depth} queued"] = ours
    fast = Spoolq(bed, "process")
    fast.start(bed.fresh("fast"), serve=False)
    queues[f"{fast.name}, empty"] = fast
    for peer in others:
        peer.start(bed.fresh("submit"), serve=False)
        queues[peer.name] = peer
    try:
        for queue in queues.values():
            _burst(queue, 3)  # imports and first uses
        for turn in range(rounds):
            samples.setdefault("limit", []).append(limits.durable_create(folder, count, turn * count))
            for name, queue in queues.items():
                samples.setdefault(name, []).append(_burst(queue, count))
    finally:
        for peer in others:
            peer.stop()
    return _figure(samples, f"{rounds} rounds of {count} jobs on each in turn; nothing runs them.", depths)


def _burst(queue: Peer, count: int) -> float:
    return limits.rate(count, lambda _: queue.submit([limits.TRUE]))


def _figure(samples: dict[str, list[float]], method: str, depths: Sequence[int]) -> Figure:
    limit, empty = samples["limit"], samples[f"spoolq, {depths[0]} queued"]
    figure = Figure("submit", "Submitting from one process", method)
    figure.samples = {f"{name}, 1/s": found for name, found in samples.items()}
    for name, found in samples.items():
        if name == "limit":
            continue
        share = ratios(found, limit)
        line = Line(name, spread(found, "/s"), f"the limit {spread(limit, '/s')}", spread(share))
        if found is empty:
            line.mark, line.met = f"≥ {SHARE} of the limit", median(share) >= SHARE
        elif name.startswith("spoolq, ") and name.endswith(" queued"):
            share = ratios(found, empty)
            line.beside, line.ratio = f"empty: {spread(empty, '/s')}", spread(share)
            line.mark, line.met = f"≥ {FLAT} of the rate when empty", median(share) >= FLAT
        figure.lines.append(line)
    figure.notes.append(
        "The limit is create 600 B + fsync + rename + fsync of the directory. task-spooler and nq have no client but "
        "their command: see one-shot commands."
    )
    return figure
