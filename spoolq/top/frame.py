"""One picture of the queue, drawn: a title, what runs, what waits, what has ended, and a line about keys.

All text is plain (no markup is read in it) and made harmless first; every row is cut to the width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from spoolq import render
from spoolq.top.picture import Picture

_STYLES = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}
_KEYS = "↑↓ select  c cancel  + raise  - lower  l log  p pause  q quit"
#: The least that is left for each section that has something to show.
_LEAST = 3
_BAR, _INDENT = 20, 12


@dataclass(slots=True)
class View:
    """What the person at the keys sees and is asked: the selected job's id, and the last line."""

    selected: str | None = None
    message: str = ""
    #: It went wrong, or a question: the line stands out.
    urgent: bool = False


@dataclass(slots=True)
class _Section:
    name: str
    records: Sequence[Mapping[str, Any]]
    draw: Callable[[Mapping[str, Any], bool, int], RenderableType]
    #: Lines of one record.
    each: int = 1
    #: How many there are, of which *records* are the first.
    total: int = 0
    #: Lines given to the records.
    lines: int = 0

    @property
    def wanted(self) -> int:
        return self.each * len(self.records)


def frame(picture: Picture, view: View, width: int, height: int, now: datetime | None = None) -> Layout:
    """The whole picture in *width* columns and *height* lines."""
    sections = [
        _Section("running", picture.running, _running, each=2, total=len(picture.running)),
        _Section("waiting", picture.waiting, _waiting, total=picture.seen["queue_size"]),
        _Section("ended", picture.ended, _ended, total=_count_ended(picture.seen)),
    ]
    sections = [section for section in sections if section.records]
    top = [_line(row, width) for row in _top(picture.seen, width, now) if row.plain]
    fixed = len(top) + 1
    share(sections, height - fixed - len(sections))
    parts = [Layout(Group(*top), size=len(top), name="top")]
    for section in sections:
        parts.append(Layout(_drawn(section, view, width), size=1 + section.lines, name=section.name))
    used = fixed + sum(1 + section.lines for section in sections)
    if used < height:
        parts.append(Layout(Text(" "), size=height - used, name="rest"))  # an empty one is drawn as a placeholder
    parts.append(Layout(_last(view, width), size=1, name="keys"))
    layout = Layout(name="all")
    layout.split_column(*parts)
    return layout


