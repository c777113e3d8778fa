"""Drops that come slowly from another host, and submissions of hosts whose clocks disagree."""

from __future__ import annotations

import json
import os

import pytest

from tests.spooltest.waiting import wait_for

from .shared import posix

pytestmark = [pytest.mark.netfs, pytest.mark.timeout(300)]

#: Writes a file in as many pieces as there are, one a second, each on the server before the next.
_SLOWLY = """\\
import os, pathlib, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
for piece in sys.argv[2:]:
    os.write(fd, piece.encode())
    os.fsync(fd)
    print(time.time(), flush=True)
    time.sleep(1)
os.close(fd)
"""
_HOUR = 3600.0


def test_a_slow_copy_from_another_host_is_taken_only_when_it_is_whole(share):
    # Given an idle watcher on host A
    shared = share()
    shared.start("A")
    # When host B writes a job straight into queued/, in eight pieces over eight seconds
    text = json.dumps({"command": ["sh", "-c", "echo whole"], "env": {"PADDING": "x" * 400}})
    size = -(-len(text) // 8)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    written = shared.on("B").python(_SLOWLY, f"{shared.path}/queued/slow.json", *pieces).ok().split()
    # Then it runs once, whole, and was admitted only after its last piece had come
    wait_for(lambda: list((shared.root / "completed").iterdir()), 30, "its end")
    late = shared.admitted("slow.json") - float(written[-1])
    print(f"admitted {late:.2f} s after its last piece was on the server")
    assert late > 0
    assert len(shared.places()) == 1 and not list((shared.root / "failed").iterdir())


def test_a_truncated_copy_is_rejected_only_after_settle(share):
    # Given a watcher on host A; without a setting it waits 60 s on this mount, here 12 s
    default = share()
    code = "import pathlib, sys; from spoolq.store import Store; print(Store(pathlib.Path(sys.argv[1])).settle)"
    assert float(default.on("A").python(code, default.path).ok()) == 60
    shared = share("settle = 12\n")
    shared.start("A")
    # When host B writes half a job, and no more
    written = shared.on("B").python(_SLOWLY, f"{shared.path}/queued/half.json", '{"command": ["tr', 'ue"').ok().split()
    # Then it is rejected when it has rested for so long, its bytes are kept, and nothing has run
    wait_for(lambda: list((shared.root / "failed").iterdir()), 60, "its rejection")
    (failed,) = (shared.root / "failed").iterdir()
    rested = posix(json.loads(failed.read_text())["completed_at"]) - float(written[-1])
    print(f"rejected {rested:.1f} s after its last piece")
    assert 12 <= rested < 40
    info = shared.get(failed.stem[-36:])
    assert info.outcome == "invalid"
    (original,) = (shared.root / info.run_dir).glob("submitted.*")
    assert original.read_text() == '{"command": ["true"'
    assert os.listdir(shared.root / "completed") == []


def test_a_clock_that_is_an_hour_ahead_neither_jumps_the_queue_nor_waits_behind_it(share):
    # Given host B, whose clock is an hour ahead
    shared = share()
    shared.on("A")
    shared.on("B").move_clock(_HOUR)
    try:
        # When A and B submit in turn, B also by a drop
        jobs = []
        for _ in range(3):
            jobs += [shared.submit("A", "true"), shared.submit("B", "true")]
        drop = f"{shared.path}/queued/drop.json"
        shared.on("B").sh(
            f"""echo '{{"command": ["true"]}}' > {shared.path}/aside && mv {shared.path}/aside {drop}"""
        ).ok()
        # Then the queue is in the order of their submission, and runs in it
        assert sorted(shared.places(), key=lambda job: shared.get(job).created_at) == jobs
        shared.run("A")
        wait_for(lambda: shared.admitted("drop.json"), 60, "the admission of the drop")
        last = shared.submit("B", "true")
        for job in [*jobs, last]:
            shared.await_status(job, "completed")
        wait_for(lambda: len(list((shared.root / "completed").iterdir())) == len(jobs) + 2, 30, "the drop's end")
        (dropped,) = set(shared.places()) - {*jobs, last}
        order = [*jobs, dropped, last]
        begun = [(shared.events(job, "claimed")[0]["since"], job) for job in order]
        assert begun == sorted(begun)
    finally:
        shared.on("B").move_clock(-_HOUR)


def test_a_heartbeat_is_judged_by_no_clock_but_the_observers_own(share):
    # Given a long job of host A, and host B, whose clock is an hour ahead and which sweeps the same spool
    shared = share("heartbeat = 5\nheartbeat_timeout = 60\n")
    shared.on("B").move_clock(_HOUR)
    try:
        shared.start("A")
        job = shared.submit("A", "sleep", "16")
        wait_for(lambda: shared.events(job, "started"), 30, "its start")
        shared.start("B")
        # When B's sweeps have met its heartbeats, each an hour old by B's clock, Then nobody has taken it over
        info = shared.await_status(job, "completed", 60)
        assert (info.attempt, info.worker) == (1, "host-A.all")
        names = ["claimed", "started", "finished"]  # the last of which follows the record
        wait_for(lambda: [event["event"] for event in shared.events(job)] == names, 30, "the whole history")
        assert "taking" not in shared.said("B")
    finally:
        shared.on("B").move_clock(-_HOUR)
