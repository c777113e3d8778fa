"""What a table of scores costs when thousands of jobs have ended: with an index, without one, and by every record."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.bed import Bed
from benchmarks.one_shot import timed
from benchmarks.peers import Command
from benchmarks.report import Figure, Line
from benchmarks.samples import median, ratios, spread
from spoolq.create import create
from spoolq.jobs import blank
from spoolq.names import new_stem
from spoolq.store import Store
from spoolq.transitions import State

ENDED = 10_000
#: The mark: a later call takes at most this share of reading every record.
SHARE = 0.5
_EVERY = """
import sys
from pathlib import Path
from spoolq.results import completed, rows
from spoolq.store import Store
print(rows(completed(Store(Path(sys.argv[1])), []))[-1])
"""
_START = "import spoolq.results, spoolq.store"


def make(root: Path, count: int) -> None:
    """A spool with *count* completed jobs, each with the scores of four tasks in its record."""
    create(root)
    store = Store(root)
    first = datetime.now(UTC) - timedelta(days=30)
    for place in range(count):
        when = first + timedelta(seconds=place)
        stem = new_stem(when)
        record = blank(store, State.COMPLETED, stem)
        tasks = {f"task_{n}": {"acc": place % 97 / 97, "acc_stderr": 0.01, "acc_norm": 0.5} for n in range(4)}
        request = {"model": "hf", "model_args": {"pretrained": f"org/model-{place % 50}"}, "tasks": list(tasks)}
        record |= {"request": request, "recipe": "lm-eval", "outcome": "succeeded", "metrics": tasks, "attempt": 1}
        record |= {"completed_at": when.isoformat(), "labels": {"seed": str(place % 5)}}
        store.layout.terminal(State.COMPLETED, stem.key).write_bytes(json.dumps(record).encode())


def measure(bed: Bed) -> Figure:
    """`results --limit 1` with and without an index, beside reading every record and beside a start of nothing."""
    rounds, count = bed.rounds(10, 2), bed.scaled(ENDED, 300)
    root = bed.fresh("ended") / "spool"
    make(root, count)
    index = Store(root).layout.index.parent
    verb = Command([*bed.script("spoolq", "spoolq"), "results", "--limit", "1", "--spool", str(root)], bed.env)
    every = Command([str(bed.python), "-c", _EVERY, str(root)], bed.env)
    start = Command([str(bed.python), "-c", _START], bed.env)
    samples: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        shutil.rmtree(index, ignore_errors=True)
        took = {"first call": verb, "later call": verb, "every record read": every, "start only": start}
        for name, command in took.items():
            spent = timed(command).wall
            if turn:
                samples.setdefault(f"{name}, ms", []).append(spent)
    figure = Figure(
        "results",
        f"`results --limit 1` of {count} ended jobs",
        f"{rounds} rounds; in each the index is deleted and the command run twice, beside a Python that reads every "
        "record, as `results` did without an index, and one that only imports as much. Warm file cache.",
        samples=samples,
    )
    old = samples["every record read, ms"]
    beside = f"every record {spread(old, 'ms')}, start only {spread(samples['start only, ms'], 'ms')}"
    for name, mark in (("first call", None), ("later call", SHARE)):
        shares = ratios(samples[f"{name}, ms"], old)
        line = Line(name, spread(samples[f"{name}, ms"], "ms"), beside, spread(shares))
        if mark is not None:
            line.mark, line.met = f"≤ {mark:g}", median(shares) <= mark
        figure.lines.append(line)
    return figure
