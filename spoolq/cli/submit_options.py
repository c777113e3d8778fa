"""The options of `spoolq submit`."""

from __future__ import annotations

from typing import Annotated

import typer

from spoolq.transitions import RETRY_ON_RULE

_RETRY = f"Run again when it ended so: {RETRY_ON_RULE}."

Files = Annotated[list[str] | None, typer.Argument(metavar="[FILE...|-]", help="Job files; - reads stdin.")]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="What to evaluate.")]
Tasks = Annotated[str | None, typer.Option(metavar="A,B", help="The benchmarks.")]
ModelArgs = Annotated[str | None, typer.Option(metavar="K=V,K=V", help="Of the model; also as a JSON object.")]
Limit = Annotated[float | None, typer.Option(metavar="N", help="Samples of each task; below 1, the share of them.")]
NumFewshot = Annotated[int | None, typer.Option(metavar="N", help="Examples in the prompt.")]
BatchSize = Annotated[str | None, typer.Option(metavar="N", help="A number, or auto.")]
GenKwargs = Annotated[str | None, typer.Option(metavar="K=V,K=V", help="For generation.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other field of the request. Repeatable.")
]
Recipe = Annotated[str | None, typer.Option(metavar="NAME", help="lm-eval, lmms-eval, command, or your own.")]
Cwd = Annotated[str | None, typer.Option(metavar="DIR", help="For a command; else where you are.")]
Env = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="For a command. Repeatable.")]
Priority = Annotated[str | None, typer.Option(metavar="LEVEL", help="urgent, high, normal or low.")]
Timeout = Annotated[str | None, typer.Option(metavar="DURATION", help="Limit of one attempt: 90, 2h30m.")]
Grace = Annotated[str | None, typer.Option(metavar="DURATION", help="From the stop signal to SIGKILL.")]
MaxAttempts = Annotated[int | None, typer.Option(min=1, max=100, metavar="N", help="Runs in all.")]
RetryOn = Annotated[str | None, typer.Option(metavar="A,B", help=_RETRY)]
Backoff = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Before the second run; doubled before each further one.")
]
IdleTimeout = Annotated[str | None, typer.Option(metavar="DURATION", help="Limit without any output: 30m.")]
After = Annotated[
    list[str] | None, typer.Option(metavar="JOB", help="Run once it has completed. Repeatable, or with commas.")
]
NotBefore = Annotated[
    str | None, typer.Option(metavar="TIME", help="Not run before: 2026-12-24T22:00, or 2h from now.")
]
NumGpus = Annotated[int | None, typer.Option(min=0, max=1024, metavar="N", help="GPUs that it needs; 0: none.")]
MinFreeMemory = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Free memory that each of its GPUs must have: 40GiB.")
]
Label = Annotated[list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="To find it by. Repeatable.")]
Group = Annotated[str | None, typer.Option(metavar="NAME", help="Jobs that belong together.")]
Unique = Annotated[
    bool,
    typer.Option("--unique", help="If an equal request is queued or runs, print its id; queue nothing."),
]
Key = Annotated[str | None, typer.Option(metavar="KEY", help="As --unique, for a key of your own.")]
Sweep = Annotated[
    list[str] | None,
    typer.Option("--sweep", metavar="FIELD=A,B", help="A job for each value; repeated: for each combination."),
]
SplitTasks = Annotated[bool, typer.Option("--split-tasks", help="A job for each benchmark.")]
Explain = Annotated[bool, typer.Option("--explain", help="Queue nothing; print what would run, where and when.")]
