"""When waiting jobs will begin, and when all will be done, by how long jobs like them took in this spool.

The slots are played through in the order of the queue, many times, each time with durations drawn from the past. What
is told is p50 and p90 of those rounds: the moments by which it has happened in half and in nine tenths of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from spoolq.pace import share_done
from spoolq.took import Like, Past, quantile

#: How many times the queue is played through.
_ROUNDS = 200
#: What a normal variable stays under with the probability 0.9, in standard deviations.
_Z90 = 1.2815515655446004
#: Under this share a bar without a rate tells nothing of when it will be full.
_TOO_EARLY = 0.02
#: A duration is no longer than this, in seconds: a moment must fit the calendar.
_YEARS = 10 * 365 * 86400.0


@dataclass(frozen=True, slots=True)
class Left:
    """What a running job may still take, in seconds and sorted; not *certain* where p90 is anybody's guess."""

    seconds: Sequence[float]
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Deep:
    """The jobs behind those that were played through, in closed form: the work before each, spread over the slots.

    *base* is the mean, over the rounds, of the sum of the moments at which the slots become free; *mean* that of a
    job. Durations are taken to be independent, so variances add, and a sum of many is about normal.
    """

    slots: int
    base: float
    base_variance: float
    mean: float
    variance: float
    certain: bool

    def span(self, before: int, own: int = 0) -> tuple[float, float | None]:
        """When a job begins that has *before* such jobs before it, and with *own* 1, when it ends."""
        middle = (self.base + before * self.mean) / self.slots + own * self.mean
        variance = (self.base_variance + before * self.variance) / self.slots**2 + own * self.variance
        return middle, (middle + _Z90 * variance**0.5 if self.certain else None)


@dataclass(slots=True)
class Forecast:
    """What is expected, as seconds from *now* (POSIX). Job ids are the keys; what cannot be told is not in it."""

    now: float
    starts: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    ends: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    like: dict[str, Like] = field(default_factory=dict)
    #: When the last of the queue ends that can run.
    done: tuple[float, float | None] | None = None
    #: What tells of the jobs behind those whose ids are known.
    deep: Deep | None = None

    def facts(self, job: str, behind: int | None = None) -> dict[str, Any]:
        """`expected_start`, `expected_end` and `expected_from` of a job, as `--json` has them.

        *behind* is how many are between the jobs that were played through and this one, which was not.
        """
        like = self.like.get(job)
        start, end = self.starts.get(job), self.ends.get(job)
        if start is None and behind is not None and self.deep is not None:
            start, end = self.deep.span(behind), self.deep.span(behind, 1)
        return {
            "expected_start": self.span(start),
            "expected_end": self.span(end),
            "expected_from": {"like": like.level, "jobs": len(like.seconds)} if like else None,
        }

    def span(self, seconds: tuple[float, float | None] | None) -> dict[str, str | None] | None:
        """`{"p50": TIME, "p90": TIME or null}`."""
        if seconds is None:
            return None
        return {"p50": self._moment(seconds[0]), "p90": None if seconds[1] is None else self._moment(seconds[1])}

    def _moment(self, seconds: float) -> str:
        when = datetime.fromtimestamp(self.now, UTC) + timedelta(seconds=min(seconds, _YEARS))
        return when.isoformat(timespec="seconds")


def forecast(
    past: Past,
    now: float,
    running: Iterable[Mapping[str, Any]],
    idle: int,
    waiting: Sequence[Mapping[str, Any]] = (),
    rest: int = 0,
    limit: float | None = None,
) -> Forecast:
    """What is expected at *now* of the records *running* and *waiting*, the jobs that are first in the queue.

    *idle* slots wait for work. *rest* jobs are behind, whose files nobody has read: they are taken for jobs like those
    before. *limit* is the time-out of a job that names none, in seconds. Without a past there is only
    what running jobs say of themselves.
    """
    seen = Forecast(now)
    free = [Left([0.0])] * idle
    for record in running:
        if like := past.like(record):
            seen.like[record["job_id"]] = like
        left = left_of(record, like, now, limit)
        if left is not None:
            p90 = quantile(left.seconds, 0.9) if left.certain else None
            seen.ends[record["job_id"]] = (quantile(left.seconds, 0.5), p90)
            if record["resource_type"] is None:  # a remote worker has none of our slots
                free.append(left)
    likes = {record["job_id"]: like for record in waiting if (like := past.like(record))}
    if free and past.all():
        seen.like |= likes
        _play(seen, free, [(job["job_id"], _capped(likes[job["job_id"]].seconds, job, limit)) for job in waiting], rest)
    return seen


