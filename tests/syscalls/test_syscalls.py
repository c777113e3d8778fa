"""Real processes, killed or refused at each file system call that touches the spool; then a plain `spoolq run --drain`.

Too many points to try them all each time: so many a verb are drawn, evenly and always the same ones.
`SPOOLQ_SYSCALL_POINTS=all` tries all.
"""

import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .scenes import VERBS, points_of, prepare, try_point
from .tracing import KILL, Point, works

pytestmark = [pytest.mark.syscalls, pytest.mark.timeout(3600)]

#: Points that each verb has at least (a run's differ by how often it looks), and how many of them are tried.
FOUND = {
    "submit": 48, "cancel, queued": 160, "cancel, running": 48, "retry": 160, "priority": 100, "prune": 120,
    "run: watcher": 360, "run: runner": 720, "run: shim": 48,
}  # fmt: skip
TRIED = {
    "submit": 10, "cancel, queued": 10, "cancel, running": 10, "retry": 10, "priority": 10, "prune": 10,
    "run: watcher": 20, "run: runner": 30, "run: shim": 10,
}  # fmt: skip
SEED = 20261121
_WORKERS = os.cpu_count() or 2


@pytest.fixture(autouse=True)
def _strace():
    fault = works()
    if fault is None:
        return
    if os.environ.get("SPOOLQ_REQUIRE_SYSCALLS"):
        pytest.fail(f"{fault}, and this run must have it")
    pytest.skip(fault)


def drawn(found: list[Point], number: int) -> list[Point]:
    """So many of the points, the same ones each time: kills and errors half and half, spread over the whole run."""
    if os.environ.get("SPOOLQ_SYSCALL_POINTS") == "all" or number >= len(found):
        return found
    dice = random.Random(SEED)
    kills = [point for point in found if point.what == KILL]
    others = [point for point in found if point.what != KILL]
    some = min(len(kills), (number + 1) // 2)
    return spread(kills, some, dice) + spread(others, number - some, dice)


def spread(found: list[Point], number: int, dice: random.Random) -> list[Point]:
    """One of each of *number* equal stretches."""
    edges = [round(index * len(found) / number) for index in range(number + 1)] if number else []
    return [dice.choice(found[low:high]) for low, high in itertools.pairwise(edges)]


@pytest.mark.parametrize("name", VERBS)
def test_a_process_that_is_cut_short_loses_nothing(tmp_path: Path, capsys, name):
    # Given a verb, and each call of it that touches the spool
    verb = VERBS[name]
    template = prepare(tmp_path / "template", verb)
    found = points_of(template, tmp_path / "whole", verb)
    chosen = drawn(found, TRIED[name])

    # When it is killed there, or the call fails, and a plain run comes after it
    def one(number: int) -> bool:
        return try_point(template, tmp_path / str(number), verb, chosen[number])

    with ThreadPoolExecutor(_WORKERS) as pool:
        reached = sum(pool.map(one, range(len(chosen))))
    with capsys.disabled():
        print(f"\n{name}: {len(found)} points, {len(chosen)} drawn, {reached} reached")
    # Then nothing was lost (which was held at each), and as many points were tried as when this was written
    assert len(found) >= FOUND[name]
    assert reached >= 0.8 * min(TRIED[name], len(chosen)), f"only {reached} of {len(chosen)} were reached"
