"""Two hosts that run jobs of one spool: each job once, never owned by both, in the order of the queue."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest

from spoolq.transitions import State
from tests.spooltest.waiting import wait_for

from .bed import V3_LYING_LOCKS
from .shared import Shared

pytestmark = [pytest.mark.netfs, pytest.mark.timeout(400)]

#: Jobs by mount: a guest is slow, and each of its jobs is a race for a name.
_JOBS = {"v4": 200, "v3": 80}


def assert_each_ran_once(shared: Shared, jobs: list[str], hosts: str = "AB") -> dict[str, int]:
    """Every job began once and ended once, on one host, and is completed; how many each host ran."""
    ran = {host: shared.ran(host) for host in hosts}
    begun = [job for rows in ran.values() for mark, job, _, _ in rows if mark == "b"]
    ended = [job for rows in ran.values() for mark, job, _, _ in rows if mark == "e"]
    assert sorted(begun) == sorted(jobs), "a job did not run, or ran twice"
    assert sorted(ended) == sorted(jobs)
    assert shared.places() == {job: [State.COMPLETED] for job in jobs}
    return {host: len(rows) // 2 for host, rows in ran.items()}


def claims(shared: Shared, jobs: list[str]) -> list[tuple[float, int, str]]:
    """When each job was claimed by the server's clock, its place in the queue, and by whom."""
    found = []
    for place, job in enumerate(jobs):
        (claimed,) = shared.events(job, "claimed")
        found.append((claimed["since"], place, claimed["worker"]))
    return sorted(found)


def assert_first_in_first_out(taken: list[tuple[float, int, str]]) -> None:
    """Whoever claims takes the first that is left, so the claims' order is the queue's."""
    for (at, place, _), (later, next_place, _) in pairwise(taken):
        assert place < next_place or at == later, f"job {next_place} was claimed after job {place}"


@pytest.mark.parametrize("options", [None, V3_LYING_LOCKS], ids=["v4", "v3-lying-locks"])
def test_two_runners_run_each_job_once_in_the_order_of_the_queue(bed, share, options):
    # Given a few hundred jobs, and two hosts; with v3 and `nolock` each host's `.lock` excludes only itself
    at = "/mnt/nfs" if options is None else "/mnt/v3"
    for host in "AB" if options else "":
        bed.on(host)
        bed.mount(host, at, options)
    shared = share(at=at)
    number = _JOBS["v3" if options else "v4"]
    jobs = shared.submit_counting("A", number)
    if options:
        both_hold_the_lock(shared)
    # When both run them
    for host in "AB":
        shared.run(host)
    shared.await_all(jobs, timeout=300)
    # Then each ran once, on one host, and the claims follow the queue
    counts = assert_each_ran_once(shared, jobs)
    taken = claims(shared, jobs)
    assert_first_in_first_out(taken)
    took = taken[-1][0] - taken[0][0]
    print(f"{number} jobs in {took:.0f} s: {counts}")
    assert min(counts.values()) > number // 10, "one host had next to nothing of it"
    # And nobody had to go on without the lock, died, or was taken for dead
    for host in "AB":
        said = shared.said(host)
        assert not [
            word for word in ("without the lock", "ended (", "Traceback", "cannot", "taking") if word in said
        ], said


def both_hold_the_lock(shared: Shared) -> None:
    """The lie itself: a lock that host A holds is given to host B too."""
    hold = "import sys, time; from pathlib import Path; from spoolq.lock import try_lock\n"
    hold += "assert try_lock(Path(sys.argv[1])) is not None; print('held', flush=True); time.sleep(float(sys.argv[2]))"
    script = shared.bed.folder / "hold.py"
    script.write_text(hold)
    shared.on("A").start([sys.executable, str(script), f"{shared.path}/.lock", "5"], "/mnt/held")
    wait_for(lambda: "held" in shared.on("A").read("/mnt/held"), 20, "the lock on A")
    assert "held" in shared.on("B").run([sys.executable, str(script), f"{shared.path}/.lock", "0"]).ok()


def test_a_job_given_back_by_one_host_goes_on_at_another_with_all_that_came_before(share):
    # Given a queued job that host B has looked at, so that it holds that there is neither a history nor a log
    shared = share()
    words = 'echo "attempt $SPOOLQ_ATTEMPT"; [ "$SPOOLQ_ATTEMPT" = 2 ] || sleep 300'
    job = shared.submit("B", "sh", "-c", words)
    for verb in ("show", "logs"):
        shared.spoolq("B", verb, job)
    # When host A begins it and is told to stop twice, and B runs it at once
    pid = shared.start("A")
    wait_for(lambda: shared.events(job, "started"), 30, "its start on A")
    shared.on("A").kill(pid, "TERM")
    wait_for(lambda: "a second signal" in shared.said("A"), 20, "the drain")
    shared.on("A").kill(pid, "TERM")
    shared.await_status(job, "queued")
    shared.start("B")
    info = shared.await_status(job, "completed")
    # Then that is its second attempt, and the log of the first is kept apart
    run = shared.root / info.run_dir
    assert (info.attempt, info.worker) == (2, "host-B.all")
    assert (run / "log.1.txt").read_text() == "attempt 1\n"
    assert (run / "log.txt").read_text() == "attempt 2\n"
    assert [event["attempt"] for event in shared.events(job, "claimed")] == [1, 2]
