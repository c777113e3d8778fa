"""The heartbeat, the fence, and the take-over from another host."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from spoolq.names import parse_queued, parse_running
from spoolq.store import Store
from spoolq.sweep import Sweep

from .conftest import Queue, wait_for

_FAST = 'heartbeat = "100ms"\nheartbeat_timeout = "1s"\n'


def _claim_file(queue: Queue):
    return wait_for(lambda: list((queue.path / "running").glob("2*.json")), what="the claim")[0]


def test_a_long_job_beats_and_a_short_one_does_not(queue: Queue):
    # Given a short heartbeat
    queue.settings(_FAST)
    queue.start()
    job = queue.command("sleep", "600")
    # When the job outlives the first interval
    claim = _claim_file(queue)
    beat = claim.with_name(f".{claim.stem}.beat")
    wait_for(beat.exists, what="the first beat")
    # Then the mtime moves on, and the record says when it was
    first = beat.stat().st_mtime_ns
    wait_for(lambda: beat.stat().st_mtime_ns > first, what="another beat")
    assert queue.spool.get(job).heartbeat_at is not None
    # And when it ends, the beat goes with the claim
    queue.spool.cancel(job)
    queue.ended(job)
    wait_for(lambda: not beat.exists(), what="the end of the beat")


def test_a_runner_whose_claim_was_taken_away_stops_and_writes_nothing(queue: Queue):
    # Given a running job
    queue.settings(_FAST)
    queue.start()
    job = queue.command("sleep", "600")
    pid = queue.started(job)["evaluation"]
    claim = _claim_file(queue)
    # When another host takes the claim away
    running = parse_running(claim.name)
    taken = claim.with_name(f"{running.stem}@host-b.all.0badcafe.json")
    claim.rename(taken)
    # Then the evaluation is ended, and there is neither an end nor a record
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), what="the end of the evaluation")
    wait_for(lambda: "fenced" in queue.said(), what="the word about it")
    run = queue.path / "runs" / running.stem.key
    assert not list(run.glob("end.*"))
    assert taken.exists() and not list((queue.path / ".tmp").glob("*.final"))
    # And the runner goes on with the next job
    assert queue.ended(queue.command("true")).status == "completed"


def test_a_killed_heartbeat_process_is_replaced(queue: Queue):
    # Given a job that beats
    queue.settings(_FAST)
    queue.start()
    job = queue.command("sleep", "600")
    pids = queue.started(job)
    claim = _claim_file(queue)
    beat = claim.with_name(f".{claim.stem}.beat")
    wait_for(beat.exists, what="the first beat")

    def beater():
        import psutil

        return [p for p in psutil.Process(pids["shim"]).children() if p.pid != pids["evaluation"]]

    # When its heartbeat process is killed
    victim = wait_for(beater)[0]
    os.kill(victim.pid, signal.SIGKILL)
    # Then another beats on, and the evaluation does not notice
    wait_for(lambda: [p for p in beater() if p.pid != victim.pid], what="another heartbeat process")
    before = beat.stat().st_mtime_ns
    wait_for(lambda: beat.stat().st_mtime_ns > before, what="another beat")
    assert queue.spool.get(job).status == "running" and Path(f"/proc/{pids['evaluation']}").exists()


@pytest.mark.parametrize("ended", [False, True], ids=["lost", "with its end record"])
def test_the_job_of_another_host_is_taken_over_when_its_heartbeat_stands_still(queue: Queue, ended):
    # Given a claim of another host, with or without the end that its shim wrote
    queue.settings(_FAST)
    job = queue.command("true")
    name = next((queue.path / "queued").glob("2*.json")).name
    stem = parse_queued(name)
    (queue.path / "queued" / name).rename(queue.path / "running" / f"{stem}@host-b.all.0badcafe.json")
    run = queue.path / "runs" / stem.key
    (run / "output.partial").mkdir(parents=True)
    if ended:
        end = {"nonce": "0badcafe", "started_at": "2026-11-20T00:00:00+00:00", "exit_code": 5}
        (run / "end.0badcafe.json").write_text(json.dumps(end))
    now = [0.0]
    store = Store(queue.path, host="host-a")
    sweep = Sweep(store, frozenset({"all"}), lambda _line: None, clock=lambda: now[0])
    # When it is looked at before the time-out, nothing happens
    sweep.turn()
    now[0] = 0.9
    sweep.turn()
    assert queue.spool.get(job).status == "running"
    # When it has stood still for the time-out
    now[0] = 1.1
    sweep.turn()
    # Then the job ended as the end record says, or goes back into the queue with an attempt burnt
    info = queue.spool.get(job)
    if ended:
        assert (info.status, info.exit_code, info.started_at.year) == ("failed", 5, 2026)
    else:
        assert (info.status, info.attempt) == ("queued", 1)
        assert queue.events(job)[-1] == "reclaimed"


def test_a_beating_host_is_left_alone(queue: Queue):
    # Given a claim of another host whose beat moves
    queue.settings(_FAST)
    job = queue.command("true")
    name = next((queue.path / "queued").glob("2*.json")).name
    claimed = queue.path / "running" / f"{parse_queued(name)}@host-b.all.0badcafe.json"
    (queue.path / "queued" / name).rename(claimed)
    beat = claimed.with_name(f".{claimed.stem}.beat")
    now = [0.0]
    sweep = Sweep(Store(queue.path, host="host-a"), frozenset(), lambda _line: None, clock=lambda: now[0])
    # When five time-outs pass, each with a beat, whatever that host's clock says
    for step in range(10):
        beat.touch()
        os.utime(beat, (step, step))
        sweep.turn()
        now[0] += 0.5
    # Then it still runs there
    assert queue.spool.get(job).worker == "host-b.all"
