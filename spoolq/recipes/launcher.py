"""What lm-eval and lmms-eval have in common: how their command line is made safe, and what their results look like.

Both are started as ``python -m NAME`` with values that a request gives. Nothing here knows one of them by name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from spoolq.errors import RequestInvalid
from spoolq.settings import Settings

if TYPE_CHECKING:
    from pydantic import WrapValidator

#: Variables by which a launcher tells a process that it is one of many. A single evaluation that inherits them from
#: the batch job it happens to run in waits for peers that do not exist.
LAUNCHER_VARIABLES = frozenset(
    {
        *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PMIX_RANK"),
        *("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NPROCS", "SLURM_NODEID", "SLURM_JOB_NUM_NODES"),
        *("SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE"),
        *(f"SLURM_STEP_{what}" for what in ("NUM_TASKS", "NUM_NODES", "TASKS_PER_NODE")),
        *(f"SLURM_{what}_BIND{part}" for what in ("CPU", "MEM") for part in ("", "_LIST", "_TYPE", "_VERBOSE")),
    }
)

#: Stages that are the evaluation itself.
WORK = ("Running ", "Model Responding")

#: Numbers in a task's results that are no measurement; `bypass` stands where predict_only left the metric out.
_NO_METRIC = frozenset({"sample_len", "sample_count", "samples", "bypass", "bypass_stderr"})


def one_of(expected: str) -> WrapValidator:
    """For a field of several types: one message, *expected*, instead of one for each type that did not fit."""

    # Imported here because every runner takes the variables above from this module, and few need pydantic.
    from pydantic import ValidationError, WrapValidator

    def validate(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(f"does not fit; write {expected}") from None

    return WrapValidator(validate)


def defaults(settings: Settings, **variables: str) -> dict[str, str]:
    """Those of *variables* that neither this process nor the operator's `env` has already set."""
    return {name: value for name, value in variables.items() if name not in os.environ and name not in settings.env}


def refuse_unknown(request: Mapping[str, Any], known: Mapping[str, Any], recipe: str) -> None:
    """Raise RequestInvalid for the first field of *request* that the recipe does not have."""
    for name in request:
        if name not in known:
            shown = str(name).encode("utf-8", "replace").decode()
            fields = f"known are {', '.join(known)}" if known else "its request is empty"
            raise RequestInvalid(f"field `{shown}`: {recipe} has no such field; {fields}", shown)


def check_text(field: str, value: str | None) -> None:
    """Refuse what cannot be an argument, or would be read as an option: a leading ``-``, NUL, text that is no UTF-8."""
    if value is None:
        return
    if value.startswith("-"):
        raise RequestInvalid(f"field `{field}`: begins with `-`, like an option; write a value that does not", field)
    check_characters(field, value)


def check_characters(field: str, value: str) -> None:
    """Raise RequestInvalid for characters that neither an argument nor a record can hold."""
    if fault := fault_in(value):
        raise RequestInvalid(f"field `{field}`: {fault}; write text without it", field)


def fault_in(value: str) -> str | None:
    """What keeps *value* from being an argument or part of a record, as words after a field's name; None if nothing."""
    if "\0" in value:
        return "holds a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair"
    return None


def model_arguments(model_args: Mapping[str, Any]) -> list[str]:
    """``key=value`` for each model argument, in the order given, the value as ``str()`` writes it.

    Raises RequestInvalid naming ``model_args.KEY`` where the harness, which splits at ``,`` and ``=`` and knows no
    quoting, would read something else than was written.
    """
    return [_model_argument(key, value) for key, value in model_args.items()]


def _model_argument(key: str, value: Any) -> str:
    field = f"model_args.{key.encode('utf-8', 'replace').decode()}"
    if not key or key.startswith("-") or any(letter in key for letter in ",=\n\r"):
        raise RequestInvalid(
            f"field `{field}`: is no name of a model argument; write one without `,`, `=` and a leading `-`", field
        )
    check_characters(field, key)
    try:
        text = str(value)
        check_characters(field, json.dumps(value, allow_nan=False, ensure_ascii=False))
    except (ValueError, TypeError):
        raise RequestInvalid(f"field `{field}`: is no JSON value; write text or a finite number", field) from None
    check_characters(field, text)
    for letter in ",=\n\r":
        if letter in text:
            raise RequestInvalid(
                f"field `{field}`: holds {letter!r}, at which the harness splits; write a value without it", field
            )
    return f"{key}={text}"


def keep_metric(name: str, value: Any) -> str | None:
    """The name under which a number of a task's results is kept; None for what is no measurement.

    The harnesses append the filter that the answers went through: ``acc,none`` becomes ``acc``, and
    ``exact_match,strict-match`` stays as it is.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    shown = name.removesuffix(",none")
    return None if shown in _NO_METRIC else shown
