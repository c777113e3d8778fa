"""Which GPUs a job gets, why it waits, and when it is refused."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from spoolq import gates
from spoolq.gpus import DriverSilent, Gpu, Process, told
from spoolq.gpus.admission import Admission, Grant
from spoolq.gpus.elsewhere import SLOTS
from spoolq.gpus.quarantine import impose, standing
from spoolq.gpus.strangers import strangers
from spoolq.gpus.watched import Watched
from spoolq.lock import lock_directory, try_lock
from spoolq.names import new_stem
from spoolq.store import Store
from spoolq.submit import publish
from tests.spooltest.gpus import Told

COMMAND = {"command": ["true"]}


def gpu(index, free=80000.0, on=(), **more):
    return Gpu(index, f"GPU-{index}", total_mib=81920.0, free_mib=free, processes=tuple(on), **more)


class Bench:
    """A slot with GPUs that a test moves, on a clock that it moves too."""

    def __init__(self, store, *gpus, devices=None, network=False):
        self.store, self.now, self.said = store, 0.0, []
        self.told = Told(*gpus)
        watched = Watched(store, devices, self.said.append, self.told, lambda: self.now)
        self.admission = Admission(store, "all", devices, watched)

    def grant(self, **envelope):
        self.now += 10
        return self.admission.grant(new_stem(datetime.now(UTC)), {"request": COMMAND, "recipe": "command", **envelope})


@pytest.fixture(autouse=True)
def _nothing_inherited(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv(SLOTS, raising=False)


@pytest.fixture
def bench(store):
    return lambda *gpus, **more: Bench(store, *gpus, **more)


def test_a_job_gets_what_its_slot_has(bench):
    # Given two free GPUs, When a job asks for nothing, for one, for none, Then it gets both, the first, none
    two = bench(gpu(0), gpu(1))
    assert two.grant().devices == "0,1"
    assert two.grant(num_gpus=1).devices == "0"
    assert two.grant(num_gpus=0).devices == ""
    assert two.grant(num_gpus=2).facts == {"gpus": ["GPU-0", "GPU-1"]}


def test_a_busy_gpu_is_passed_over_for_a_free_one(bench):
    # Given a GPU that somebody is on, When a job asks for one, Then it gets the other
    assert bench(gpu(0, free=10), gpu(1)).grant(num_gpus=1).devices == "1"


def test_a_job_waits_for_memory_and_names_who_has_it(bench):
    # Given a GPU that this process has most of, by the driver's count
    held = bench(gpu(0, free=11264, on=[Process(os.getpid(), 70000), Process(2**22 + 5, None)])).grant(
        num_gpus=1, min_free_memory=40960
    )
    # When a job asks for 40 GiB, Then it waits, and pid, command, user and amount are told; who cannot be seen as well
    assert held.held.startswith("waiting for 1 GPU with 40 GiB free: GPU 0 has 11 GiB beside process ")
    assert f"process {os.getpid()} (" in held.held and "with 68.4 GiB" in held.held
    assert f"process {2**22 + 5} (of another container, or ended)" in held.held


def test_memory_that_came_free_is_seen(bench):
    # Given a job that waits
    one = bench(gpu(0, free=10))
    assert one.grant().held
    # When the memory is free, Then it may go, and a look of a moment ago would not have been asked again
    one.told.say(gpu(0))
    assert one.grant().devices == "0"
    asked = one.told.asked
    one.now -= 10
    one.grant()
    assert one.told.asked == asked


def test_by_default_nine_tenths_must_be_free(bench):
    # Given GPUs just under and over that, When jobs ask for nothing, Then the first waits
    assert bench(gpu(0, free=73000)).grant().held
    assert bench(gpu(0, free=74000)).grant().devices == "0"


def test_memory_that_nobody_tells_cannot_be_promised(bench):
    # Given a GPU that tells nothing
    blind = bench(Gpu(0, "GPU-0"))
    # When a job asks for memory, Then it is refused; without, it may go
    assert "nobody tells what is free" in blind.grant(min_free_memory=1).refusal
    assert blind.grant().devices == "0"


def test_more_memory_than_any_gpu_has_is_refused(bench, store):
    # Given a GPU of 80 GiB, When a job asks for 100 GiB, Then it is refused, and waits where another slot may have it
    refused = bench(gpu(0)).grant(min_free_memory="100GiB").refusal
    assert refused == "`min_free_memory` is 100 GiB, and no slot has 1 GPU of that size"
    store.settings.slots.update(big="1")
    assert "waiting for a slot with larger GPUs" in bench(gpu(0), devices="0").grant(min_free_memory="100GiB").held


def test_a_strangers_command_line_is_not_shown_whole():
    # Given a process on a GPU whose arguments hold a secret, When it is named, Then what it runs is shown, and no more
    argv = [sys.executable, "-c", "import time; time.sleep(60)", "--token=hush"]
    with subprocess.Popen(argv) as process:
        try:
            named = strangers(gpu(0, on=[Process(process.pid, 100)]))
        finally:
            process.kill()
    assert f"process {process.pid} ({sys.executable}" in named and "hush" not in named


def test_many_jobs_of_one_need_are_decided_once(bench, monkeypatch):
    # Given many jobs that wait for the same, When they are asked about in one round, Then GPUs are judged once
    one, judged = bench(gpu(0, free=10)), []
    choose = one.admission._choose
    monkeypatch.setattr(one.admission, "_choose", lambda *asked: judged.append(1) or choose(*asked))
    one.admission.refresh()
    for _ in range(50):
        assert one.admission.why_not(new_stem(datetime.now(UTC)), {})
    assert len(judged) == 1


def test_uuids_for_recipes_that_want_them_and_for_instances(store):
    # Given an operator's recipe that takes UUIDs
    store.settings.recipes["by-uuid"] = {"command": ["x"], "gpu_ids": "uuid"}
    assert Bench(store, gpu(0)).grant(recipe="by-uuid").devices == "GPU-0"
    # And an instance, which has nothing else
    mig = Gpu(None, "MIG-1", total_mib=100, free_mib=100, parent="GPU-9")
    assert Bench(store, mig).grant().devices == "MIG-1"


def test_more_than_any_slot_has_is_refused(bench):
    # Given one GPU in all, When a job asks for two, Then it is refused, not left waiting for ever
    refused = bench(gpu(0)).grant(num_gpus=2)
    assert refused.refusal.startswith("`num_gpus` is 2, and slot all has 1 GPU, nor has any other slot so many")
    assert "refused" not in refused.refusal and refused.held is None


@pytest.mark.parametrize("asks", [{"num_gpus": 1}, {"recipe": "lm-eval", "request": {"device": "cuda:0"}}])
def test_a_job_that_asks_for_a_gpu_is_not_left_to_the_cpu(bench, asks):
    # Given a host without any, When a job asks for one outright, Then it is refused, and says why
    refused = bench().grant(**asks)
    assert "there is no GPU" in refused.refusal and "on the CPU" in refused.refusal


def test_on_a_host_without_gpus_all_else_is_as_ever(bench):
    # Given no GPU, When a job does not ask, Then it has what the runner has, and nobody is asked twice
    none = bench()
    assert (none.grant().devices, none.grant().facts, none.told.asked) == (None, {}, 1)
    assert bench(devices="3").grant().devices == "3"


def test_what_a_client_of_lmms_eval_sends_by_default_runs_anywhere(bench):
    # Given a request with `num_gpus` 1, as its clients send it, When there is no GPU, Then it runs; else it gets one
    asks = {"recipe": "lmms-eval", "request": {"model": "m", "tasks": ["t"], "num_gpus": 1}}
    assert bench().grant(**asks) == Grant()
    assert bench(gpu(0), gpu(1)).grant(**asks).devices == "0"


def test_a_device_and_no_gpu_contradict_each_other(bench):
    # Given a free GPU, When a harness is to use one and the job asks for none, Then it is refused
    asks = {"recipe": "lm-eval", "request": {"device": "cuda"}, "num_gpus": 0}
    assert "asks for no GPU at all" in bench(gpu(0)).grant(**asks).refusal


@pytest.mark.parametrize("known", ["watcher", "settings"])
def test_a_job_waits_for_another_slot_that_has_enough(bench, store, monkeypatch, known):
    # Given a slot with one GPU, and another slot of two
    if known == "watcher":
        monkeypatch.setenv(SLOTS, json.dumps({"all": "0", "big": "1,2"}))
    else:
        store.settings.slots.update(all="0", big="1,2")
    held = bench(gpu(0), gpu(1), gpu(2), devices="0").grant(num_gpus=2)
    # When a job asks for two, Then this slot leaves it to that one
    assert held.held == "waiting for a slot with 2 GPUs; slot all has 1"
    assert bench(gpu(0), gpu(1), gpu(2), devices="0").grant(num_gpus=3).refusal


def test_on_a_shared_spool_another_host_may_have_them(spool_path, monkeypatch):
    # Given a spool that hosts share, When a job asks for more than is here, Then it waits for a host that has it
    monkeypatch.setattr("spoolq.store.is_network", lambda _path: True)
    held = Bench(Store(spool_path)).grant(num_gpus=1).held
    assert held == "waiting for a host with 1 GPU; slot all has none"


def test_a_driver_that_does_not_answer_holds_jobs_that_want_a_gpu(bench):
    # Given a driver that hangs
    one = bench(gpu(0))
    one.told.now = DriverSilent("cannot list GPUs: it hangs.")
    # When jobs ask, Then they wait and say why, but for one that wants none; and it is not asked each time
    assert one.grant().held == "waiting for the GPUs to be seen: cannot list GPUs: it hangs."
    assert one.grant(num_gpus=0).devices == ""
    asked = one.told.asked
    one.now -= 17
    one.grant()
    assert one.told.asked == asked


def test_a_slot_whose_devices_are_lost_does_not_run_on_the_cpu(bench):
    # Given a slot of a device that fell off the bus, When a job comes, Then it waits; with another device it goes on
    lost = bench(devices="0")
    lost.told.say(gpu(1), faults=("GPU 0 cannot be used: GPU is lost",))
    assert "GPU 0 cannot be used: GPU is lost" in lost.grant().held
    assert lost.said == ["GPU 0 cannot be used: GPU is lost"]
    half = bench(devices="0,1")
    half.told.say(gpu(1), faults=("GPU 0 cannot be used: GPU is lost",))
    assert half.grant().devices == "1"


def test_a_gpu_in_quarantine_is_left_out_until_its_memory_is_back(bench, store):
    # Given a GPU of two in quarantine
    locks = lock_directory(None)
    impose(locks, gpu(0), "40 GiB did not come back", level_mib=1000)
    two = bench(gpu(0, free=40000), gpu(1))
    # When jobs ask, Then the other is given, and who needs both waits
    assert two.grant().devices == "1"
    assert "GPU 0 is in quarantine since " in two.grant(num_gpus=2).held
    # And when its memory is back, Then it ends by itself, and that is said
    two.told.say(gpu(0, free=81000), gpu(1))
    assert two.grant().devices == "0,1"
    assert standing(locks) == [] and two.said == ["GPU 0 is out of quarantine: its memory is back"]


def test_as_a_gate_it_reads_what_a_bare_request_asks(store):
    # Given a queued request of lmms-eval for two GPUs, and one that is busy
    stem = publish(store, {"model": "m", "tasks": ["t"], "num_gpus": 2})
    slot = Bench(store, gpu(0), gpu(1, free=10))
    # When the gate is asked with the policy alone, as it is, Then it knows
    held = slot.admission.why_not(stem, {})
    assert held.startswith("waiting for 2 GPUs with 72 GiB free: GPU 1 has 10 MiB")
    assert 0 < slot.admission.patience(stem, {}) < 10
    # And when the job has been claimed, so that its file is gone, Then it still does
    store.layout.queued(stem).unlink()
    slot.now += 10
    assert slot.admission.why_not(stem, {"num_gpus": None}) == held


def test_a_job_that_must_be_refused_is_not_held(store):
    # Given a queued job that can never run here, When the gate is asked, Then it lets it through, to be refused
    stem = publish(store, {"request": COMMAND, "num_gpus": 9})
    assert Bench(store, gpu(0)).admission.why_not(stem, {"num_gpus": 9}) is None


def test_who_looks_is_told_why_while_the_slot_is_held(store):
    # Given a job that waits for its GPU, and a runner that lives
    stem = publish(store, COMMAND)
    slot = Bench(store, gpu(0, free=10))
    held = slot.admission.why_not(stem, {})
    assert gates.reason(store, stem, {}) is None
    fd = try_lock(lock_directory(None) / "all.lock")
    try:
        # When somebody asks, Then the reason is the runner's, and the GPUs are as it saw them
        assert gates.reason(store, stem, {}) == held
        assert told.seen(store)["all"]["gpus"][0]["uuid"] == "GPU-0"
        # And once the job may go, Then there is none
        slot.told.say(gpu(0))
        slot.now += 10
        slot.admission.refresh()
        assert slot.admission.why_not(stem, {}) is None
        slot.admission.refresh()
        assert gates.reason(store, stem, {}) is None
    finally:
        os.close(fd)
