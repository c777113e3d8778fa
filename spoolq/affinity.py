"""Which of the jobs that wait goes next, when one behind the first could use a warm parent: bounded overtaking.

Strict order is the default. With a window a job is overtaken at most that often, then it goes before all that it has
waited for; nobody looks further ahead than the window. Pure functions: names in the order of service, nothing read.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence

#: How often each waiting job was overtaken. Of one that has gone, the count is forgotten.
Overtaken = MutableMapping[str, int]


def choose(waiting: Sequence[str], is_warm: Callable[[str], bool], window: int, overtaken: Overtaken) -> int:
    """The place in *waiting* of the job that goes next, counted in *overtaken* for all that it passes.

    *is_warm* says of a job whether a warm parent is ready for it; it is asked of `window` + 1 jobs at most. Raises
    ValueError when nothing waits.
    """
    if not waiting:
        raise ValueError("nothing waits")
    for place, name in enumerate(waiting[: window + 1]):
        if place > 0 and overtaken.get(waiting[place - 1], 0) >= window:
            break  # the one before may not be overtaken any more, and so may none before that
        if is_warm(name):
            _count(waiting[:place], overtaken)
            return place
    return 0


def _count(passed: Sequence[str], overtaken: Overtaken) -> None:
    for name in passed:
        overtaken[name] = overtaken.get(name, 0) + 1


def forget(waiting: Sequence[str], overtaken: Overtaken) -> None:
    """Drop the counts of jobs that do not wait any more."""
    for name in set(overtaken) - set(waiting):
        del overtaken[name]
