"""Scores as a picture: bars of the jobs for each metric, or lines over the time of their end. By matplotlib.

The same scores give the same bytes: no time of drawing, no random ids, none of the user's own settings. matplotlib is
in the extra `plot` and imported only here, when something is drawn; mypy shall pass without it, so it is Any.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from spoolq.errors import PlotUnavailable
from spoolq.plain import one_line
from spoolq.results import Row, rows_of
from spoolq.scores.cards import Card
from spoolq.scores.direction import lower_is_better, word
from spoolq.scores.tables import is_number

SUFFIXES = (".svg", ".png")
#: More cannot be told apart: bars of one task, panels below one another, lines in one panel.
JOBS, PANELS, LINES = 10, 12, 10
_PANEL_IN = 2.6
_SETTINGS = {"svg.hashsalt": "spoolq", "svg.fonttype": "none", "text.parse_math": False, "font.size": 9.0}
_LONGEST_NAME = 40


def draw(cards: Sequence[Card], path: Path, *, trend: bool = False, lower: Collection[str] = ()) -> list[str]:
    """Draw the scores into *path* (`.svg` or `.png`); returns what was left out, in sentences.

    A panel a metric: a bar a job for each task, or with *trend* a line a model and task over the time of the jobs' end.
    *lower* declares metrics of which less is better. Raises PlotUnavailable, OSError.
    """
    figure_of = _figure(path)
    cards, notes = _newest(cards) if not trend else (list(cards), [])
    found = [row for row in rows_of(cards) if is_number(row.value)]
    metrics = list(dict.fromkeys(row.metric for row in found))
    if not metrics:
        raise PlotUnavailable(f"cannot draw {path.name}: the jobs chosen have no numbers. See `spoolq results`.")
    if len(metrics) > PANELS:
        notes.append(f"drawn are the first {PANELS} of {len(metrics)} metrics: choose with --task")
    ends = {card.job_id: datetime.fromisoformat(card.completed_at) for card in cards if card.completed_at}
    # One colour through all panels.
    series = dict.fromkeys((row.model, row.task) if trend else row.job_id for row in found)
    colours = {name: f"C{place % 10}" for place, name in enumerate(series)}
    with _settled():
        shown = metrics[:PANELS]
        figure = figure_of(figsize=(_width(found, trend), _PANEL_IN * len(shown) + 0.8), layout="constrained")
        panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
        for axes, metric in zip(panels, shown, strict=True):
            mine = [row for row in found if row.metric == metric]
            notes += _lines(axes, mine, ends, colours) if trend else _bars(axes, mine, colours)
            whiskers = "; whiskers: standard error" if any(row.stderr for row in mine) else ""
            less = word(lower_is_better(metric, lower))
            axes.set_title(f"{_short(metric)} ({less} is better{whiskers})", loc="left", fontsize=9)
        out = io.BytesIO()
        # Without a date the bytes are the same tomorrow.
        about = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(out, format=path.suffix[1:], metadata=about)
    path.write_bytes(out.getvalue())
    return list(dict.fromkeys(notes))


def _figure(path: Path) -> Any:
    try:
        return import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise PlotUnavailable(
            f"cannot draw {path.name}: matplotlib is not installed ({error}). Install it with "
            "`pip install 'spoolq[plot]'`."
        ) from None


@contextmanager
def _settled() -> Iterator[None]:
    """matplotlib's own settings, not the user's; text as text, and `$` in a name as it stands."""
    plotting: Any = import_module("matplotlib")
    with plotting.rc_context(), warnings.catch_warnings():
        plotting.rcdefaults()
        # A sign that this font lacks is drawn by the viewer's.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        plotting.rcParams.update(_SETTINGS)
        yield


def _newest(cards: Sequence[Card]) -> tuple[list[Card], list[str]]:
    scored = [card for card in cards if card.metrics]
    if len(scored) <= JOBS:
        return scored, []
    return scored[-JOBS:], [f"drawn are the {JOBS} newest of {len(scored)} jobs: choose with --limit, or take --trend"]


def _width(found: Sequence[Row], trend: bool) -> float:
    """Inches: enough for the bars of the metric that has most."""
    if trend:
        return 9.0
    bars = {metric: sum(row.metric == metric for row in found) for metric in {row.metric for row in found}}
    tasks = {metric: len({row.task for row in found if row.metric == metric}) for metric in bars}
    return min(40.0, max(7.0, 3.0 + max(0.25 * bars[metric] + 0.4 * tasks[metric] for metric in bars)))


def _bars(axes: Any, found: Sequence[Row], colours: Mapping[Any, str]) -> list[str]:
    tasks, jobs = (list(dict.fromkeys(names)) for names in ((r.task for r in found), (r.job_id for r in found)))
    width = 0.8 / len(jobs)
    for place, job in enumerate(jobs):
        mine = [row for row in found if row.job_id == job]
        at = [tasks.index(row.task) + (place - (len(jobs) - 1) / 2) * width for row in mine]
        heights, label = _values(mine), f"{_short(mine[0].model)} ({job[:8]})"
        errors = {"yerr": _errors(mine), "capsize": 2} if any(row.stderr for row in mine) else {}
        bars = axes.bar(at, heights, width, label=label, color=colours[job], **errors)
        if len(found) <= 24:
            axes.bar_label(bars, [f"{height:.3g}" for height in heights], padding=2, fontsize=7)
    axes.set_xticks(range(len(tasks)), [_short(task) for task in tasks], rotation=30 if len(tasks) > 4 else 0)
    axes.margins(y=0.15)
    _legend(axes)
    return []


def _values(found: Sequence[Row]) -> list[float]:
    return [float(row.value) for row in found]  # type: ignore[arg-type]


def _errors(found: Sequence[Row]) -> list[float]:
    """The standard errors; where there is none, no whisker."""
    return [math.nan if row.stderr is None else row.stderr for row in found]


def _lines(axes: Any, found: Sequence[Row], ends: Mapping[str, datetime], colours: Mapping[Any, str]) -> list[str]:
    dates: Any = import_module("matplotlib.dates")
    series: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        if row.job_id in ends:
            series.setdefault((row.model, row.task), []).append(row)
    for model, task in list(series)[:LINES]:
        mine = sorted(series[model, task], key=lambda row: (ends[row.job_id], row.job_id))
        times = [dates.date2num(ends[row.job_id]) for row in mine]
        label, colour = f"{_short(model)}: {_short(task)}", colours[model, task]
        axes.errorbar(times, _values(mine), _errors(mine), marker="o", capsize=2, label=label, color=colour)
    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.set_xlabel("ended (UTC)")
    axes.margins(y=0.15)
    _legend(axes)
    if len(series) > LINES:
        return [f"drawn are {LINES} of {len(series)} models and tasks: choose with --model and --task"]
    return []


def _legend(axes: Any) -> None:
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _short(name: str) -> str:
    """A name that fits; what a drawing cannot hold goes."""
    plain = one_line(name)
    if plain.startswith("_"):  # which would keep a label out of the legend
        plain = f" {plain}"
    return plain if len(plain) <= _LONGEST_NAME else f"…{plain[1 - _LONGEST_NAME :]}"
