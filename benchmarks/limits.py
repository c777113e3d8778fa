"""What this machine can do at best: the other side of every ratio."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bed import Bed
from benchmarks.clockwork import milliseconds
from benchmarks.report import Figure, Line
from benchmarks.samples import number, quantile, spread

TRUE = "/bin/true"
_BODY = b'{"request": {"command": ["/bin/true"]}, "priority": "normal"}\n'.ljust(600)


def rate(count: int, turn: Callable[[int], object]) -> float:
    """How often a second *turn* can be called, one after another."""
    began = time.perf_counter()
    for number_ in range(count):
        turn(number_)
    return count / (time.perf_counter() - began)


def spawn_and_wait(folder: Path, count: int) -> float:
    """Popen of `true` in a session of its own, its output into a file, and wait: jobs a second."""
    with (folder / "log").open("wb") as log:

        def turn(_: int) -> None:
            subprocess.Popen(
                [TRUE], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=folder
            ).wait()

        return rate(count, turn)


def posix_spawn(count: int) -> float:
    """posix_spawn and wait of `true`, nothing else: jobs a second."""
    return rate(count, lambda _: os.waitpid(os.posix_spawn(TRUE, [TRUE], os.environ), 0))


def durable_create(folder: Path, count: int, first: int = 0) -> float:
    """Create, fsync, rename into another directory, fsync that: files a second."""
    made, target = folder / "made", folder / "target"
    made.mkdir(exist_ok=True)
    target.mkdir(exist_ok=True)

    def turn(number_: int) -> None:
        name = f"{first + number_:012d}.json"
        fd = os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, _BODY)
        os.fsync(fd)
        os.close(fd)
        (made / name).rename(target / name)
        directory = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)

    return rate(count, turn)


def spawn_latencies(bed: Bed, count: int, gap: Callable[[], float] = lambda: 0.0) -> list[float]:
    """From before Popen to the job's stamp, in ms; a *gap* (in s) between two. What a start takes without a queue."""
    found = []
    with (bed.folder / "spawned.log").open("wb") as log:
        for number_ in range(count):
            word = f"spawned{number_}"
            argv = bed.clockwork.stamp(word)
            time.sleep(gap())
            began = time.time_ns()
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=bed.folder
            )
            found.append(milliseconds(began, bed.clockwork.heard(word)))
            process.wait()
    return found


def measure(bed: Bed) -> Figure:
    """The limits by themselves."""
    rounds, count = bed.rounds(5, 2), bed.scaled(200, 20)
    folder = bed.fresh("limits")
    samples: dict[str, list[float]] = {"Popen and wait, 1/s": [], "posix_spawn and wait, 1/s": [], "create, 1/s": []}
    for turn in range(rounds):
        samples["Popen and wait, 1/s"].append(spawn_and_wait(folder, count))
        samples["posix_spawn and wait, 1/s"].append(posix_spawn(count))
        samples["create, 1/s"].append(durable_create(folder, count, turn * count))
    starts = samples["Popen to stamp, ms"] = spawn_latencies(bed, bed.scaled(250, 20))
    lines = [
        Line("`Popen` of `true`: new session, output into a file, wait", spread(samples["Popen and wait, 1/s"], "/s")),
        Line("`posix_spawn` of `true`, wait", spread(samples["posix_spawn and wait, 1/s"], "/s")),
        Line("create 600 B + fsync + rename + fsync of the directory", spread(samples["create, 1/s"], "/s")),
        Line(
            "`Popen` to the job's own stamp, p50 / p99",
            f"{number(quantile(starts, 0.5))} / {number(quantile(starts, 0.99))} ms",
        ),
    ]
    method = f"{rounds} rounds of {count}; medians, in brackets the least and the greatest."
    return Figure("limits", "The machine's limits", method, lines, samples=samples)
