"""A card: of an ended job only what a table of scores needs, so that thousands of them fit into one small file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STDERR = re.compile(r"(?P<metric>.+)_stderr(?P<filter>,.*)?")
#: Of these inspect gives the error under no name but `stderr`.
_MEANS = ("accuracy", "mean")

Metrics = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Card:
    """The scores of a job, and what one may choose it by. *models* are the names of its model, that shown first."""

    job_id: str
    models: tuple[str, ...]
    recipe: str | None
    group: str | None
    labels: Mapping[str, str]
    completed_at: str | None
    metrics: Metrics

    @property
    def model(self) -> str:
        """What was evaluated, in a few words."""
        return self.models[0] if self.models else ""


def card_of(record: Mapping[str, Any]) -> Card:
    """The card of a record."""
    shown = model_of(record)
    asked = (record.get("request") or {}).get("model")
    labels = record.get("labels")
    return Card(
        job_id=record["job_id"],
        models=(shown, str(asked)) if asked and str(asked) != shown else (shown,),
        recipe=record.get("recipe"),
        group=record.get("group"),
        labels=labels if isinstance(labels, dict) else {},
        completed_at=record.get("completed_at"),
        metrics={task: found for task, found in (record.get("metrics") or {}).items() if isinstance(found, dict)},
    )


def model_of(record: Mapping[str, Any]) -> str:
    """What was evaluated, in a few words: the model and what tells it from others, or the command."""
    request = record.get("request") or {}
    arguments = request.get("model_args")
    if isinstance(arguments, Mapping):
        named = next((str(arguments[key]) for key in ("pretrained", "model", "path") if key in arguments), None)
        if named:
            return named
    if request.get("model"):
        return str(request["model"])
    command = request.get("command")
    if not isinstance(command, list) or not command:
        return ""
    program, *rest = map(str, command)
    return " ".join([program.rpartition("/")[2] or program, *rest])


def errors_of(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Metric -> the metric that is its standard error; every `*_stderr` is one, though its metric be missing."""
    found = {}
    for key in metrics:
        name, sign, kind = key.partition(",")
        if match := _STDERR.fullmatch(key):
            found[f"{match['metric']}{match['filter'] or ''}"] = key
        elif name == "stderr" and (means := [mean for mean in _MEANS if f"{mean}{sign}{kind}" in metrics]):
            found |= {f"{mean}{sign}{kind}": key for mean in means}
    return found
