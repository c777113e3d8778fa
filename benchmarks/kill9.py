"""kill -9: one job in hand, ten queued, a kill, a restart; the same for each queue. `python -m benchmarks.kill9`.

Prints one Markdown table. The job in hand waits at a gate, and the gate opens when the restarted queue has had some
seconds: whatever runs by then runs beside the orphan. Peers that are not installed are left out, and said so.
Everything happens in a temporary folder, on Unix sockets; what is started has a mark in its environment and is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.kill9_bed import Bed, until
from benchmarks.kill9_queues import EVERYTHING, QUEUES, Queue

#: How long the restarted queue has before the gate opens, and how long all the rest may take, in seconds.
_AT_THE_GATE_S, _AFTER_IT_S = 4.0, 12.0


def experiment(kind: type[Queue], victim: str, folder: Path) -> list[str]:
    """One row of the table."""
    bed = Bed(folder)
    queue = kind(bed)
    try:
        queue.start()
        queue.submit("first")
        if not until(lambda: bed.count("begin", first=True), 20):
            raise RuntimeError(f"{kind.name} does not run its first job: {(folder / 'said').read_text()}")
        orphan = psutil.Process(int(bed.told()[0][3]))
        for number in range(10):
            queue.submit(f"q{number}")
        for pid in _victims(kind, victim, bed, orphan.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: False, 0.5)
        survived = orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE
        queue.start()
        until(lambda: bed.count("end", first=False) == 10, _AT_THE_GATE_S)
        began = bed.count("begin", first=False) if survived else 0
        again = bed.count("begin", first=True) - 1 if survived else 0
        (folder / "gate").touch()
        until(lambda: bed.count("end", first=False) == 10 and not bed.find("job.py"), _AFTER_IT_S)
        starts, ends, later = (
            bed.count("begin", first=True),
            bed.count("end", first=True),
            bed.count("end", first=False),
        )
        until(lambda: False, 0.5)
        lives = "goes on" if survived else "is ended"
        beside = f"{began + again}" if survived else "-"
        test = f"`{kind.tests[victim]}`" if victim in kind.tests else ""
        return [kind.name, victim, f"{later} of 10", lives, f"{starts} / {ends}", beside, queue.word(), test]
    finally:
        bed.close()


def _victims(kind: type[Queue], victim: str, bed: Bed, first: int) -> Iterable[int]:
    if victim == EVERYTHING:
        return [process.pid for process in bed.family()]
    words = kind.victims[victim]
    found = set(bed.find(*words))
    if "FIRST" in words:  # nq: the parent of the job in hand
        found.add(psutil.Process(first).ppid())
    if "RUNNER" in words:  # a runner is a child of its watcher; the shim's command line is the same
        watchers = bed.find("-m spoolq run")
        found |= {child.pid for pid in watchers for child in psutil.Process(pid).children()}
    return found


#: The columns of the table.
HEAD = (
    "queue",
    "killed",
    "queued jobs that ran",
    "the job in hand",
    "its starts / ends",
    "ran beside it",
    "told of its end",
    "test",
)


def table(kinds: Sequence[type[Queue]]) -> str:
    rows = [list(HEAD), ["---"] * len(HEAD)]
    for kind in kinds:
        for victim in (*kind.victims, EVERYTHING):
            print(f"{kind.name}: {victim}", file=sys.stderr)
            folder = Path(tempfile.mkdtemp(prefix="kill9-"))
            try:
                rows.append(experiment(kind, victim, folder))
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def versions() -> str:
    """Which versions were run."""
    packages = [name for name in ("spoolq", "huey", "rq") if importlib.util.find_spec(name)]
    found = [f"{name} {version(name)}" for name in packages]
    for name in ("task-spooler", "nq", "redis-server"):
        with contextlib.suppress(OSError):
            words = ["dpkg-query", "-W", "-f", "${Package} ${Version}", name]
            found.append(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
    return ", ".join(filter(None, found))


def main() -> None:
    """Run the experiments and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill9", description=__doc__)
    parser.add_argument("queues", nargs="*", help="only those whose name begins so")
    asked = [word.lower() for word in parser.parse_args().queues]
    kinds = [kind for kind in QUEUES if not asked or any(kind.name.lower().startswith(word) for word in asked)]
    there = [kind for kind in kinds if kind.missing() is None]
    print(table(there))
    print(f"\n{versions()}")
    for kind in kinds:
        if kind not in there:
            print(f"left out: {kind.missing()}")


if __name__ == "__main__":
    main()
