"""Hosts that are lost: one is cut off from the network, one loses its power; a third takes their jobs over.

One scene for all of it, because it lasts as long as a heartbeat must have stood still on a network mount: 180 s, for
which there is no other setting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.spooltest.waiting import wait_for

from .bed import Bed
from .shared import Shared, posix

pytestmark = [pytest.mark.netfs, pytest.mark.timeout(600)]

_TIMEOUT_S = 180.0
_SETTINGS = f"heartbeat = 15\nheartbeat_timeout = {_TIMEOUT_S:g}\n"
#: One process writes the time to a file of its host every 0.1 s; another one prints to the log, which is on the share,
#: so that it hangs when the server is away, as does the end of any process that has the log open.
_TICKS = (
    "(exec > /dev/null 2>&1; while :; do date +%s.%N >> /mnt/ticks.$SPOOLQ_JOB_ID; sleep 0.1; done) & "
    + "while :; do echo tick; sleep 1; done"
)
#: The second attempt ends well at once.
_ONCE = f'if [ "$SPOOLQ_ATTEMPT" = 1 ]; then {_TICKS}; else echo again; fi'
#: What a killed runner leaves that had claimed, and had not written the line about it.
_CLAIM = """\
import pathlib, sys
from spoolq.claims import claim
from spoolq.store import Store
from spoolq.find import find
store = Store(pathlib.Path(sys.argv[1]))
assert claim(store, find(store, sys.argv[2]).stem, "gpu7") is not None
"""


@dataclass
class Scene:
    """What was done, and when; the jobs by the host that had them first."""

    shared: Shared
    cut_off: str = ""
    powerless: str = ""
    unopened: str = ""
    last: str = ""
    lost_at: float = 0.0
    ticks: list[float] = field(default_factory=list)
    said_on_a: str = ""


@pytest.fixture(scope="module")
def scene(bed: Bed) -> Iterator[Scene]:
    """Hosts A and C run a job each, C has claimed another one; A is cut off, C loses its power, B waits for both."""
    shared = Shared(bed, "losing", _SETTINGS)
    try:
        yield _play(bed, Scene(shared))
    finally:
        shared.close()


def _play(bed: Bed, scene: Scene) -> Scene:
    shared = scene.shared
    shared.start("A")
    scene.cut_off = shared.submit("A", "sh", "-c", _ONCE)
    wait_for(lambda: shared.events(scene.cut_off, "started"), 30, "the job on A")
    shared.start("C")
    scene.powerless = shared.submit("C", "sh", "-c", _ONCE)
    wait_for(lambda: shared.events(scene.powerless, "started"), 30, "the job on C")
    wait_for(lambda: len(list((shared.root / "running").glob(".*.beat"))) == 2, 60, "both heartbeats")
    shared.on("B")
    scene.unopened = shared.submit("C", "true")  # A and C are busy, B does not run yet
    shared.on("C").python(_CLAIM, shared.path, scene.unopened).ok()
    bed.machines["C"].cut()  # at once: the sweep of C itself would recover it
    bed.part("A")
    scene.lost_at = time.time()
    shared.start("B")
    scene.last = shared.submit("B", "true")
    shared.await_status(scene.last, "completed", 60)
    ticking = f"/mnt/ticks.{scene.cut_off}"
    jobs = (scene.cut_off, scene.powerless, scene.unopened)
    try:
        wait_for(lambda: all(shared.events(job, "adopted") for job in jobs), _TIMEOUT_S + 120, "B's take-over")
        for job in jobs:
            shared.await_status(job, "completed", 60)
    finally:
        scene.ticks = [float(row[0]) for row in shared.on("A").lines(ticking)]
        bed.join("A")
    wait_for(lambda: "fenced" in shared.said("A"), 120, "A's word about it")
    scene.said_on_a = shared.said("A")
    return scene


def test_a_host_that_is_cut_off_stops_its_evaluation_before_anybody_may_take_over(scene: Scene):
    # Given host A, cut off while it ran a job, When it cannot write its heartbeat
    (adopted,) = scene.shared.events(scene.cut_off, "adopted")
    ended, taken = scene.ticks[-1] - scene.lost_at, posix(adopted["at"]) - scene.lost_at
    print(f"cut off: the evaluation ended {ended:.1f} s after the cut, it was taken over {taken:.1f} s after it")
    # Then its evaluation is killed when half of the time-out has passed since the last heartbeat, 15 s before at most
    assert _TIMEOUT_S / 2 - 20 <= ended <= _TIMEOUT_S / 2 + 15
    # And it is taken over no sooner than the time-out after the last heartbeat, which was 15 s before the cut at most
    assert taken >= _TIMEOUT_S - 20
    assert posix(scene.shared.events(scene.cut_off, "started")[-1]["at"]) > scene.ticks[-1]


def test_what_was_cut_off_writes_nothing_when_it_is_healed(scene: Scene):
    # Given host A, healed after B has taken its job over and ended it, When its runner finds that out
    shared, job = scene.shared, scene.cut_off
    # Then it has said so, and nothing that it had is left or written
    assert "fenced" in scene.said_on_a, scene.said_on_a
    run = shared.root / "runs" / f"{shared.get(job).run_dir.rpartition('/')[2]}"
    assert not list(run.glob("end.*")) and not list(run.glob("displaced.*"))
    assert not list((shared.root / ".tmp").iterdir())
    wait_for(lambda: shared.events(job, "finished"), 30, "the last line of the history")
    assert [event["outcome"] for event in shared.events(job, "finished")] == ["succeeded"]
    assert not any((shared.root / "running").iterdir())
    # And its history tells who had it, who took it, and why
    assert [event["event"] for event in shared.events(job)] == [
        "claimed", "started", "adopted", "reclaimed", "claimed", "started", "finished",
    ]  # fmt: skip
    assert [event["worker"] for event in shared.events(job, "claimed")] == ["host-A.all", "host-B.all"]
    assert shared.events(job, "reclaimed")[0]["reason"] == "lost"
    info = shared.get(job)
    assert (info.status, info.attempt, info.worker, info.outcome) == ("completed", 2, "host-B.all", "succeeded")


def test_the_job_of_a_host_without_power_is_run_again_by_another(scene: Scene):
    # Given host C, which lost its power while it ran a job, When its heartbeat has stood still for the time-out
    shared, job = scene.shared, scene.powerless
    (adopted,) = shared.events(job, "adopted")
    taken = posix(adopted["at"]) - scene.lost_at
    print(f"power loss: taken over {taken:.1f} s after it")
    # Then B has run it again, no sooner; the attempt counts, and there is one end
    assert _TIMEOUT_S - 20 <= taken <= _TIMEOUT_S + 90
    info = shared.get(job)
    assert (info.status, info.attempt, info.worker) == ("completed", 2, "host-B.all")
    wait_for(lambda: shared.events(job, "finished"), 30, "the last line of the history")
    assert len(shared.events(job, "finished")) == 1 and len(shared.places()[job]) == 1


def test_a_claim_that_a_host_without_power_had_not_begun_is_taken_over_too(scene: Scene):
    # Given a job that C had claimed when it lost its power, and of which it had not written a line
    shared, job = scene.shared, scene.unopened
    # When nothing has beaten for it for the time-out, Then B has run it: the standing claim was an attempt
    info = shared.get(job)
    assert (info.status, info.attempt, info.worker) == ("completed", 2, "host-B.all")
    assert [event["event"] for event in shared.events(job)][:2] == ["adopted", "reclaimed"]
    wait_for(lambda: shared.events(job, "finished"), 30, "the last line of the history")
    assert len(shared.events(job, "finished")) == 1


def test_a_host_that_comes_back_works_on(scene: Scene):
    # Given host C, switched on again, When it runs the spool
    scene.shared.start("C")
    # Then it takes part; and so does A, which was cut off
    jobs = scene.shared.submit_counting("B", 12, "sleep 1")
    for job in jobs:
        scene.shared.await_status(job, "completed", 120)
    workers = {scene.shared.get(job).worker for job in jobs}
    print(f"afterwards jobs were run by {sorted(workers)}")
    assert {"host-A.all", "host-C.all"} <= workers
