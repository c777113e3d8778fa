"""What `spoolq results` prints: tables, CSV, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spoolq import render, results
from spoolq.scores import tables
from spoolq.scores.direction import word

if TYPE_CHECKING:
    from spoolq.cli.results_options import Form, Lines
    from spoolq.results import Row
    from spoolq.scores.cards import Card
    from spoolq.scores.contrast import Contrast
    from spoolq.store import Store


def scores(cards: Sequence[Card], form: Form, lines: Lines, lower: Collection[str]) -> None:
    """The scores in a form, a table's line being what *lines* says."""
    found = results.rows_of(cards)
    if form == "json":
        render.emit_json([row.document() for row in found])
    elif form == "csv":
        render.line(_csv([_harmless(row) for row in found], lines, lower).rstrip("\n"))
    elif form == "md" and lines == "scores":
        render.line(results.to_markdown([_harmless(row) for row in found]).rstrip("\n"))
    else:
        make = {"scores": tables.scores, "jobs": tables.by_job, "tasks": tables.by_task}[lines]
        table = make(found, lower)
        _print(table, form, flexible=0 if lines == "tasks" else 1)


def _csv(found: Sequence[Row], lines: Lines, lower: Collection[str]) -> str:
    """For programs: whole ids and numbers, no marks."""
    if lines == "scores":
        return results.to_csv(found)
    table = (tables.by_job if lines == "jobs" else tables.by_task)(found, lower, plain=True)
    return results.csv_of(table.header, table.lines)


def _print(table: tables.Table, form: Form, flexible: int) -> None:
    """A table for people, or as Markdown."""
    if form == "table":
        right = range(table.numbers, len(table.header))
        render.table([render.safe(head) for head in table.header], table.lines, right=right, flexible=flexible)
        return
    cells = [[str(cell).rstrip() for cell in line] for line in table.lines]
    render.line(results.markdown_of(table.header, cells, table.numbers).rstrip("\n"))


def _harmless(row: Row) -> Row:
    safe = render.safe
    value = safe(row.value) if isinstance(row.value, str) else row.value
    return replace(row, model=safe(row.model), task=safe(row.task), metric=safe(row.metric), value=value)


def side_by_side(store: Store, cards: Sequence[Card], form: Form) -> None:
    """The jobs side by side: of two the differences too, paired where their samples are logged."""
    ids = list(dict.fromkeys(card.job_id for card in cards))
    scored = list(dict.fromkeys(card.job_id for card in cards if card.metrics))
    ids = scored if len(scored) == 2 else ids
    if len(ids) == 2:
        _two(store, cards, ids, form)
        return
    found = results.rows_of(cards)
    jobs, lines = results.compare(found)
    if form == "json":
        render.emit_json([{"task": line[0], "metric": line[1], "values": dict(_pairs(jobs, line))} for line in lines])
        return
    header = ["task", "metric", *(jobs if form == "csv" else (job[:8] for job in jobs))]
    if form == "csv":
        render.line(results.csv_of(header, map(_harmless_line, lines)).rstrip("\n"))
        return
    cells = [[line[0], line[1], *map(results.number, line[2:])] for line in lines]
    _print(tables.Table(header, cells, 2), form, flexible=0)


def _harmless_line(cells: Sequence[Any]) -> list[Any]:
    return [render.safe(cell) if isinstance(cell, str) else cell for cell in cells]


def _pairs(jobs: Sequence[str], line: Sequence[Any]) -> zip[tuple[str, Any]]:
    return zip(jobs, line[2:], strict=False)


