"""`python -m benchmarks`: measure, and print one Markdown report."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import depth, drain, http, latency, limits, one_shot, report, resident, results, submit, warm
from benchmarks.bed import Bed
from benchmarks.peers import Peer
from benchmarks.peers.huey_sqlite import HueySqlite
from benchmarks.peers.nq import Nq
from benchmarks.peers.rq_redis import RqRedis
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.peers.task_spooler import TaskSpooler
from spoolq.mounts import file_system

_OTHERS: tuple[Callable[[Bed], Peer], ...] = (TaskSpooler, Nq, HueySqlite, RqRedis)
FIGURES = (
    "limits",
    "latency",
    "drain",
    "drain-depth",
    "submit",
    "one-shot",
    "looks",
    "urgent",
    "resident",
    "results",
    "http",
    "warm",
)


def figures(
    bed: Bed, ours: Sequence[Peer], others: Sequence[Peer], peer_python: Path | None
) -> dict[str, Callable[[], report.Figure]]:
    """How each figure is measured."""
    clients = [peer for peer in others if isinstance(peer, HueySqlite | RqRedis)]
    return {
        "limits": lambda: limits.measure(bed),
        "latency": lambda: latency.measure(bed, ours, others),
        "drain": lambda: drain.measure(bed, ours, others),
        "drain-depth": lambda: drain.measure_depth(bed),
        "submit": lambda: submit.measure(bed, clients),
        "one-shot": lambda: one_shot.measure(bed, others),
        "looks": lambda: depth.measure_looks(bed),
        "urgent": lambda: depth.measure_urgent(bed),
        "resident": lambda: resident.measure(bed),
        "results": lambda: results.measure(bed),
        "http": lambda: http.measure(bed, peer_python),
        "warm": lambda: warm.measure(bed),
    }


def measure(
    bed: Bed,
    chosen: Sequence[str],
    *,
    peers: bool = True,
    peer_python: Path | None = None,
    keep: Callable[[report.Report], None] = lambda _: None,
) -> report.Report:
    """Measure the *chosen* figures; says on stderr how far it is, and gives *keep* what there is after each."""
    ours = [Spoolq(bed, durability) for durability in ("full", "process")]
    candidates = [make(bed) for make in _OTHERS] if peers else []
    others = [peer for peer in candidates if peer.missing() is None]
    missing = [hint for peer in candidates if (hint := peer.missing())]
    if bed.clockwork.compiler is None:
        missing.append("the time of the job's own start: there is no C compiler, so it is a shell script")
    words = ["python -m benchmarks", *(["--quick"] if bed.quick else [])]
    words += [] if peer_python is None else ["--peer-python PYTHON"]
    words += [*([f"--share {bed.share:g}"] if bed.share < 1 else []), *([] if peers else ["--no-peers"])]
    if set(chosen) != set(FIGURES):
        words += chosen
    result = report.Report(_facts(bed, " ".join(words), [*ours[:1], *others]), missing)
    measured = figures(bed, ours, others, peer_python)
    for key in chosen:
        print(f"{datetime.now(UTC):%H:%M:%S} {key} ...", file=sys.stderr, flush=True)
        try:
            result.figures.append(measured[key]())
        except (
            TimeoutError,
            OSError,
            ValueError,
            subprocess.CalledProcessError,
        ) as error:
            # The others are worth having.
            print(f"{key}: {error}", file=sys.stderr)
            result.missing.append(f"{key}: {error}")
        result.facts["load at the end"] = _load()
        keep(result)
    return result


def _facts(bed: Bed, command: str, peers: Sequence[Peer]) -> dict[str, str]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "command": command,
        "machine": f"{os.cpu_count()} cores, {_processor()}, Linux {platform.release()}",
        "file system": f"{file_system(bed.folder)} ({shutil.disk_usage(bed.folder).free >> 30} GiB free)",
        "Python": platform.python_version(),
        "versions": ", ".join(f"{re.split('[,(]', peer.name)[0].strip()} {peer.version()}" for peer in peers),
        "timed job": "C" if bed.clockwork.compiler else "shell script",
        "load at the start": _load(),
    }


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _processor() -> str:
    rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((row.partition(": ")[2] for row in rows if row.startswith("model name")), platform.machine())


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("figures", nargs="*", metavar="FIGURE", help=f"which (all, if none): {', '.join(FIGURES)}")
    made.add_argument("--quick", action="store_true", help="a look in about two minutes; proves nothing")
    made.add_argument("--share", type=float, default=1.0, metavar="S", help="this share of the rounds, two at least")
    made.add_argument("--no-peers", action="store_true", help="spoolq and the limits only")
    made.add_argument("--dir", type=Path, help="where to work: the file system that is measured (a temporary folder)")
    made.add_argument("--venv", type=Path, help="keep the installation here, and use it again")
    made.add_argument("--python", type=Path, help="measure the spoolq of this Python, as it is installed there")
    made.add_argument("--peer-python", type=Path, metavar="PYTHON", help="one with lmms-eval[server], for `http`")
    made.add_argument("--json", type=Path, metavar="OUT", help="write every sample there")
    made.add_argument("--markdown", type=Path, metavar="OUT", help="write the report there, too")
    made.add_argument("--update", type=Path, metavar="PAGE", help="put the report between the marks in this page")
    return made


def main() -> None:
    """Measure and report."""
    asked = parser().parse_args()
    unknown = set(asked.figures) - set(FIGURES)
    if unknown:
        parser().error(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    if asked.update:
        report.around(asked.update)  # said now, not after twenty minutes
    began = time.monotonic()

    def keep(result: report.Report) -> None:
        result.facts["took"] = f"{(time.monotonic() - began) / 60:.0f} minutes"
        if asked.json:
            asked.json.write_text(result.json(), encoding="utf-8")
        if asked.markdown:
            asked.markdown.write_text(result.markdown(), encoding="utf-8")

    folder = Path(tempfile.mkdtemp(prefix="spoolq-bench-", dir=asked.dir))
    bed = Bed(folder, python=asked.python, venv_at=asked.venv, quick=asked.quick, share=asked.share)
    try:
        result = measure(
            bed, asked.figures or FIGURES, peers=not asked.no_peers, peer_python=asked.peer_python, keep=keep
        )
    finally:
        bed.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(result.markdown())
    if asked.update:
        report.update(asked.update, result.markdown())


if __name__ == "__main__":
    main()
