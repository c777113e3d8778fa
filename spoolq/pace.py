"""How fast a progress bar says it goes, and how long it says it still takes; for display and forecasts only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spoolq.recipes.progress import printable_lines

#: What follows a bar's count, as tqdm has it: `[00:12<1:00:34,  2.10it/s`. A question mark stands for what is unknown.
_INSIDE = r"[ ]*\[[0-9:]{4,12}<([0-9:]{4,12}|\?),[ ]*([0-9?.]{1,12}(?:[a-zA-Z]{1,12}/s|s/[a-zA-Z]{1,12}))"
_DAYS = re.compile(r"(?:([0-9]{1,6}):)?([0-9]{1,2}):([0-9]{2})")


def with_pace(progress: dict[str, Any], tail: str) -> dict[str, Any]:
    """*progress* with ``rate`` (text) and ``remaining`` (seconds) where the bar that it was read from tells them."""
    done, total = progress.get("done"), progress.get("total")
    if not done or not total:
        return progress
    bar = re.compile(rf"(?<![0-9.]){re.escape(done)}/[ ]*{re.escape(total)}{_INSIDE}")
    for line in reversed(printable_lines(tail)):
        told = list(bar.finditer(line))
        if told:
            return {**progress, **_pace(told[-1])}
    return progress


def _pace(match: re.Match[str]) -> dict[str, Any]:
    clock = _DAYS.fullmatch(match[1])
    if clock is None or "?" in match[2]:
        return {}
    hours, minutes, seconds = (int(part or 0) for part in clock.groups())
    return {"rate": match[2], "remaining": 3600.0 * hours + 60.0 * minutes + seconds}


def share_done(progress: Mapping[str, Any]) -> float:
    """How much of the work is behind, 0 to 1; finer than whole per cents where the counts are plain numbers."""
    try:
        done, total = float(progress["done"]), float(progress["total"])
    except (KeyError, TypeError, ValueError):
        done, total = 0.0, 0.0
    share = done / total if total > 0 else float(progress.get("percent") or 0) / 100.0
    return max(0.0, min(share, 1.0))
