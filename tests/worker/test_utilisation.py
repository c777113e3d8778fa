"""Preloading keeps a pool busy: while two workers use the resources, two others load, and have them at once."""

import json
import time
from itertools import pairwise

import pytest

#: Loads for a second, uses the resource for three, and writes down from when to when.
SCRIPT = """
time.sleep(1.0)
acquire()
began = time.time()
time.sleep(3.0)
put('used-' + JOB, json.dumps([began, time.time()]))
"""
JOBS, RESOURCES = 12, 2


@pytest.mark.slow
def test_four_workers_keep_two_resources_busy(team, capsys):
    # Given two resources, four workers, and twelve jobs, each of which loads before it needs a resource
    team.pool(*[{"port": port} for port in range(RESOURCES)])
    team.served.start()
    jobs = [team.submit() for _ in range(JOBS)]
    workers = [team.start(SCRIPT, "--wait", "0") for _ in range(4)]
    # When they work, and the leases on disk are looked at meanwhile
    samples: list[tuple[float, int]] = []
    while any(worker.poll() is None for worker in workers):
        samples.append((time.time(), team.leases()))
        time.sleep(0.02)
    # Then every job is done, and from the first lease to the last the resources were in somebody's hands
    assert [team.record(job)["status"] for job in jobs] == ["completed"] * JOBS
    busy = [place for place, (_, held) in enumerate(samples) if held]
    inside = samples[busy[0] : busy[-1] + 2]
    leased = sum(held * (then - at) for (at, held), (then, _) in pairwise(inside))
    span = inside[-1][0] - inside[0][0]
    used = [json.loads((team.folder / f"used-{job}").read_text()) for job in jobs]
    in_use = sum(end - began for began, end in used) / (max(end for _, end in used) - min(began for began, _ in used))
    with capsys.disabled():
        print(
            f"\n{JOBS} jobs, {RESOURCES} resources, 4 workers, {span:.1f} s: leased {leased / span / RESOURCES:.1%} "
            f"of the time, in use by a command {in_use / RESOURCES:.1%}"
        )
    assert leased / span / RESOURCES >= 0.95
