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
