"""`/api/v1/results`: the scores of completed jobs, as rows and side by side."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from spoolq.jobs import Entry, describe, parse_entry
from spoolq.results import Row, model_of, rows
from spoolq.server import shapes_results as shapes
from spoolq.server.answers import Answer
from spoolq.server.face import Face
from spoolq.server.facts import KnownFacts
from spoolq.server.named import entry_of
from spoolq.server.records import Records
from spoolq.server.routes import Route, faults
from spoolq.transitions import State

#: One request looks into at most so many records.
_RECORDS = 1000
_Jobs = Annotated[list[str], Query(max_length=50, description="Of these jobs; repeat it.")]
_Name = Annotated[str | None, Query(max_length=500)]


def routes(face: Face, records: Records) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["results"], route_class=Route)

    @made.get("/results", response_model=shapes.Results, responses=faults(404))
    async def get_results(
        job: _Jobs = [],  # noqa: B006
        model: _Name = None,
        task: _Name = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many rows.")] = 500,
    ) -> Response:
        """A row for each score of each task: of the jobs named, or of the newest that have completed."""

        def found() -> list[dict[str, Any]]:
            wanted = [entry_of(face.view, name) for name in job] or _newest(face, records.facts, model)
            return [asdict(row) for row in _rows(face, wanted, model, task, limit)]

        return Answer({"rows": await face.work(found)})

    @made.get("/results/compare", response_model=shapes.Comparison, responses=faults(404))
    async def compare(
        job: Annotated[list[str], Query(min_length=2, max_length=20, description="Two jobs or more; repeat it.")],
    ) -> Response:
        """Jobs side by side: a row for each task and metric with the value of each job, and of two the difference."""

        def compared() -> dict[str, Any]:
            found = list({record["job_id"]: record for record in (records.one(name) for name in job)}.values())
            columns = [{(row.task, row.metric): row for row in rows([record])} for record in found]
            names = dict.fromkeys(name for column in columns for name in column)
            return {
                "jobs": [{**record, "model": model_of(record)} for record in found],
                "rows": [_side_by_side(*name, [column.get(name) for column in columns]) for name in names],
            }

        return Answer(await face.work(compared))

    return made


def _newest(face: Face, facts: KnownFacts, model: str | None) -> Iterator[Entry]:
    """Completed jobs, the newest first, without those whose model is known to be another."""
    names = heapq.nlargest(_RECORDS, face.view.all()[State.COMPLETED].names)
    for entry in (parse_entry(State.COMPLETED, name) for name in names):
        known = facts.of(entry) if entry and model is not None else None
        if entry and (known is None or model in known.models):
            yield entry


def _rows(face: Face, wanted: Iterable[Entry], model: str | None, task: str | None, limit: int) -> list[Row]:
    found: list[Row] = []
    for entry in wanted:
        if len(found) >= limit:
            break
        record = describe(face.store, entry)
        fits = record is not None and model in (None, model_of(record), (record["request"] or {}).get("model"))
        if record is not None and fits:
            found += [row for row in rows([record]) if task in (None, row.task)]
    return found[:limit]


def _side_by_side(task: str, metric: str, cells: Sequence[Row | None]) -> dict[str, Any]:
    values = [cell.value if cell else None for cell in cells]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return {
        "task": task,
        "metric": metric,
        "values": [{"value": cell.value, "stderr": cell.stderr} if cell else None for cell in cells],
        "difference": numbers[1] - numbers[0] if len(values) == len(numbers) == 2 else None,
    }
