"""What a queue takes while it does nothing: memory with many jobs queued, CPU when idle."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil

from benchmarks import spools
from benchmarks.bed import Bed
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.report import Figure, Line
from benchmarks.samples import number

#: The marks: MiB of watcher and runner together; per cent of one core.
MEMORY_MIB = 60.0
CPU_PERCENT = 0.1
DEEP = 100_000
_KIB = 1024


def family(pid: int) -> dict[str, psutil.Process]:
    """The processes of `spoolq run`: the watcher, its runner, the runner's shim."""
    watcher = psutil.Process(pid)
    runner = next(child for child in watcher.children() if "spoolq.runner" in child.cmdline())
    shim = next(child for child in runner.children() if "spoolq.shim" in child.cmdline())
    return {"watcher": watcher, "runner": runner, "shim": shim}


def memory(pid: int) -> dict[str, float]:
    """RSS, PSS and the highest RSS of one process, in MiB (proc(5), smaps_rollup and status)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    rows = dict(row.split(":", 1) for row in (rollup + status).splitlines() if ":" in row)
    return {name: int(rows[name].split()[0]) / _KIB for name in ("Rss", "Pss", "VmHWM")}


def cpu(pid: int) -> float:
    """CPU seconds of all threads of a process, to the nanosecond (proc(5), schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9


def measure(bed: Bed) -> Figure:
    """Memory with the slot held, at two depths; CPU with nothing queued."""
    figure = Figure(
        "resident",
        "While it waits",
        "Memory: the slot is held by one job, the others are queued, an urgent job has been submitted since, so that "
        "all has been listed again. CPU: of all processes of `spoolq run`, nothing queued, of one core.",
    )
    for depth in (1, bed.scaled(DEEP, 2000)):
        _memory(bed, figure, depth)
    _idle(bed, figure)
    return figure


def _memory(bed: Bed, figure: Figure, depth: int) -> None:
    root = bed.fresh("resident") / "spool"
    spools.make(root, depth=depth)
    queue = Spoolq(bed)
    queue.open(root, serve=False)
    queue.spool.submit({"command": bed.clockwork.holder("holder")}, priority="urgent")
    process = queue.serve()
    try:
        bed.clockwork.heard("holder")
        queue.spool.submit({"command": bed.clockwork.stamp("urgent")}, priority="urgent")
        time.sleep(1.0 if bed.quick else 3.0)
        own = family(process.pid)
        found = {name: memory(member.pid) for name, member in own.items()}
    finally:
        queue.stop()
    both = {kind: found["watcher"][kind] + found["runner"][kind] for kind in ("Rss", "Pss", "VmHWM")}
    figure.lines.append(
        Line(
            f"watcher and runner, {depth} queued",
            f"RSS {number(both['Rss'])}, PSS {number(both['Pss'])}, highest RSS {number(both['VmHWM'])} MiB",
            "; ".join(f"{name} RSS {number(kinds['Rss'])}" for name, kinds in found.items()),
            mark=f"RSS ≤ {MEMORY_MIB:g} MiB",
            met=both["Rss"] <= MEMORY_MIB,
        )
    )
    for name, kinds in found.items():
        figure.samples |= {f"{name} {kind} at {depth}, MiB": [value] for kind, value in kinds.items()}


def _idle(bed: Bed, figure: Figure) -> None:
    seconds = bed.scaled(90, 5)
    queue = Spoolq(bed)
    queue.start(bed.fresh("idle"))
    try:
        assert queue.process is not None
        time.sleep(1.0)
        own = family(queue.process.pid)
        before = {name: cpu(member.pid) for name, member in own.items()}
        began = time.monotonic()
        time.sleep(seconds)
        spent = {name: cpu(member.pid) - before[name] for name, member in own.items()}
        lasted = time.monotonic() - began
    finally:
        queue.stop()
    share = sum(spent.values()) / lasted * 100
    figure.lines.append(
        Line(
            f"CPU when idle, over {lasted:.0f} s",
            f"{number(share)} %",
            ", ".join(f"{name} {number(value / lasted * 100)} %" for name, value in spent.items()),
            mark=f"≤ {CPU_PERCENT} %",
            met=share <= CPU_PERCENT,
        )
    )
    figure.samples |= {f"CPU of {name}, s in {lasted:.0f} s": [value] for name, value in spent.items()}
