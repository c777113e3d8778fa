"""`spoolq results`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spoolq.cli import results_options as of
from spoolq.cli.options import JsonOption, SpoolOption, open_store
from spoolq.cli.results_options import Form

if TYPE_CHECKING:
    from spoolq.scores.cards import Card
    from spoolq.scores.choice import Choice
    from spoolq.store import Store


#: The word that may stand before two jobs in place of `--compare`.
_COMPARE = "compare"


# fmt: off
def command(
    jobs: of.Jobs = None, compare: of.Compare = False, lines: of.Rows = of.Lines.SCORES, label: of.Label = None,
    group: of.Group = None, model: of.Model = None, task: of.Task = None, recipe: of.Recipe = None,
    since: of.Since = None, until: of.Until = None, limit: of.Limit = None, form: of.Format = Form.TABLE,
    csv: of.Csv = False, md: of.Md = False, plot: of.Plot = None, trend: of.Trend = False,
    spool: SpoolOption = None, json: JsonOption = False,
) -> None:
    # fmt: on
    """The scores of completed jobs.

    A pipe or a file gets whole lines; on a terminal they are cut to fit. Of two jobs that logged their samples,
    `compare` also tells the paired difference with its confidence interval.

    Example: spoolq results compare 1b4e28ba 9c1d22aa
    """
    from spoolq.results import chosen

    names, compare = _named(jobs or [], compare)
    if trend and plot is None:
        raise typer.BadParameter("it says how to draw: name a file with --plot", param_hint="--trend")
    store = open_store(spool)
    choice = _choice(store, label, {"group": group, "model": model, "task": task, "recipe": recipe}, since, until)
    printed_as = _form(form, csv, md, json)
    cards = chosen(store, names, choice, limit)
    if plot is not None:
        _draw(cards, plot, trend, store)
    else:
        _print(store, cards, printed_as, None if compare else lines)
    if printed_as is Form.TABLE:
        _without(cards, names, choice)


def _named(jobs: list[str], compare: bool) -> tuple[list[str], bool]:
    """The jobs, and whether to compare them, as the first word may say too."""
    return (jobs[1:], True) if jobs[:1] == [_COMPARE] else (jobs, compare)


def _without(cards: Sequence[Card], names: Sequence[str], choice: Choice) -> None:
    """Say last which of the jobs that were asked for have no scores: a reader may have gone by then."""
    from spoolq.cli.results_printed import without
    from spoolq.scores.choice import Choice

    without(cards, bool(names) or choice != Choice())


def _print(store: Store, cards: Sequence[Card], form: Form, lines: of.Lines | None) -> None:
    """The cards as a table of such *lines*; None: side by side."""
    from spoolq.cli import results_printed as printed

    if lines is None:
        printed.side_by_side(store, cards, form)
    else:
        printed.scores(cards, form, lines, store.settings.lower_is_better)


def _form(form: Form, csv: bool, md: bool, json: bool) -> Form:
    """The one form that is asked for; a usage error when there are several."""
    asked = {short for short, given in ((Form.CSV, csv), (Form.MD, md), (Form.JSON, json)) if given}
    asked |= {form} - {Form.TABLE}
    if len(asked) > 1:
        raise typer.BadParameter(f"{' and '.join(sorted(asked))} are two forms; take one", param_hint="--format")
    return asked.pop() if asked else Form.TABLE


def _choice(
    store: Store, labels: Sequence[str] | None, names: Mapping[str, str | None], since: str | None, until: str | None
) -> Choice:
    from spoolq.scores.choice import Choice, labels_of, moment

    hint = "--label"
    try:
        pairs = labels_of(labels or [])
        hint = "--since"
        first = None if since is None else moment(since, store.clock())
        hint = "--until"
        last = None if until is None else moment(until, store.clock(), end=True)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None
    return Choice(pairs, **names, since=first, until=last)


def _draw(cards: Sequence[Card], path: Path, trend: bool, store: Store) -> None:
    from spoolq import render
    from spoolq.scores import chart

    if path.suffix not in chart.SUFFIXES:
        raise typer.BadParameter(f"{path.name} ends in none of {', '.join(chart.SUFFIXES)}", param_hint="--plot")
    for note in chart.draw(cards, path, trend=trend, lower=store.settings.lower_is_better):
        render.talk(note)
    render.talk(f"drawn: {render.safe(path)}")
