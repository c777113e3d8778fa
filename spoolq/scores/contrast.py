"""Two jobs side by side: each metric's values and difference, and the paired difference where samples are logged."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spoolq.errors import JobNotFound
from spoolq.find import find
from spoolq.jobs import describe
from spoolq.scores.cards import card_of, errors_of
from spoolq.scores.direction import lower_is_better, word
from spoolq.scores.paired import CONFIDENCE, METHOD, SOURCE, Paired, paired
from spoolq.scores.samples import Logged, Unreadable, logged, values
from spoolq.store import Store

#: A harness rounds; beyond this a reported value is not the mean of its samples.
_ROUNDED = 1e-4


@dataclass(frozen=True, slots=True)
class Contrast:
    """A metric of a task in two jobs; *difference* is the second less the first.

    *paired* is over the questions that both have, *first_only* and *second_only* count those that one lacks. *reason*
    says why there is no interval; if *refused*, the jobs did not evaluate the same thing, and there is no difference.
    """

    task: str
    metric: str
    first: Any
    second: Any
    difference: float | None
    lower: bool
    paired: Paired | None = None
    first_only: int = 0
    second_only: int = 0
    reason: str | None = None
    refused: bool = False

    def document(self, jobs: Sequence[str]) -> dict[str, Any]:
        """What JSON says of it; *jobs* are the two ids."""
        told = None
        if self.paired is not None:
            counts = {"n": self.paired.n, "only_first": self.first_only, "only_second": self.second_only}
            method = {"method": METHOD, "source": SOURCE, "confidence": CONFIDENCE}
            told = {**asdict(self.paired), **counts, **method}
        return {
            "task": self.task,
            "metric": self.metric,
            "better": word(self.lower),
            "values": dict(zip(jobs, (self.first, self.second), strict=True)),
            "difference": self.difference,
            "paired": told,
            "reason": self.reason,
            "refused": self.refused,
        }


class _Refused(Exception):
    """The two did not evaluate the same thing."""


def compare(store: Store, first: str, second: str) -> list[Contrast]:
    """Each metric of two jobs, named as anywhere; raises JobNotFound, JobAmbiguous."""
    found = []
    for job in (first, second):
        for _ in range(5):  # RACE: the job moves on between the listing and the read
            if (record := describe(store, find(store, job))) is not None:
                found.append(record)
                break
        else:
            raise JobNotFound(job, store.root)
    return contrast(store, found[0], found[1], store.settings.lower_is_better)


def contrast(
    store: Store, first: Mapping[str, Any], second: Mapping[str, Any], lower: Collection[str] = ()
) -> list[Contrast]:
    """Each metric of either record, in order; *lower* declares metrics of which less is better."""
    found = []
    logs = logged(store, first), logged(store, second)
    metrics = [card_of(record).metrics for record in (first, second)]
    for task in sorted({*metrics[0], *metrics[1]}):
        both = [one.get(task, {}) for one in metrics]
        left, right = (log.get(task, Logged()) for log in logs)
        errors = set(errors_of({**both[0], **both[1]}).values())
        for metric in sorted({*both[0], *both[1]}):
            if metric not in errors:
                cells = both[0].get(metric), both[1].get(metric)
                declared = {**left.higher, **right.higher}.get(metric.partition(",")[0])
                less = lower_is_better(metric, lower) if declared is None else not declared
                found.append(_one(task, metric, cells, (left, right), less))
    return found


def _one(task: str, metric: str, cells: tuple[Any, Any], logs: tuple[Logged, Logged], less: bool) -> Contrast:
    first, second = cells
    if not (_is_number(first) and _is_number(second)):
        return Contrast(task, metric, first, second, None, less, reason="not both have a number")
    try:
        found, missing = _pairs(metric, (first, second), logs)
    except _Refused as error:
        return Contrast(task, metric, first, second, None, less, reason=str(error), refused=True)
    except Unreadable as error:
        return Contrast(task, metric, first, second, second - first, less, reason=str(error))
    return Contrast(task, metric, first, second, second - first, less, found, *missing)


def _pairs(metric: str, reported: tuple[float, float], logs: tuple[Logged, Logged]) -> tuple[Paired, tuple[int, int]]:
    """The paired difference, and how many questions the second and the first lack; raises _Refused, Unreadable."""
    one, other = (log.version for log in logs)
    if one is not None and other is not None and one != other:
        raise _Refused(f"the versions of the task differ: {one} and {other}")
    scores = []
    for which, log in zip(("first", "second"), logs, strict=True):
        try:
            scores.append(values(log, metric))
        except Unreadable as error:
            raise Unreadable(f"{which} job: {error}") from None
    left, right = scores
    shared = sorted(left.keys() & right.keys())
    changed = sum(left[question][0] != right[question][0] for question in shared)
    if changed:
        raise _Refused(f"{changed} of {len(shared)} questions differ under the same id")
    if not shared:
        raise _Refused("no question is in both")
    for which, value, own in zip(("first", "second"), reported, scores, strict=True):
        mean = math.fsum(score for _, score in own.values()) / len(own)
        if not math.isclose(mean, value, rel_tol=_ROUNDED, abs_tol=_ROUNDED):
            raise Unreadable(f"{which} job: it is not the mean of its samples ({value:.4f}; the mean is {mean:.4f})")
    found = paired([left[question][1] for question in shared], [right[question][1] for question in shared])
    return found, (len(left) - len(shared), len(right) - len(shared))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
