"""Real `spoolq run` processes on GPUs that a file tells of: waiting for memory, quarantine, refusals, slots."""

from __future__ import annotations

import json
import os
import signal
import sys

import psutil
import pytest

from spoolq.store import Store
from spoolq.submit import publish
from tests.spooltest.gpus import Shelf, Smi, built_library, card

from .conftest import wait_for

SHOW = ("sh", "-c", 'echo "$CUDA_DEVICE_ORDER $CUDA_VISIBLE_DEVICES"')


@pytest.fixture
def shelf(queue, tmp_path):
    """One GPU, free, for runners that look often and wait for its memory for half a second."""
    made = Shelf(tmp_path / "gpus.json", card(0))
    queue.settings('poll = "200ms"\n' + made.settings(settle='"500ms"'))
    return made


def asking(queue, **policy):
    """Submit a job that prints what it sees, with a policy as its file has it."""
    return publish(Store(queue.path), {"request": {"command": list(SHOW)}, **policy}).uuid


def saw(queue, job):
    return queue.text(job).strip()


def why(queue, job):
    """Why the job waits, as `spoolq status` tells it."""
    return next((w["reason"] for w in queue.spool.status()["waiting"] if w["job_id"] == job), None)


def test_a_job_has_its_gpus_and_its_record_says_which(queue, shelf):
    # Given three GPUs in one slot, and jobs that ask for one, for all, and for none
    shelf.set(card(0), card(1), card(2))
    jobs = [asking(queue, num_gpus=1), queue.command(*SHOW), asking(queue, num_gpus=0)]
    # When they have run
    queue.run("--drain").wait(60)
    one, every, none = (queue.spool.get(job) for job in jobs)
    # Then each saw its own, in the order of the bus, and the record and the history have the UUIDs
    assert [saw(queue, job) for job in jobs] == ["PCI_BUS_ID 0", "PCI_BUS_ID 0,1,2", "PCI_BUS_ID"]
    assert (one.gpus, every.gpus, none.gpus) == (["GPU-00000000"], [f"GPU-0000000{n}" for n in range(3)], None)
    claimed = next(event for event in queue.spool.history(jobs[0]) if event["event"] == "claimed")
    assert claimed["gpus"] == ["GPU-00000000"]
    assert "(slots all;" in queue.said()


def test_a_job_waits_for_a_stranger_and_those_behind_it_do_not(queue, shelf):
    # Given a GPU that a stranger is on: this test
    me = psutil.Process()
    shelf.set(card(0, free=8192, processes=[{"pid": me.pid, "used": "70GiB"}]))
    waits = asking(queue, min_free_memory="40GiB")
    behind = asking(queue, num_gpus=0)
    queue.start()
    # When the queue is worked on, Then the job behind it, which needs no GPU, runs, and it waits
    assert queue.ended(behind).outcome == "succeeded"
    said = wait_for(lambda: (text := why(queue, waits)) and "waiting for 1 GPU" in text and text, 20, "the reason")
    # And the reason says how much is free, and who has the rest
    assert said.startswith("waiting for 1 GPU with 40 GiB free: GPU 0 has 8 GiB beside process ")
    assert f"process {me.pid} (" in said and f") of {me.username()} with 70 GiB" in said
    # And when the stranger has gone, it runs, as its first attempt
    shelf.set(card(0))
    ended = queue.ended(waits)
    assert (ended.outcome, ended.attempt, saw(queue, waits)) == ("succeeded", 1, "PCI_BUS_ID 0")