def share(sections: Sequence[_Section], room: int) -> None:
    """Give each section its lines of *room*: what it wants if all fits, else the upper ones more, and each some."""
    left = max(0, room)
    for place, section in enumerate(sections):
        least = min(_LEAST, left // (len(sections) - place))
        below = sum(min(least, other.wanted) for other in sections[place + 1 :])
        given = min(section.wanted, max(0, left - below))
        section.lines = given - given % section.each
        left -= section.lines


def _count_ended(seen: Mapping[str, Any]) -> int:
    return sum(int(seen[f"{state}_jobs"]) for state in ("completed", "failed", "cancelled"))


def _top(seen: Mapping[str, Any], width: int, now: datetime | None) -> list[Text]:
    """Title, counts, when all is done, and what keeps it from being so; the latter two may be empty."""
    clock = (now or datetime.now().astimezone()).strftime("%H:%M:%S")
    title = _ends(f"spoolq top  {render.safe(seen['spool'])}", clock, width)
    title.stylize("bold")
    counts = Text(f"{seen['queue_size']} queued  {len(seen['running'])} running")
    for state in ("completed", "failed", "cancelled"):
        count = seen[f"{state}_jobs"]
        counts.append("  ").append(f"{count} {state}", _STYLES[state] if count else "")
    done = render.expected(seen["expected_done"])
    return [title, counts, Text(f"the queue is done at about {done}" if done else ""), _notice(seen)]


def _notice(seen: Mapping[str, Any]) -> Text:
    """What keeps the queue from moving; empty when nothing does."""
    if seen["paused"]:
        why = (seen["pause"] or {}).get("reason")
        return Text(f"paused{f': {render.safe(why)}' if why else ''} (p resumes)", "yellow")
    if seen["troubles"]:
        first, *more = seen["troubles"]
        also = f" (and {len(more)} more: spoolq status)" if more else ""
        return Text(render.safe(f"trouble: {first['what']}: {first['path']}. {first['next']}{also}"), "red")
    idle = [slot for slot, held in seen["slots"].items() if not held]
    noun = "slot" if len(idle) == 1 else "slots"
    return Text(f"no runner on this host for {noun} {', '.join(idle)}" if idle else "", "dim")


def _drawn(section: _Section, view: View, width: int) -> Group:
    """The heading of a section and those of its records that have room, the selected one among them."""
    room = section.lines // section.each
    chosen = next((n for n, record in enumerate(section.records) if record["job_id"] == view.selected), 0)
    start = max(0, min(chosen - room + 1, len(section.records) - room))
    shown = section.records[start : start + room]
    title = section.name
    if len(shown) < section.total:
        title += f" ({start + 1} to {start + len(shown)} of {section.total})" if shown else f" ({section.total})"
    rows = [section.draw(record, record["job_id"] == view.selected, width) for record in shown]
    return Group(_line(Text(title, "bold"), width), *rows)


def _running(record: Mapping[str, Any], selected: bool, width: int) -> Group:
    lasted = render.age(record["started_at"]) or "starting"
    head = f"{_mark(selected)}{record['job_id'][:8]}  {lasted:>7}  {render.safe(record['worker'])}  "
    subject = render.subject(record) or render.safe(record["error"] or "")
    return Group(_chosen(Text(head + subject), selected, width), _progress(record, width))


def _progress(record: Mapping[str, Any], width: int) -> RenderableType:
    """The bar of a running job, in figures too, and when it is expected to end."""
    progress, ending = record["progress"], render.ending(record)
    end = f"  {ending}" if ending else ""
    attempt = f", attempt {record['attempt']}" if record["attempt"] > 1 else ""
    if not progress:
        return _ends(" " * _INDENT + f"tells nothing of its progress{attempt}", end, width)
    room = max(8, width - _INDENT - _BAR - 1)
    row = Table.grid(padding=(0, 1, 0, 0))
    for columns in (_INDENT - 1, _BAR, room):
        row.add_column(width=columns, no_wrap=True)
    bar = ProgressBar(total=100, completed=progress["percent"], width=_BAR, complete_style="cyan")
    # The stage is the longest and tells least: it gets what the figures leave.
    figures = render.progress_text({**progress, "stage": ""}) + attempt
    left = room - render.columns(figures) - render.columns(end) - 2
    stage = f"  {render.clip(render.safe(progress['stage']), left)}" if left > 8 else ""
    row.add_row("", bar, _line(_ends(figures + stage, end, room), room))
    return row


def _waiting(record: Mapping[str, Any], selected: bool, width: int) -> Text:
    level = "" if record["priority"] == "normal" else f"{record['priority']} "
    head = f"{_mark(selected)}{record['position_in_queue']:>4}  {record['job_id'][:8]}  {level}"
    begins = record.get("expected_start")
    start = f"  {render.clock_time(begins['p50'])}" if begins else ""
    reason = f"  {render.clip(render.safe(record['reason']), max(12, width // 2 - len(start) - 2))}{start}"
    room = width - render.columns(head) - render.columns(reason)
    text = _ends(head + render.clip(render.subject(record), max(8, room)), reason, width)
    text.stylize("dim", len(text) - len(reason))
    return _chosen(text, selected, width)


def _ended(record: Mapping[str, Any], selected: bool, width: int) -> Text:
    state = record["status"]
    took = render.age(record["started_at"], record["completed_at"]) if record["started_at"] else ""
    text = Text(f"{_mark(selected)}{record['job_id'][:8]}  ")
    text.append(f"{state:<9}", _STYLES.get(state, ""))
    outcome = "" if record["outcome"] in ("succeeded", "cancelled") else f"{record['outcome']}: "
    text.append(f"  {took:>7}  {outcome}{render.subject(record) or render.safe(record['error'] or '')}")
    ago = f"  {render.age(record['completed_at'])} ago" if record["completed_at"] else ""
    text.truncate(max(8, width - len(ago)), overflow="ellipsis")
    text.append(" " * (width - text.cell_len - len(ago)) + ago, "dim")
    return _chosen(text, selected, width)


def _mark(selected: bool) -> str:
    """Selected rows are known without any colour, too."""
    return "> " if selected else "  "


def _chosen(text: Text, selected: bool, width: int) -> Text:
    if selected:
        text.stylize("bold")
    return _line(text, width)


def _ends(left: str, right: str, width: int) -> Text:
    """*left* and *right* at the two ends of a line; the left one is cut where both have no room."""
    left = render.clip(left, max(8, width - render.columns(right) - 1))
    return Text(left + " " * max(1, width - render.columns(left) - render.columns(right)) + right)


def _line(text: Text, width: int) -> Text:
    """*text* as one line of at most *width* columns."""
    text.no_wrap, text.overflow = True, "ellipsis"
    text.truncate(width, overflow="ellipsis")
    return text


def _last(view: View, width: int) -> Text:
    if not view.message:
        return _line(Text(_KEYS, "dim"), width)
    return _line(Text(render.safe(view.message), "bold" if view.urgent else ""), width)