def left_of(record: Mapping[str, Any], like: Like | None, now: float, limit: float | None) -> Left | None:
    """What a running job may still take; None when neither its past nor its progress tells.

    The past: what those took longer that took longer than it has run. Its bar: what the bar says, else in proportion.
    Both are blended by how full the bar is, so that at the beginning the past counts and at the end the bar.
    """
    started = record["started_at"]
    lasted = max(0.0, now - datetime.fromisoformat(started).timestamp()) if started else 0.0
    of_bar = _of_bar(record.get("progress"), lasted)
    longer = [took - lasted for took in _capped(like.seconds, record, limit) if took > lasted] if like else []
    if longer and of_bar is not None:
        share, seconds = of_bar
        return Left([(1.0 - share) * left + share * seconds for left in longer])
    if longer:
        return Left(longer)
    if of_bar is not None:
        return Left([of_bar[1]], certain=False)
    # It has run longer than all like it: it may end at any moment, and nobody knows by when it will have.
    return Left([0.0], certain=False) if like else None


def _of_bar(progress: Mapping[str, Any] | None, lasted: float) -> tuple[float, float] | None:
    """How full the bar is, and the seconds that are left by it."""
    if not progress:
        return None
    share = share_done(progress)
    if progress.get("remaining") is not None:
        return share, float(progress["remaining"])
    return (share, lasted * (1.0 - share) / share) if share >= _TOO_EARLY else None


def _capped(seconds: Sequence[float], record: Mapping[str, Any], limit: float | None) -> Sequence[float]:
    """*seconds*, none longer than the job's time-out."""
    most = record.get("timeout") or limit
    return [min(took, most) for took in seconds] if most else seconds


def _play(seen: Forecast, free: list[Left], jobs: Sequence[tuple[str, Sequence[float]]], rest: int) -> None:
    """Fill in when the jobs of the queue begin and end: *jobs* with what those like them took, then *rest* more."""
    dice = _dice()
    starts: list[list[float]] = [[] for _ in jobs]
    ends: list[list[float]] = [[] for _ in jobs]
    last, sums = [], []
    for _ in range(_ROUNDS):
        slots = [quantile(left.seconds, next(dice)) for left in free]
        heapq.heapify(slots)
        for place, (_, took) in enumerate(jobs):
            begins = slots[0]
            finishes = begins + quantile(took, next(dice))
            heapq.heapreplace(slots, finishes)
            starts[place].append(begins)
            ends[place].append(finishes)
        last.append(max(slots))
        sums.append(sum(slots))
    certain = all(left.certain for left in free)
    for place, (job, _) in enumerate(jobs):
        seen.starts[job] = _span(starts[place], certain)
        seen.ends[job] = _span(ends[place], certain)
    if jobs:
        seen.deep = _deep(sums, len(free), [took for _, took in jobs], certain)
        seen.done = seen.deep.span(rest) if rest else _span(last, certain)


def _dice() -> Iterator[float]:
    """Numbers from 0 up to 1, always the same: the same picture gives the same figures.

    The linear congruential generator of Knuth's MMIX; `random` takes as long to import as all the rest of a forecast.
    """
    state = 1
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        yield (state >> 11) / (1 << 53)


def _deep(sums: Sequence[float], slots: int, took: Sequence[Sequence[float]], certain: bool) -> Deep:
    each = [_moments(seconds) for seconds in took]
    mean = sum(one for one, _ in each) / len(each)
    # Of a mixture: the mean of the variances, and the variance of the means.
    variance = sum(spread + (one - mean) ** 2 for one, spread in each) / len(each)
    return Deep(slots, *_moments(sums), mean, variance, certain)


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """Mean and variance."""
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def _span(values: list[float], certain: bool) -> tuple[float, float | None]:
    values.sort()
    return quantile(values, 0.5), quantile(values, 0.9) if certain else None
