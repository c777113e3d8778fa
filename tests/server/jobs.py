"""Ended jobs by the thousand, as records on disk."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from spoolq.jobs import blank
from spoolq.names import Stem, format_stamp, new_uuid
from spoolq.store import Store
from spoolq.transitions import TERMINAL


def ended_jobs(store: Store, count: int, model: Callable[[int], str] = lambda _n: "gpt2") -> list[Stem]:
    """Makes *count* ended jobs, of the three states in turn, one a minute; returns their STEMs, oldest first."""
    began, stems = datetime(2026, 1, 1, tzinfo=UTC), []
    for n in range(count):
        stem = Stem("", format_stamp(began + timedelta(minutes=n)), new_uuid())
        state = TERMINAL[n % 3]
        request = {"model": "hf", "tasks": ["mmlu"], "model_args": {"pretrained": model(n)}}
        facts = {"request": request, "recipe": "lm-eval", "outcome": "succeeded", "completed_at": store.now()}
        record = {**blank(store, state, stem), **facts}
        store.layout.terminal(state, stem.key).write_text(json.dumps(record))
        stems.append(stem)
    return stems
