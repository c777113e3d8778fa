"""What a command takes that is started for one thing: its start-up is most of it."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.bed import Bed
from benchmarks.limits import TRUE
from benchmarks.peers import Command, Peer
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.report import Figure, Line
from benchmarks.samples import median, ratios, spread

#: The mark: of a bare typer application with one command.
SHARE = 1.3
_BARE = "a bare typer application"


class Took(NamedTuple):
    """What a command took from its start to its end, and how much of a core it used; ms."""

    wall: float
    cpu: float


def timed(command: Command) -> Took:
    """Run a command; CalledProcessError when it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command.argv, env=dict(command.env), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command.argv))
    return Took((time.perf_counter() - began) * 1000, (used.ru_utime + used.ru_stime) * 1000)


def interleaved(commands: Mapping[str, Command], rounds: int) -> dict[str, list[Took]]:
    """Each command once a round, in an order drawn anew each time. The first round only warms up."""
    samples: dict[str, list[Took]] = {name: [] for name in commands}
    dice = random.Random(2)
    for turn in range(rounds + 1):
        for name in dice.sample(sorted(commands), len(commands)):
            took = timed(commands[name])
            if turn:
                samples[name].append(took)
    return samples


def verbs(bed: Bed, queue: Spoolq) -> dict[str, Command]:
    """The verbs that people and scripts type all day, on a spool with a few jobs."""
    job = queue.spool.submit({"command": [TRUE]}).job_id

    def verb(*words: str) -> Command:
        return Command([*bed.script("spoolq", "spoolq"), *words, "--spool", str(queue.root)], bed.env)

    return {
        "spoolq submit": queue.command([TRUE]),
        "spoolq status": verb("status"),
        "spoolq position": verb("position", job),
    }


def measure(bed: Bed, others: Sequence[Peer]) -> Figure:
    """Our verbs, the bare application, `python -c pass` and the others' submits, interleaved."""
    rounds = bed.rounds(40, 4)
    queue, set_ = Spoolq(bed), Spoolq(bed)
    queue.start(bed.fresh("one-shot"), serve=False)
    set_.start(bed.fresh("one-shot-set"), serve=False)
    (set_.root / "spoolq.toml").write_text('timeout = "12h"\n\n[slots]\ngpu0 = "0"\n', encoding="utf-8")
    commands = {
        "python -c pass": Command([str(bed.python), "-c", "pass"], bed.env),
        _BARE: Command(bed.bare, {**bed.env, "PYTHONPATH": str(bed.folder / "bare")}),
        **verbs(bed, queue),
        **{f"{name}, with a spoolq.toml": command for name, command in verbs(bed, set_).items()},
    }
    try:
        for peer in others:
            peer.start(bed.fresh("one-shot"), serve=False)
            commands[f"{peer.name}: submit"] = peer.command([TRUE])
        samples = interleaved(commands, rounds)
    finally:
        for peer in others:
            peer.stop()
    figure = Figure(
        "one-shot",
        "One-shot commands",
        f"From an installed wheel, .pyc files compiled, {rounds} rounds, each command once a round in random order. "
        "Ratios are of the bare application in the same round: of its time on the wall, which the mark is for, and of "
        "its CPU time, which other users of the machine disturb less.",
    )
    bare = samples[_BARE]
    for name, found in samples.items():
        wall = [took.wall for took in found]
        figure.samples |= {f"{name}, ms": wall, f"{name}, CPU ms": [took.cpu for took in found]}
        share = ratios(wall, [took.wall for took in bare])
        used = ratios([took.cpu for took in found], [took.cpu for took in bare])
        beside = f"bare {spread([took.wall for took in bare], 'ms')}"
        line = Line(name, spread(wall, "ms"), beside, f"{spread(share)}; CPU {spread(used)}")
        if name.startswith("spoolq "):
            line.mark, line.met = f"≤ {SHARE}", median(share) <= SHARE
        figure.lines.append(line)
    return figure
