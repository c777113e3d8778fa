"""The paired difference of two evaluations of the same questions, with its confidence interval.

The method is that of Miller, "Adding Error Bars to Evals" (2024, arXiv:2411.00640), section on paired differences: the
differences of the questions' scores have a mean, and a standard error by the central limit theorem. For few questions
the interval takes Student's t with n - 1 degrees of freedom in place of the normal quantile. For scores of 0 and 1
there is McNemar's exact test beside it: a binomial test of the questions that only one of the two got right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

CONFIDENCE = 0.95
METHOD = "mean of the paired differences, Student's t"
SOURCE = "Miller 2024, Adding Error Bars to Evals, arXiv:2411.00640"
EXACT = "McNemar's exact test, two-sided"
#: From so many degrees of freedom on the quantile is expanded about the normal one; the error is below 1e-9.
_MANY = 200


@dataclass(frozen=True, slots=True)
class McNemar:
    """How many questions only the first, and only the second, got right; *p* that so uneven a split is chance."""

    first_only: int
    second_only: int
    p: float


@dataclass(frozen=True, slots=True)
class Paired:
    """The second less the first over *n* questions; no standard error and no interval of a single one."""

    n: int
    difference: float
    stderr: float | None
    low: float | None
    high: float | None
    mcnemar: McNemar | None


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """The paired difference of the scores of the same questions, in the same order; raises ValueError when none."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    n = len(differences)
    if not n:
        raise ValueError("there are no pairs")
    mean, error, low, high = fmean(differences), None, None, None
    if n > 1:
        error = stdev(differences, mean) / math.sqrt(n)
        reach = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * error
        low, high = mean - reach, mean + reach
    binary = {*first, *second} <= {0, 1}
    exact = mcnemar(differences.count(-1), differences.count(1)) if binary else None
    return Paired(n, mean, error, low, high, exact)


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """The exact test of two discordant counts: twice the smaller tail of a fair coin, at most 1."""
    n, fewer = first_only + second_only, min(first_only, second_only)
    tail = ways = 1
    for heads in range(fewer):
        ways = ways * (n - heads) // (heads + 1)
        tail += ways
    return McNemar(first_only, second_only, min(1.0, 2 * tail / 2**n))


def t_quantile(p: float, freedom: int) -> float:
    """The *p* quantile (0.5 to 1) of Student's t with a whole number of degrees of freedom from 1."""
    if freedom >= _MANY:
        return _near_normal(NormalDist().inv_cdf(p), freedom)
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(freedom)
    for _ in range(60):
        middle = (low + high) / 2
        if 0.5 + _within(middle, freedom) / 2 < p:
            low = middle
        else:
            high = middle
    return math.tan((low + high) / 2) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """P(-t < T < t) for t = tan(angle) * sqrt(freedom): the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _near_normal(z: float, freedom: int) -> float:
    """Abramowitz and Stegun, 26.7.5."""
    z2 = z * z
    terms = (
        z * (z2 + 1) / 4,
        z * ((5 * z2 + 16) * z2 + 3) / 96,
        z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
        z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160,
    )
    return z + math.fsum(term / float(freedom) ** power for power, term in enumerate(terms, 1))