def test_memory_that_does_not_come_back_is_a_quarantine_until_it_does(queue, shelf, tmp_path):
    # Given a job that leaves 40 GiB in use for nobody
    leaked = json.dumps({"gpus": [card(0, free=40000)]})
    leaks = queue.python(
        "import os, sys; open(sys.argv[1] + '.new', 'w').write(sys.argv[2]); "
        "os.replace(sys.argv[1] + '.new', sys.argv[1])",
        str(shelf.path), leaked,
    )  # fmt: skip
    queue.start()
    assert queue.ended(leaks).outcome == "succeeded"
    # When its GPU has not come back within the limit
    file = tmp_path / "locks" / "gpu-GPU-00000000.quarantine"
    wait_for(file.exists, 20, "the quarantine")
    # Then that is said to the operator, and in the file, and to who asks for the status
    wait_for(lambda: "GPU 0 is in quarantine: 40 GiB of its memory did not come back" in queue.said(), 10)
    assert json.loads(file.read_text())["title"] == "GPU 0"
    troubles = queue.spool.status()["troubles"]
    assert [(t["path"], "in quarantine" in t["what"]) for t in troubles if "GPU" in t["what"]] == [(str(file), True)]
    # And the next job waits, and says so
    after = queue.command(*SHOW)
    wait_for(lambda: "GPU 0 is in quarantine since " in (why(queue, after) or ""), 20, "the reason")
    # And when the memory is back, the quarantine has ended, and the job runs
    shelf.set(card(0))
    assert queue.ended(after).outcome == "succeeded"
    assert not file.exists() and "GPU 0 is out of quarantine" in queue.said()


def test_the_last_job_of_a_drain_is_waited_for_too(queue, shelf, tmp_path):
    # Given the only job of a queue, which leaves its GPU full
    queue.python(
        "import os, sys; open(sys.argv[1] + '.new', 'w').write(sys.argv[2]); "
        "os.replace(sys.argv[1] + '.new', sys.argv[1])",
        str(shelf.path), json.dumps({"gpus": [card(0, free=40000)]}),
    )  # fmt: skip
    # When the queue has been drained, Then the device is in quarantine for whoever comes next
    assert queue.run("--drain").wait(60) == 0
    assert (tmp_path / "locks" / "gpu-GPU-00000000.quarantine").exists()


def test_a_slot_for_each_gpu(queue, shelf):
    # Given two GPUs, and a slot each
    shelf.set(card(0), card(3))
    queue.settings('poll = "200ms"\n' + shelf.settings(mode='"per-gpu"', settle='"500ms"'))
    show = ("sh", "-c", 'echo "$SPOOLQ_SLOT $CUDA_VISIBLE_DEVICES"')
    jobs = [queue.command(*show) for _ in range(4)]
    # When jobs have run, Then each ran in one of them, and on its GPU
    queue.run("--drain").wait(60)
    assert {saw(queue, job) for job in jobs} <= {"gpu0 0", "gpu3 3"}
    assert "(slots gpu0, gpu3;" in queue.said()


def test_a_job_runs_in_the_slot_that_has_enough(queue, shelf):
    # Given two slots of different sizes, and jobs that only one of them can run, and one that both can
    shelf.set(card(0), card(1), card(2))
    show = {"command": ["sh", "-c", 'echo "$SPOOLQ_SLOT $CUDA_VISIBLE_DEVICES"']}
    store = Store(queue.path)
    jobs = [publish(store, {"request": show, "num_gpus": 2}).uuid for _ in range(3)]
    jobs.append(publish(store, {"request": show, "num_gpus": 1}).uuid)
    # When the queue is worked on
    queue.run("--drain", "--slots", "small=0", "--slots", "big=1,2").wait(60)
    # Then those ran there, and none was refused by the other; an attempt that was given back is none
    assert {saw(queue, job) for job in jobs[:3]} == {"big 1,2"}
    assert saw(queue, jobs[3]) in ("small 0", "big 1")
    assert [queue.spool.get(job).attempt for job in jobs] == [1] * 4


@pytest.mark.parametrize("cards", [(), (card(0),)])
def test_what_no_slot_can_ever_give_is_refused_at_once(queue, shelf, cards):
    # Given fewer GPUs than a job asks for, on a spool of one host
    shelf.set(*cards)
    job = asking(queue, num_gpus=2)
    # When the queue is worked on
    queue.run("--drain").wait(60)
    # Then the job has failed before anything was started, and says why
    ended = queue.spool.get(job)
    assert (ended.status, ended.outcome, ended.attempt) == ("failed", "could_not_start", 1)
    assert ended.error.startswith("Evaluation could not be started: `num_gpus` is 2, and ")
    assert "started" not in queue.events(job)


