"""What a host sees of what another one did: drops, submissions, results, although caches lie and inotify is deaf."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import pytest

from tests.spooltest.guest import python
from tests.spooltest.waiting import wait_for

from .shared import posix

pytestmark = [pytest.mark.netfs, pytest.mark.timeout(300)]

#: Writes a job beside the queue, moves it in as people do, and tells when.
_DROP = """\
import pathlib, subprocess, sys, time
aside, target = pathlib.Path(sys.argv[1], sys.argv[2]), pathlib.Path(sys.argv[1], "queued", sys.argv[2])
aside.write_text(sys.argv[3])
subprocess.run(["mv", aside, target], check=True)
print(time.time())
"""


def test_a_drop_from_another_host_is_found_within_two_seconds(share):
    # Given a watcher on host A that has been idle, and knows by itself that it looks at a network mount
    shared = share()
    shared.start("A")
    assert "a look every 1 s besides" in shared.said("A")
    took = []
    for number in range(3):
        # When host B moves a file in
        name, job = f"drop-{number}.json", json.dumps({"command": ["true"]})
        moved = float(shared.on("B").python(_DROP, shared.path, name, job).ok())

        # Then A admits it at its next look, and runs it
        wait_for(lambda name=name: shared.admitted(name), 40, f"the admission of {name}")
        took.append(shared.admitted(name) - moved)
    print(f"admitted {', '.join(f'{each:.2f}' for each in took)} s after the mv on the other host")
    assert statistics.median(took) <= 2
    wait_for(lambda: len(list(Path(shared.root, "completed").iterdir())) == 3, 30, "three completed jobs")


def test_a_submission_from_another_host_is_claimed_within_two_seconds(share):
    # Given an idle watcher on host A
    shared = share()
    shared.start("A")
    took = []
    for _ in range(3):
        # When host B submits
        job = shared.submit("B", "true")
        done = shared.await_status(job, "completed")
        # Then A has claimed it at its next look
        took.append(posix(shared.events(job, "claimed")[0]["at"]) - done.created_at.timestamp())
    print(f"claimed {', '.join(f'{each:.2f}' for each in took)} s after the stamp of the submission on the other host")
    assert statistics.median(took) <= 2


def test_a_person_on_another_host_sees_the_log_as_it_grows_and_the_end(share):
    # Given a queued job of host B, and a person there who follows it before it has begun, whose caches hold that there
    # is no log and no end
    shared = share()
    # (An evaluation's host sends what it prints when it sees fit, after up to 35 s, unless it is told to.)
    job = shared.submit("B", "sh", "-c", 'echo first; sync "$SPOOLQ_RUN_DIR/log.txt"; sleep 8; echo second; exit 3')
    host = shared.on("B")
    assert json.loads(shared.spoolq("B", "show", "--json", job))["attempt"] == 0
    spoolq = python("-m", "spoolq")
    for verb, out in (("logs -f", "/mnt/follow"), ("wait", "/mnt/wait")):
        command = f"{spoolq} {verb} --spool {shared.path} {job}; echo ended $? $(date +%s.%N)"
        host.start(["sh", "-c", command], out)
    wait_for(lambda: "waiting for it to start" in host.read("/mnt/follow"), 30, "the follower")
    # When host A runs it
    shared.start("A")
    shared.await_status(job, "running")
    # Then B sees the first line while the job runs, and status there tells that it runs
    wait_for(lambda: "first" in host.read("/mnt/follow"), 40, "the first line")
    seen = time.time()
    started = posix(shared.events(job, "started")[0]["at"])
    print(f"the first line of the log was seen on the other host {seen - started:.1f} s after the start")
    assert shared.get(job).status == "running"
    status = json.loads(shared.spoolq("B", "status", "--json"))
    assert (
        status["running_jobs"] == [job] and status["running"][0]["attempt"] == 1 and status["running"][0]["started_at"]
    )
    # And it is told of the end when that has come, with the job's own exit code
    wait_for(lambda: "ended" in host.read("/mnt/follow") and "ended" in host.read("/mnt/wait"), 60, "the end at B")
    assert "second" in host.read("/mnt/follow") and "ended 3 " in host.read("/mnt/follow")
    assert "failed" in host.read("/mnt/wait") and "ended 1 " in host.read("/mnt/wait")
    ended = shared.get(job).completed_at.timestamp()
    late = [float(host.read(path).split()[-1]) - ended for path in ("/mnt/follow", "/mnt/wait")]
    print(f"logs -f ended {late[0]:.1f} s and wait {late[1]:.1f} s after the record's completed_at")
    assert max(late) < 10
