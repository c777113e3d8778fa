"""Which jobs and tasks are asked for: by label, group, model, task, recipe and the time of the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase

from spoolq.durations import parse_duration
from spoolq.scores.cards import Card

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a card must have; None: anything. Names may be patterns (``mmlu_*``). Times are POSIX seconds."""

    labels: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    model: str | None = None
    task: str | None = None
    recipe: str | None = None
    since: float | None = None
    until: float | None = None

    def takes(self, card: Card) -> bool:
        """Whether the job is asked for."""
        return (
            all(card.labels.get(key) == value for key, value in self.labels.items())
            and self.group in (None, card.group)
            and self.recipe in (None, card.recipe)
            and (self.model is None or any(_fits(name, self.model) for name in card.models))
            and (self.task is None or any(_fits(task, self.task) for task in card.metrics))
            and self._in_time(card)
        )

    def of(self, cards: Iterable[Card]) -> list[Card]:
        """The cards that are asked for, each with only the tasks that are."""
        return [self._cut(card) for card in cards if self.takes(card)]

    def _cut(self, card: Card) -> Card:
        if self.task is None:
            return card
        wanted = {task: found for task, found in card.metrics.items() if _fits(task, self.task)}
        return replace(card, metrics=wanted)

    def _in_time(self, card: Card) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            ended = datetime.fromisoformat(card.completed_at or "").timestamp()
        except ValueError:
            return False
        return (self.since is None or ended >= self.since) and (self.until is None or ended < self.until)


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def moment(text: str, now: float, *, end: bool = False) -> float:
    """POSIX seconds of an age (``7d``: so long before *now*), a date, or a time in ISO 8601; raises ValueError.

    Without an offset it is UTC, as all times of records are. A date is its first moment, or with *end* its last.
    """
    try:
        return now - parse_duration(text)
    except ValueError:
        pass  # no age; a date then
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r:.60} is no age and no date; write 7d, 2026-11-20 or 2026-11-20T18:00") from None


def labels_of(pairs: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` texts as a mapping; raises ValueError."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not key or not sign:
            raise ValueError(f"{pair!r:.60} is no label; write KEY=VALUE")
        found[key] = value
    return found
