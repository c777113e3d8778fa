"""`/api/v1/results`: the scores of completed jobs, as rows and side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from spoolq.errors import RequestInvalid
from spoolq.jobs import describe
from spoolq.results import Row, rows, rows_of
from spoolq.scores.cards import Card, card_of, model_of
from spoolq.scores.choice import Choice, labels_of, moment
from spoolq.scores.contrast import contrast
from spoolq.scores.index import Cards
from spoolq.server import shapes_results as shapes
from spoolq.server.answers import Answer
from spoolq.server.face import Face
from spoolq.server.named import entry_of
from spoolq.server.records import Records
from spoolq.server.routes import Route, faults

_Jobs = Annotated[list[str], Query(max_length=50, description="Of these jobs; repeat it.")]
_Name = Annotated[str | None, Query(max_length=500)]
_When = Annotated[str | None, Query(max_length=50, description="An age (`7d`), a date, or a time in ISO 8601.")]


def routes(face: Face, records: Records) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["results"], route_class=Route)
    cards = Cards(face.store)

    @made.get("/results", response_model=shapes.Results, responses=faults(404))
    async def get_results(
        job: _Jobs = [],  # noqa: B006
        label: Annotated[list[str], Query(max_length=20, description="`KEY=VALUE`; repeat it.")] = [],  # noqa: B006
        group: _Name = None,
        model: _Name = None,
        task: _Name = None,
        recipe: _Name = None,
        since: _When = None,
        until: _When = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many rows.")] = 500,
    ) -> Response:
        """A row for each score of each task: of the jobs named, or of all that have completed, the newest first."""
        wanted = {"group": group, "model": model, "task": task, "recipe": recipe}
        choice = _choice(face, label, wanted, since, until)

        def found() -> list[dict[str, Any]]:
            named = [describe(face.store, entry_of(face.view, name)) for name in job]
            chosen = [card_of(record) for record in named if record] if job else cards.all()[::-1]
            return [row.document() for row in itertools.islice(_rows(chosen, choice), limit)]

        return Answer({"rows": await face.work(found)})

    @made.get("/results/compare", response_model=shapes.Comparison, responses=faults(404))
    async def compare(
        job: Annotated[list[str], Query(min_length=2, max_length=20, description="Two jobs or more; repeat it.")],
        samples: Annotated[bool, Query(description="Of two: also read their samples, for `paired`.")] = False,
    ) -> Response:
        """Jobs side by side: a row for each task and metric with the value of each job, and of two the difference."""

        return Answer(await face.work(_compared, face, records, job, samples))

    return made


def _compared(face: Face, records: Records, names: Sequence[str], samples: bool) -> dict[str, Any]:
    found = list({record["job_id"]: record for record in (records.one(name) for name in names)}.values())
    jobs = [{**record, "model": model_of(record)} for record in found]
    if samples and len(found) == 2:
        return {"jobs": jobs, "rows": _paired(face, found[0], found[1])}
    columns = [{(row.task, row.metric): row for row in rows([record])} for record in found]
    lines = dict.fromkeys(name for column in columns for name in column)
    return {"jobs": jobs, "rows": [_side_by_side(*name, [column.get(name) for column in columns]) for name in lines]}


def _rows(cards: Iterable[Card], choice: Choice) -> Iterator[Row]:
    for card in cards:
        yield from rows_of(choice.of([card]))


def _choice(
    face: Face, labels: Sequence[str], names: Mapping[str, str | None], since: str | None, until: str | None
) -> Choice:
    """What a request asks for; raises RequestInvalid."""
    field, now = "label", face.store.clock()
    try:
        pairs = labels_of(labels)
        field = "since"
        first = None if since is None else moment(since, now)
        field = "until"
        last = None if until is None else moment(until, now, end=True)
    except ValueError as error:
        raise RequestInvalid(f"cannot use `{field}`: {error}.", field) from None
    return Choice(pairs, **names, since=first, until=last)


def _paired(face: Face, *found: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of two jobs with what their samples tell."""
    errors = [{(row.task, row.metric): row.stderr for row in rows([record])} for record in found]
    ids = [record["job_id"] for record in found]
    lines = []
    for line in contrast(face.store, found[0], found[1], face.store.settings.lower_is_better):
        told = line.document(ids)
        cells = [
            None if value is None else {"value": value, "stderr": of.get((line.task, line.metric))}
            for value, of in zip(told.pop("values").values(), errors, strict=True)
        ]
        lines.append({**told, "values": cells})
    return lines


def _side_by_side(task: str, metric: str, cells: Sequence[Row | None]) -> dict[str, Any]:
    values = [cell.value if cell else None for cell in cells]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return {
        "task": task,
        "metric": metric,
        "values": [{"value": cell.value, "stderr": cell.stderr} if cell else None for cell in cells],
        "difference": numbers[1] - numbers[0] if len(values) == len(numbers) == 2 else None,
    }
