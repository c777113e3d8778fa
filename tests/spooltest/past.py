"""A spool with a past: completed jobs that took so long."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from spoolq.finish import terminal_record
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import ended, submitted


def request(model: str = "a", tasks: list[str] | None = None, limit: int | None = None) -> dict[str, Any]:
    """A request for an evaluation of a model on tasks."""
    return {"model": model, "tasks": tasks or ["t"], **({} if limit is None else {"limit": limit})}


def completed(store: Store, seconds: float, *, recipe: str = "lm-eval", **of: Any) -> Path:
    """The record of a job that completed after so many *seconds*; *of*: `request`, or what that is made of."""
    stem = submitted(store)
    ended(store, stem)
    path = store.layout.terminal(State.COMPLETED, stem.key)
    end = datetime.now(UTC)
    record = {
        **(terminal_record(path) or {}),
        "recipe": recipe,
        "request": of.get("request") or request(**of),
        "started_at": (end - timedelta(seconds=seconds)).isoformat(),
        "completed_at": end.isoformat(),
    }
    path.write_text(json.dumps(record))
    return path
