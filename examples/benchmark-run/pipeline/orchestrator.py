"""A small benchmark orchestrator: how accurate, and how fast, are several ways to compute the same thing?

For each experiment it compares candidates with a reference, says how far it is on stdout, and writes
``results/STAMP/EXPERIMENT/CANDIDATE.json`` and ``summary.md`` below ``$SPOOLQ_OUTPUT``, else below this folder.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

Function = Callable[[float], float]
#: The largest relative error that `--ci` accepts.
TOLERANCE = 1e-9


def _series(x: float) -> float:
    """The sine of *x* by its Taylor series, in the first turn."""
    x = math.remainder(x, 2 * math.pi)
    term = total = x
    for power in range(3, 28, 2):
        term *= -x * x / (power * (power - 1))
        total += term
    return total


def _newton(x: float) -> float:
    """The square root of *x* by Newton's iteration."""
    guess = max(x, 1.0)
    for _ in range(60):
        guess = (guess + x / guess) / 2
    return guess


def _small_angle(x: float) -> float:
    """A sine that is none: what `--ci` is for."""
    return x


#: Experiment -> reference, and candidate -> function.
EXPERIMENTS: dict[str, tuple[Function, dict[str, Function]]] = {
    "sine": (math.sin, {"series": _series, "complex": lambda x: (math.e ** (1j * x)).imag}),
    "square_root": (math.sqrt, {"newton": _newton, "power": lambda x: x**0.5}),
    "small_angle": (math.sin, {"identity": _small_angle}),
}
#: What `all` means; the rest must be asked for.
ALL = ("sine", "square_root")


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--experiments", default="all", help="names joined by commas, or all")
    parser.add_argument("--n", type=int, default=1000, help="samples")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--perf-rounds", type=int, default=5)
    parser.add_argument("--no-build", action="store_true", help="there is nothing to build here")
    parser.add_argument("--no-perf", action="store_true", help="accuracy only")
    parser.add_argument("--ci", action="store_true", help="exit 1 when a candidate is not accurate enough")
    return parser.parse_args(argv)


def chosen(text: str) -> list[str]:
    """The experiments that *text* names; ends the program for an unknown one."""
    names = [name for part in text.split(",") for name in (ALL if part == "all" else (part,))]
    for name in names:
        if name not in EXPERIMENTS:
            sys.exit(f"orchestrator: there is no experiment {name!r}; known are {', '.join(EXPERIMENTS)}")
    return list(dict.fromkeys(names))


def accuracy(reference: Function, candidate: Function, inputs: list[float]) -> dict[str, float]:
    """How far *candidate* is from *reference*."""
    errors = [abs(candidate(x) - reference(x)) / max(abs(reference(x)), 1e-3) for x in inputs]
    return {"max_relative_error": max(errors), "mean_relative_error": statistics.fmean(errors)}


def performance(candidate: Function, inputs: list[float], rounds: int) -> dict[str, float]:
    """Nanoseconds a call."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        for x in inputs:
            candidate(x)
        times.append((time.perf_counter_ns() - began) / len(inputs))
    return {"per_op_ns_median": statistics.median(times), "per_op_ns_min": min(times), "rounds": rounds}


def summary(experiment: str, results: dict[str, dict[str, dict[str, float]]]) -> str:
    """What people read."""
    rows = [f"# {experiment}", "", "| candidate | largest error | ns a call |", "| --- | --- | --- |"]
    for name, result in results.items():
        nanoseconds = result["performance"].get("per_op_ns_median")
        timed = f"{nanoseconds:.0f}" if nanoseconds is not None else "not timed"
        rows.append(f"| {name} | {result['accuracy']['max_relative_error']:.1e} | {timed} |")
    return "\n".join(rows) + "\n"


def main(argv: list[str]) -> int:
    """Run the experiments; returns the exit code."""
    asked = arguments(argv)
    experiments = chosen(asked.experiments)
    # The output folder is one job's own, so two runs of one second do not meet.
    stamp = datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S")
    results = Path(os.environ.get("SPOOLQ_OUTPUT") or Path(__file__).parent.parent) / "results" / stamp
    steps = ["accuracy"] if asked.no_perf else ["accuracy", "performance"]
    total = sum(len(EXPERIMENTS[experiment][1]) for experiment in experiments) * len(steps)
    current, worst = 0, 0.0
    for experiment in experiments:
        reference, candidates = EXPERIMENTS[experiment]
        generator = random.Random(asked.seed)
        inputs = [generator.uniform(0.1, 6.0) for _ in range(asked.n)]
        folder = results / experiment
        folder.mkdir(parents=True)
        found: dict[str, dict[str, dict[str, float]]] = {}
        for name, candidate in candidates.items():
            found[name] = {"accuracy": {}, "performance": {}}
            for step in steps:
                current += 1
                print(
                    f"[PROGRESS] experiment={experiment} step={step} current={current} total={total} | {name}",
                    flush=True,
                )
                if step == "accuracy":
                    found[name][step] = accuracy(reference, candidate, inputs)
                else:
                    found[name][step] = performance(candidate, inputs, asked.perf_rounds)
            worst = max(worst, found[name]["accuracy"]["max_relative_error"])
            about = {"experiment": experiment, "candidate_library": name, "n": asked.n, "seed": asked.seed}
            (folder / f"{name}.json").write_text(json.dumps({**about, **found[name]}, indent=2) + "\n")
        (folder / "summary.md").write_text(summary(experiment, found))
    print(f"results in {results}", flush=True)
    if asked.ci and worst > TOLERANCE:
        print(f"orchestrator: the largest error is {worst:.1e}, over {TOLERANCE:.0e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
