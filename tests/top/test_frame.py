"""One picture, drawn."""

import io
import os
from datetime import UTC, datetime

import pytest
from rich.console import Console

from spoolq.top.frame import View, _Section, frame, share
from spoolq.top.picture import Picture

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def job(number, status="queued", subject="true", **facts):
    record = {
        "job_id": f"{number:08d}-0000-4000-8000-000000000000",
        "status": status,
        "request": {"command": [subject]},
        "priority": "normal",
        "position_in_queue": number,
        "reason": f"behind {number} queued jobs",
        "worker": "host.all",
        "attempt": 1,
        "outcome": None,
        **dict.fromkeys(("started_at", "completed_at", "progress", "error", "recipe")),
    }
    return {**record, **facts}


def picture(running=(), waiting=(), ended=(), **facts):
    seen = {
        "spool": "/spool",
        "queue_size": len(waiting),
        "paused": False,
        "pause": None,
        "troubles": [],
        "slots": {"all": True},
        "expected_done": None,
        **{f"{state}_jobs": 0 for state in ("completed", "failed", "cancelled")},
        "completed_jobs": len(ended),
        "running": list(running),
        "waiting": list(waiting),
        **facts,
    }
    return Picture(seen, list(ended))


def drawn(shown, view=None, width=80, height=24, **console):
    out = io.StringIO()
    screen = Console(file=out, width=width, height=height, markup=False, emoji=False, highlight=False, **console)
    screen.print(frame(shown, view or View(), width, height, NOW), height=height, end="")
    return out.getvalue()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (40, 10), (20, 5), (80, 3)])
def test_it_fills_the_terminal_whatever_its_size(width, height):
    full = picture([job(n, "running") for n in range(3)], [job(n) for n in range(50)], [job(n) for n in range(30)])
    rows = drawn(full, width=width, height=height).splitlines()
    assert len(rows) == height and all(len(row) <= width for row in rows)


def test_an_empty_queue_has_a_title_counts_and_keys():
    rows = [row.rstrip() for row in drawn(picture(slots={"all": False, "b": False})).splitlines()]
    assert rows[0].startswith("spoolq top  /spool") and rows[0].endswith("12:00:00")
    assert rows[1:3] == [
        "0 queued  0 running  0 completed  0 failed  0 cancelled",
        "no runner on this host for slots all, b",
    ]
    assert rows[-1].endswith("q quit") and not any(rows[3:-1])


def test_whatever_comes_from_a_job_is_harmless():
    # Given jobs whose fields hold escape sequences, line breaks, direction marks, and rich's markup
    evil = "\x1b]0;owned\x07\x1b[2J[bold red]two\nlines[/]\u202e:skull:"
    record = {
        "error": evil,
        "worker": evil,
        "reason": evil,
        "progress": {"stage": evil, "percent": 5, "done": "1", "total": "20", "rate": evil},
    }
    jobs = [job(n, status, evil, **record) for n, status in enumerate(("running", "queued", "failed"))]
    shown = picture(jobs[:1], jobs[1:2], jobs[2:], paused=True, pause={"reason": evil})
    # When they are drawn, Then nothing of that reaches the terminal, and a row stays one
    text = drawn(shown, View(message=evil), width=200)
    assert not any(sign in text for sign in "\x1b\x07\u202e")
    assert len(text.splitlines()) == 24 and "[bold red]two lines[/]" in text and ":skull:" in text


def test_wide_characters_do_not_break_the_columns():
    rows = drawn(picture(waiting=[job(0, subject="評価" * 60)], ended=[job(1, subject="評価" * 60)])).splitlines()
    from spoolq.render import columns

    assert all(columns(row) <= 80 for row in rows)


def test_the_selected_row_is_always_among_those_shown():
    # Given more jobs than there is room for, When each is selected in turn, Then it is there, and marked
    jobs = [job(n) for n in range(50)]
    for one in jobs:
        marked = [row for row in drawn(picture(waiting=jobs), View(one["job_id"])).splitlines() if row[:2] == "> "]
        assert len(marked) == 1 and one["job_id"][:8] in marked[0]


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch):
    shown = picture([job(0, "running", progress={"stage": "x", "percent": 50, "done": "1", "total": "2"})])
    assert "\x1b[36m" in drawn(shown, force_terminal=True, color_system="standard")
    monkeypatch.setitem(os.environ, "NO_COLOR", "1")
    plain = drawn(shown, force_terminal=True, color_system="standard")
    assert "\x1b[3" not in plain and "50%" in plain


def test_what_keeps_the_queue_from_moving_is_said():
    trouble = {"what": "the disk is full", "path": "/spool", "next": "Make room."}
    assert "trouble: the disk is full: /spool. Make room. (and 1 more" in drawn(
        picture(troubles=[trouble, trouble]), width=100
    )
    assert "paused: driver (p resumes)" in drawn(picture(paused=True, pause={"reason": "driver"}))


@pytest.mark.parametrize(
    ("wanted", "room", "lines"),
    [
        ((4, 2, 2), 20, [4, 2, 2]),
        ((4, 100, 30), 18, [4, 11, 3]),
        ((40, 100, 30), 18, [12, 3, 3]),
        ((40, 100, 30), 4, [2, 1, 1]),
        ((40, 100, 30), 2, [2, 0, 0]),
        ((40, 100, 30), -3, [0, 0, 0]),
    ],
)
def test_the_room_is_shared(wanted, room, lines):
    sections = [
        _Section("x", [{}] * (count // each), lambda *_: "", each)
        for count, each in zip(wanted, (2, 1, 1), strict=True)
    ]
    share(sections, room)
    assert [section.lines for section in sections] == lines
