"""What the fork server saves: equal lm-eval jobs as programs and as forks, alternately, on the same machine."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import tiny_model
from benchmarks.bed import Bed
from benchmarks.peers.spoolq_itself import Spoolq
from benchmarks.report import Figure, Line
from benchmarks.samples import median, spread
from spoolq.models import JobInfo

#: The mark: how many times less a job costs in steady state.
FACTOR = 5.0
#: Jobs until forks are steady: the first is a program, beside which the warm parent imports.
_PRIMING = 3
_LIMIT_S = 600.0


def measure(bed: Bed) -> Figure:
    """Ten equal jobs each way; raises ValueError where the Python that is measured has no lm-eval with torch."""
    needed = [str(bed.python), "-c", "import lm_eval.models.huggingface"]
    if subprocess.run(needed, env=bed.env, capture_output=True, check=False).returncode:
        raise ValueError("the Python that is measured (--python) has no lm-eval[hf] with torch")
    made = bed.fresh("warm")
    subprocess.run(
        [str(bed.python), "-I", tiny_model.__file__, str(made)], env=bed.env, check=True, capture_output=True
    )
    with contextlib.ExitStack() as queues:
        cold, warm = (_queue(bed, queues, enabled=enabled) for enabled in (False, True))
        first = _ended(warm, [_submit(warm, made) for _ in range(_PRIMING)])
        rounds = [(_one(cold, made), _one(warm, made)) for _ in range(bed.rounds(10, 2))]
    return _figure([program for program, _ in rounds], [fork for _, fork in rounds], first)


def _figure(programs: list[JobInfo], forks: list[JobInfo], first: list[JobInfo]) -> Figure:
    cold, warm = [_seconds(job) for job in programs], [_seconds(job) for job in forks]
    ratio = median(cold) / median(warm)
    scores = {str(job.metrics) for job in (*programs, *forks, *first)}
    launched = [str(job.launch) for job in forks]
    figure = Figure(
        "warm",
        "Forked from a warm parent",
        f"{len(cold)} equal lm-eval jobs each way, alternately: two layers, {tiny_model.QUESTIONS} questions, on the "
        "CPU. From the start of the evaluation to its recorded end; the ratio is that of the medians.",
    )
    figure.lines = [
        Line(
            "a fork",
            spread(warm, "s"),
            f"a program: {spread(cold, 's')}",
            f"{ratio:.1f}",
            f"≥ {FACTOR:g}",
            ratio >= FACTOR,
        ),
        Line("scores of all jobs are equal", "yes" if len(scores) == 1 else "no", met=len(scores) == 1, mark="equal"),
        Line("started as forks", f"{launched.count('fork')} of {len(forks)}"),
    ]
    before = ", ".join(f"{job.launch} {_seconds(job):.1f} s" for job in first)
    figure.notes = [f"The {len(first)} jobs before, queued at once on a cold spool: {before}."]
    figure.samples = {"program, s": cold, "fork, s": warm, "the first, s": [_seconds(job) for job in first]}
    return figure


def _queue(bed: Bed, queues: contextlib.ExitStack, *, enabled: bool) -> Spoolq:
    queue, folder = Spoolq(bed), bed.fresh("queue")
    queues.callback(queue.stop)
    queue.start(folder, serve=False)
    bed.env |= {"SPOOLQ_LOCK_DIR": str(folder / "locks")}  # each queue has the slot of that name for itself
    settings = queue.root / "spoolq.toml"
    said = settings.read_text(encoding="utf-8") if settings.exists() else ""
    more = (
        f'\n[env]\nHF_HUB_OFFLINE = "1"\nHF_HOME = "{bed.folder / "hf"}"\n\n[warm]\nenabled = {str(enabled).lower()}\n'
    )
    settings.write_text(said + more, encoding="utf-8")
    queue.open(queue.root)
    return queue


def _submit(queue: Spoolq, made: Path) -> str:
    request: dict[str, Any] = {
        "model": "hf",
        "model_args": {"pretrained": str(made / "model")},
        "tasks": [tiny_model.TASK],
        "include_path": str(made / "tasks"),
        "device": "cpu",
        "batch_size": 8,
    }
    return queue.spool.submit(request, recipe="lm-eval").job_id


def _one(queue: Spoolq, made: Path) -> JobInfo:
    return _ended(queue, [_submit(queue, made)])[0]


def _ended(queue: Spoolq, jobs: list[str]) -> list[JobInfo]:
    ended = list(queue.spool.wait(jobs, timeout=_LIMIT_S))
    for job in ended:
        if job.status != "completed":
            raise ValueError(f"an evaluation failed: {job.error}")
    return ended


def _seconds(job: JobInfo) -> float:
    assert job.started_at is not None and job.completed_at is not None
    return (job.completed_at - job.started_at).total_seconds()
