"""Every move, and the power cut before each of its file system calls and after it has returned.

Each point has a disk of its own, so nobody's fsync makes another's move durable. Afterwards the machine boots, the
journals are replayed, a watcher comes back, and what the crash suite holds after a kill is held.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.powercut.bed import MOST, WHEN, Bed
from tests.powercut.moves import CORE, MOVES
from tests.spooltest.crashes import steps_of

#: How many points there are, at least; fewer means that the suite no longer looks where it did.
POINTS = 397
#: Guests at once; one has 256 MiB and one processor.
AT_ONCE = min(4, os.cpu_count() or 1)
#: Where every move is cut. With SPOOLQ_POWERCUT_ALL=1 every move is, everywhere; that takes four times as long.
WHOLE = ("ext4", "at once")

Point = tuple[str, int]


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Each call of each move, from 1, and one more: that it has returned."""
    root = tmp_path_factory.mktemp("whole")
    calls = {name: len(steps_of(root / str(number), move).seen) for number, (name, move) in enumerate(MOVES.items())}
    return [(name, step) for name, number in calls.items() for step in range(1, number + 2)]


@pytest.fixture
def cut_at(tmp_path: Path) -> Callable[..., list[str | None]]:
    """Cut the power at points, each on a disk of its own; what is wrong with each afterwards, None for nothing."""
    number = count(1)

    def cut(kinds: str | list[str], when: str, chosen: list[Point], durability: str = "full") -> list[str | None]:
        paper = {"points": chosen, "when": when, "durability": durability}
        each = [kinds] * len(chosen) if isinstance(kinds, str) else kinds
        with Bed(tmp_path / f"bed{next(number)}", each, when) as bed:
            with bed.boot("stop", paper) as guest:
                paper["fates"] = json.loads(guest.wait_for("POINT"))
            assert set(paper["fates"]) <= {"cut", "returned"}, guest.said()
            with bed.boot("judge", paper) as guest:
                return [json.loads(guest.wait_for("JUDGED", nth=nth)) for nth in range(1, len(chosen) + 1)]

    return cut


def _batches(points: list[Point]) -> Iterator[list[Point]]:
    for first in range(0, len(points), MOST):
        yield points[first : first + MOST]


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_power_cut_at_any_point_of_a_move_loses_nothing(points, cut_at, cuts, kind, when):
    # Given every point of every move, or of those that matter most
    whole = (kind, when) == WHOLE or os.environ.get("SPOOLQ_POWERCUT_ALL")
    chosen = points if whole else [point for point in points if point[0] in CORE]
    # When the power is cut there
    with ThreadPoolExecutor(AT_ONCE) as pool:
        judged = pool.map(lambda batch: list(zip(batch, cut_at(kind, when, batch), strict=True)), _batches(chosen))
        found = [verdict for batch in judged for verdict in batch]
    cuts[f"{kind}, {when}"] += len(found)
    # Then all that must be true is, after the boot that follows
    assert len(found) == len(chosen)
    faults = [f"{name}, before call {step}: {fault}" for (name, step), fault in found if fault is not None]
    assert not faults, f"{len(faults)} of {len(found)} points on {kind}, cut {when}:\n" + "\n".join(faults)


@pytest.mark.parametrize("when", WHEN)
def test_the_suite_notices_what_is_not_synced(cut_at, cuts, when):
    # Given moves that are whole, by spools whose durability is only "process"
    asked = ["submit", "claim, the only attempt", "finish, exit", "cancel", "retry", "prioritise"]
    kinds = ["ext4"] * len(asked) + ["xfs"] * len(asked)
    # When the power is cut after they have returned, Then the suite finds what was done and is gone
    found = cut_at(kinds, when, [(name, 100) for name in asked] * 2, "process")
    cuts["not synced"] += len(found)
    if when == "at once":
        assert None not in found, "a move without fsync outlived a power cut: the bed cuts nothing"
        return
    # Or the journals had their second, and a submitted job has its name in the queue, and not a byte
    of = {(kind, name): fault or "" for kind, name, fault in zip(kinds, asked * 2, found, strict=True)}
    for kind in ("ext4", "xfs"):
        assert re.search(r"queued/\S+\.json 0\n", of[kind, "submit"]), of[kind, "submit"]
        assert "not forgiven" in of[kind, "retry"]
    # And a record has none either, so that the sweep has settled the job as lost; but on ext4, which writes what
    # replaces a file
    assert "in judge" in of["xfs", "finish, exit"]
    assert of["ext4", "finish, exit"] == ""


def test_the_suite_makes_as_many_cuts_as_it_did(points, cuts, capsys):
    # Given every move, When its points are counted, Then they are as many as when this was written, or more
    with capsys.disabled():
        print(f"\npower cuts: {sum(cuts.values())} ({len(MOVES)} moves, {len(points)} points; {dict(cuts)})")
    assert len(points) >= POINTS, f"only {len(points)} points, {POINTS} were tried before"
    assert set(CORE) <= set(MOVES)