def test_a_harness_that_is_told_to_use_a_gpu_is_not_run_without_one(queue, shelf):
    # Given a job of lm-eval for `device` cuda:0, and no GPU
    shelf.set()
    request = {"model": "hf", "tasks": ["t"], "device": "cuda:0"}
    job = queue.spool.submit(request, recipe="lm-eval").job_id
    # When the queue is worked on, Then it is refused: lm-eval would take the CPU and be done in the morning
    queue.run("--drain").wait(60)
    ended = queue.spool.get(job)
    assert ended.outcome == "could_not_start" and "`device` is cuda:0, and there is no GPU" in ended.error


def test_a_runner_that_is_killed_leaves_the_gpus_with_its_job(queue, shelf):
    # Given a job on a GPU, whose runner is killed
    job = queue.python("import time; time.sleep(1.5)")
    queue.start()
    facts = queue.started(job)
    assert queue.spool.get(job).gpus == ["GPU-00000000"]
    psutil.Process(facts["runner"]).send_signal(signal.SIGKILL)
    # When the next runner has adopted it, Then the record still says which GPU it had
    ended = queue.ended(job)
    assert (ended.outcome, ended.gpus, ended.attempt) == ("succeeded", ["GPU-00000000"], 1)


def test_a_file_that_cannot_be_read_stops_a_start_with_a_reason(queue, shelf):
    # Given a telemetry that is broken
    shelf.path.write_text("{")
    # When `spoolq run` is started, Then it ends with 5 and names the file
    assert queue.run("--drain").wait(60) == 5
    assert f"cannot list GPUs by {shelf.path}: " in queue.said() and "Traceback" not in queue.said()
    # And when it breaks while a runner lives, jobs wait and say so
    shelf.set(card(0))
    queue.start()
    shelf.path.write_text("{")
    job = queue.command(sys.executable, "-c", "")
    wait_for(lambda: "waiting for the GPUs to be seen: " in (why(queue, job) or ""), 20, "the reason")
    shelf.set(card(0))
    assert queue.ended(job, 60).outcome == "succeeded"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A driver's library of ours, asked by nvidia-ml-py; says what it is told."""
    pytest.importorskip("pynvml", reason="nvidia-ml-py, the extra `gpu`, is not installed")
    folder = tmp_path / "driver"
    folder.mkdir()
    state = folder / "gpus.txt"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(built_library(folder)))
    monkeypatch.setenv("PRETEND_GPUS", str(state))
    return lambda text: (state.with_suffix(".new").write_text(text), state.with_suffix(".new").replace(state))


def test_a_driver_that_hangs_does_not_hang_the_runner(queue, driver):
    # Given a runner on two GPUs that NVIDIA's own bindings tell of, one of them lost
    driver("gpu error=15\ngpu uuid=GPU-b total=81920 used=100\n")
    queue.settings('poll = "200ms"\n[gpus]\nprobe_timeout = "4s"\n')
    first = queue.command(*SHOW)
    runner = queue.start()
    assert (queue.ended(first).gpus, saw(queue, first)) == (["GPU-b"], "PCI_BUS_ID 1")
    assert "GPU 0 cannot be used: GPU is lost" in queue.said()
    # When the driver hangs
    driver("init hang=1\n")
    waits, other = queue.command(*SHOW), asking(queue, num_gpus=0)
    # Then a job that wants a GPU waits and says why, and one that wants none runs
    assert queue.ended(other, 60).outcome == "succeeded"
    wait_for(lambda: "did not answer within 4 s" in (why(queue, waits) or ""), 30, "the reason")
    # And when it answers again, the job runs; a signal is heard as ever
    driver("gpu error=15\ngpu uuid=GPU-b total=81920 used=100\n")
    assert queue.ended(waits, 60).gpus == ["GPU-b"]
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(30) == 0


def test_nvidia_smi_is_enough(queue, tmp_path, monkeypatch):
    # Given a host with the program and without the bindings' library
    folder = tmp_path / "smi"
    folder.mkdir()
    Smi(folder).say("0, GPU-s, 81920, 80000, 0, NVIDIA H100\n")
    monkeypatch.setenv("PRETEND_SMI", str(folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    queue.settings('[gpus]\nprovider = "smi"\n')
    # When a job has run, Then it had that GPU
    job = queue.command(*SHOW)
    queue.run("--drain").wait(60)
    assert (queue.spool.get(job).gpus, saw(queue, job)) == (["GPU-s"], "PCI_BUS_ID 0")
