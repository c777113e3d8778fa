"""Judge a run: from how the evaluation ended and what it left, to a state, an outcome and the record."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoolq import memory
from spoolq.durations import format_duration
from spoolq.errors import NoResults, SpoolqError
from spoolq.files import Disk
from spoolq.layout import Layout, RunDir
from spoolq.orders import End
from spoolq.transitions import State

if TYPE_CHECKING:
    from spoolq.requests import Job

#: The tail of the log that a failure's `error` shows.
TAIL_LINES, TAIL_BYTES = 50, 16 << 10
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to; the keys of the record that it settles."""

    state: State
    outcome: str
    error: str | None = None
    result: dict[str, Any] | None = None
    metrics: dict[str, dict[str, Any]] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def judge(layout: Layout, disk: Disk, job: Job, run: RunDir, end: End, since: float, cancelled: bool) -> Verdict:
    """The verdict on an ended evaluation; publishes its output when it succeeded.

    *since* is when it began by the file server's clock; *cancelled* whether a cancel request stands. Judging twice
    gives the same: CRASH: a kill between publishing and finishing leaves ``output/``, which the adopter reads.
    """
    facts: dict[str, Any] = {"exit_code": end.exit_code, "signal": end.signal, "peak_memory_mib": end.peak_memory_mib}
    facts |= {"launch": end.launch, "warm_hit": end.warm_hit, "setup_seconds": end.setup_seconds}
    failed = _failure(job, end, cancelled)
    if failed is not None:
        state, outcome, error = failed
        if outcome in ("exit", "signal"):
            error = f"{error}. Last lines of {layout.relative(run.log)}:\n{tail(run.log)}"
        return Verdict(state, outcome, error, facts=facts)
    try:
        result, metrics = _collect(layout, disk, job, run, since)
    except NoResults as error:
        log = f"Last lines of {layout.relative(run.log)}:\n{tail(run.log)}"
        said = f"Evaluation produced no parsed results. {log}\n({error})"
        return Verdict(State.FAILED, "no_results", said, facts=facts)
    return Verdict(State.COMPLETED, "succeeded", None, result, metrics, facts)


def _failure(job: Job, end: End, cancelled: bool) -> tuple[State, str, str] | None:
    if end.could_not_start is not None:
        return State.FAILED, "could_not_start", f"Evaluation could not be started: {end.could_not_start}"
    if end.stopped == "cancel" or (cancelled and end.stopped in ("signal", "requeue")):
        return State.CANCELLED, "cancelled", "cancelled while it ran"
    if end.stopped == "timeout":
        limit = format_duration(job.timeout or 0)
        return State.FAILED, "timed_out", f"Evaluation was stopped at its time limit of {limit}"
    if end.stopped == "idle":
        limit = format_duration(job.envelope.idle_timeout or 0)
        return State.FAILED, "idle", f"Evaluation was stopped after {limit} without output"
    if end.stopped == "idle":
        limit = format_duration(job.envelope.idle_timeout or 0)
        return State.FAILED, "idle", f"Evaluation was stopped: it had printed nothing for {limit}"
    if end.signal is not None:
        return State.FAILED, "signal", f"Evaluation was ended by signal {end.signal} ({_name(end.signal)})"
    if end.exit_code not in getattr(job.recipe, "exit_codes", (0,)):
        return State.FAILED, "exit", f"Evaluation failed with return code {end.exit_code}"
    return None


def tell_oom(verdict: Verdict, end: End, log: Path, before: int | None) -> Verdict:
    """*verdict*, made `oom` if a failed evaluation ran out of memory; *before* is as in `memory.why`."""
    if verdict.outcome not in ("exit", "signal", "no_results"):
        return verdict
    found = memory.why(end, tail(log), before, memory.kills())
    if found is None:
        return verdict
    return replace(verdict, outcome="oom", error=f"Evaluation ran out of memory: {found}. {verdict.error}")


def _name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return "unknown"


def _collect(
    layout: Layout, disk: Disk, job: Job, run: RunDir, since: float
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    source = run.partial if run.partial.is_dir() else run.output
    try:
        findings = job.recipe.collect(job.request, source, since)
    except (SpoolqError, OSError) as error:
        raise NoResults(str(error)) from error
    except Exception as error:  # a recipe's own fault ends its job, not the runner
        raise NoResults(f"the recipe {job.recipe.name!r} broke: {type(error).__name__}: {error}") from error
    if source == run.partial:
        disk.rename_new(run.partial, run.output)
    result: dict[str, Any] = _anchor(findings.result, layout.relative(run.output))
    return result, findings.metrics


def _anchor(value: Any, output: str) -> Any:
    """Paths in a result, relative to the output folder, as the record shows them: relative to the spool."""
    if isinstance(value, Path):
        return str(value) if value.is_absolute() else f"{output}/{value}"
    if isinstance(value, dict):
        return {key: _anchor(inner, output) for key, inner in value.items()}
    if isinstance(value, list):
        return [_anchor(inner, output) for inner in value]
    return value


def tail(log: Path) -> str:
    """The last lines of a log for people: a progress bar's last state only, no colours, bad bytes replaced."""
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return "(log file unreadable)"
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES))
    except OSError:
        return "(log file unreadable)"
    finally:
        os.close(fd)
    text = _ANSI.sub("", data.decode("utf-8", "replace"))
    rows = [row.rstrip("\r").rpartition("\r")[2] for row in text.split("\n")]
    return "\n".join(rows[-TAIL_LINES:]).strip("\n") or "(the log is empty)"
