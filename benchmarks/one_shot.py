"""What a command takes that is started for one thing: its start-up is most of it."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Mapping, Sequence

from benchmarks.bed import Bed
from benchmarks.limits import TRUE
from benchmarks.peers import Command, Peer
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.report import Figure, Line
from benchmarks.samples import median, ratios, spread

#: The mark: of a bare typer application with one command.
SHARE = 1.3
_BARE = "a bare typer application"


def wall(command: Command) -> float:
    """How long a command takes from its start to its end, in ms; CalledProcessError when it fails."""
    began = time.perf_counter()
    subprocess.run(command.argv, env=dict(command.env), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def interleaved(commands: Mapping[str, Command], rounds: int) -> dict[str, list[float]]:
    """Each command once a round, in an order drawn anew each time; ms. The first round only warms up."""
    samples: dict[str, list[float]] = {name: [] for name in commands}
    dice = random.Random(2)
    for turn in range(rounds + 1):
        for name in dice.sample(sorted(commands), len(commands)):
            took = wall(commands[name])
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
    rounds = bed.scaled(40, 4)
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
        "Ratios are of the bare application in the same round.",
        samples={f"{name}, ms": found for name, found in samples.items()},
    )
    bare = samples[_BARE]
    for name, found in samples.items():
        share = ratios(found, bare)
        line = Line(name, spread(found, "ms"), f"bare {spread(bare, 'ms')}", spread(share))
        if name.startswith("spoolq "):
            line.mark, line.met = f"≤ {SHARE}", median(share) <= SHARE
        figure.lines.append(line)
    return figure
