"""Numbers that were measured, and how they are said: medians with their spread, never a mean."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence


def median(values: Iterable[float]) -> float:
    """The median of *values*, of which there is at least one."""
    return statistics.median(values)


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that *share* of all values do not pass (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def number(value: float) -> str:
    """Three digits that count: 1630, 41.2, 0.872."""
    if abs(value) >= 100 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median and, in brackets, the least and the greatest."""
    text = number(median(values))
    if len(values) > 1:
        text += f" ({number(min(values))} to {number(max(values))})"
    return f"{text} {unit}".rstrip()


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """What each of *ours* is of the other that was measured beside it."""
    return [mine / other for mine, other in zip(ours, others, strict=True)]
