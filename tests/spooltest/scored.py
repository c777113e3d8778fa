"""Completed jobs with scores, and with samples as the harnesses log them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from spoolq.jobs import blank
from spoolq.names import Stem, new_stem
from spoolq.store import Store
from spoolq.transitions import State

STAMP = "2026-11-20T12-00-00.123456"


def job_id(number: int) -> str:
    """An id that says which job it is."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def scored(
    store: Store,
    number: int,
    model: str,
    metrics: Mapping[str, Mapping[str, Any]],
    *,
    ended: str = "2026-11-20T12:00:00+00:00",
    result: Mapping[str, Any] | None = None,
    **policy: Any,
) -> Stem:
    """A completed job number *number* of a model, with these metrics, as its record stands on disk."""
    stem = new_stem(datetime.fromisoformat(ended), uuid=job_id(number))
    record = blank(store, State.COMPLETED, stem)
    request = {"model": "hf", "model_args": {"pretrained": model}, "tasks": sorted(metrics)}
    record |= {"request": request, "recipe": "lm-eval", "outcome": "succeeded", "exit_code": 0, "attempt": 1}
    record |= {"completed_at": ended, "metrics": metrics, "result": result, "submitted_by": 0, **policy}
    store.layout.terminal(State.COMPLETED, stem.key).write_text(json.dumps(record))
    return stem


def lm_eval(
    store: Store,
    number: int,
    model: str,
    answers: Mapping[str, Sequence[float]],
    *,
    metric: str = "acc",
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    versions: Mapping[str, Any] | None = None,
    first: int = 0,
    **more: Any,
) -> Stem:
    """A job of lm-eval with samples on disk: *answers* are a task's scores, question by question from *first* on."""
    measured = {task: {metric: sum(values) / len(values)} for task, values in answers.items()} | dict(metrics or {})
    folder = f"runs/{key_of(number, more)}/output/{model.replace('/', '__')}"
    place = store.layout.anchored(folder)
    place.mkdir(parents=True)
    results = {"results": {}, "versions": dict.fromkeys(measured, 1.0) | dict(versions or {})}
    (place / f"results_{STAMP}.json").write_text(json.dumps(results))
    samples = []
    for task, values in answers.items():
        samples.append(f"{folder}/samples_{task}_{STAMP}.jsonl")
        rows = [sample(first + at, value, metric) for at, value in enumerate(values)]
        store.layout.anchored(samples[-1]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = {model: {"results": f"{folder}/results_{STAMP}.json", "samples": samples}}
    return scored(store, number, model, measured, result=result, **more)


def key_of(number: int, more: Mapping[str, Any]) -> str:
    """The KEY that `scored` will give the job."""
    ended = datetime.fromisoformat(more.get("ended", "2026-11-20T12:00:00+00:00"))
    return new_stem(ended, uuid=job_id(number)).key


def sample(number: int, value: Any, metric: str = "acc", question: str = "what is") -> dict[str, Any]:
    """A line of lm-eval's samples."""
    digest = hashlib.sha256(f"{question} {number}?".encode()).hexdigest()
    told = {"doc_id": number, "doc": {"question": f"{question} {number}?"}, "target": "1", "filter": "none"}
    return {**told, "metrics": [metric], "doc_hash": digest, "target_hash": digest[:8], metric: value}