def _two(store: Store, cards: Sequence[Card], ids: Sequence[str], form: Form) -> None:
    from spoolq.scores.contrast import compare

    wanted = {(card.job_id, task) for card in cards for task in card.metrics}
    found = [line for line in compare(store, *ids) if (ids[0], line.task) in wanted or (ids[1], line.task) in wanted]
    if form == "json":
        render.emit_json([line.document(ids) for line in found])
        return
    if form == "csv":
        lines = [_harmless_line(_whole(line)) for line in found]
        render.line(results.csv_of(["task", "metric", "better", *ids, *_WHOLE], lines).rstrip("\n"))
        return
    paired = any(line.paired for line in found)
    header = ["task", "metric", *(job[:8] for job in ids), "difference", *(_PAIRED if paired else ())]
    _print(tables.Table(header, [_line(line, paired) for line in found], 2), form, flexible=0)
    if paired:
        _explain(found, form)
    for note in _notes(found, paired):
        if form == "md":
            render.line(render.safe(note))
        else:
            render.talk(render.paragraph(render.safe(note)))


_WHOLE = ("difference", "n", "only_first", "only_second", "paired_difference", "stderr", "low", "high", "p", "reason")
_PAIRED = ("95 % interval", "p", "matched", "only 1st", "only 2nd")


def _whole(line: Contrast) -> list[Any]:
    """The cells of a line for programs; what is not known is empty."""
    cells = [line.task, line.metric, word(line.lower), line.first, line.second, line.difference]
    found = line.paired
    if found is None:
        return [*cells, *[None] * 8, line.reason]
    p = found.mcnemar.p if found.mcnemar else None
    counts = [found.n, line.first_only, line.second_only]
    return [*cells, *counts, found.difference, found.stderr, found.low, found.high, p, line.reason]


def _line(line: Contrast, paired: bool) -> list[str]:
    cells = [line.task, line.metric, results.number(line.first), results.number(line.second)]
    found = line.paired
    cells.append("refused" if line.refused else results.number(line.difference))
    if not paired:
        return cells
    if found is None:
        return [*cells, *[""] * len(_PAIRED)]
    interval = "" if found.low is None else f"{found.low:+.4f} to {found.high:+.4f}"
    chance = "" if found.mcnemar is None else f"{found.mcnemar.p:.3g}"
    return [*cells, interval, chance, str(found.n), str(line.first_only), str(line.second_only)]


def _explain(found: Sequence[Contrast], form: Form) -> None:
    from spoolq.scores.paired import EXACT, METHOD, SOURCE

    render.line()
    render.line(f"95 % interval: {METHOD}, over the matched questions.")
    render.line(f"({SOURCE}.)")
    if any(line.paired and line.paired.mcnemar for line in found):
        render.line(f"p: {EXACT}, of scores that are 0 or 1.")
    if form == "md":
        render.line()


def _notes(found: Sequence[Contrast], paired: bool) -> list[str]:
    """Why lines have no interval, or were refused: one note for all that share a cause."""
    causes: dict[tuple[bool, str], list[str]] = {}
    for line in found:
        if line.reason and (line.refused or line.difference is not None):
            causes.setdefault((line.refused, line.reason), []).append(f"{line.task} {line.metric}")
        elif line.paired and line.first_only + line.second_only:
            over = f"over the {line.paired.n} matched questions it is {line.paired.difference:+.4f}"
            causes.setdefault((False, over), []).append(f"{line.task} {line.metric}")
    notes = []
    for (refused, cause), names in causes.items():
        what = "cannot be compared" if refused else "no interval" if not cause.startswith("over") else "difference"
        shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        notes.append(f"{what}: {shown}: {cause}" if paired or refused else f"{what}: {cause}: {shown}")
    return notes


def without(cards: Sequence[Card], filtered: bool) -> None:
    """Say which jobs have no line, and why a table may be empty."""
    ids = [card.job_id[:8] for card in cards if not card.metrics]
    if ids:
        shown = ", ".join(ids[:4]) + (", …" if len(ids) > 4 else "")
        render.talk(f"{len(ids)} {'job' if len(ids) == 1 else 'jobs'} without scores: {shown} (spoolq show JOB)")
    elif not cards:
        render.talk("no completed job is like that" if filtered else "no completed jobs")
