"""The provider `nvml`: the real nvidia-ml-py on a driver's library that is ours, in its own process, with a limit."""

import os
import time
from pathlib import Path

import pytest

from spoolq.gpus import DriverSilent, NoDriver, Process
from spoolq.gpus.nvml import NvmlGpus, library_is_there
from tests.spooltest.gpus import built_library

pytest.importorskip("pynvml", reason="nvidia-ml-py, the extra `gpu`, is not installed")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return built_library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(library, tmp_path, monkeypatch):
    """Have the driver say so much; returns what the provider makes of it."""
    state = tmp_path / "gpus.txt"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
    monkeypatch.setenv("PRETEND_GPUS", str(state))

    def say(*lines, timeout=10):
        state.write_text("\n".join(lines) + "\n")
        return NvmlGpus(timeout).look()

    return say


def test_cards_with_their_memory_and_processes(driver):
    # Given two cards, one of them busy
    seen = driver(
        "gpu uuid=GPU-a total=81920 used=1000 busy=3",
        "gpu uuid=GPU-b total=81920 used=70000 busy=97 on=4242:69000,77:?",
    )
    # When they are looked at, Then all is there in MiB, and a process whose memory is not told has None
    first, second = seen.usable
    assert (first.index, first.uuid, first.name, first.total_mib, first.free_mib, first.utilisation) == (
        0, "GPU-a", "Pretend", 81920, 80920, 3,
    )  # fmt: skip
    assert first.processes == ()
    assert second.processes == (Process(4242, 69000), Process(77, None))
    assert (second.used_mib, seen.faults) == (70000, ())


def test_a_lost_card_costs_a_sentence_and_the_others_keep_their_index(driver):
    # Given a card that has fallen off the bus between two good ones
    seen = driver("gpu uuid=GPU-a total=10 used=0", "gpu error=15", "gpu uuid=GPU-c total=10 used=0")
    # When they are looked at, Then it is left out, and said
    assert [(gpu.index, gpu.uuid) for gpu in seen.usable] == [(0, "GPU-a"), (2, "GPU-c")]
    assert seen.faults == ("GPU 1 cannot be used: GPU is lost",)


def test_mig_instances_stand_in_the_place_of_their_card(driver):
    # Given a card that is cut in two, and a whole one
    seen = driver(
        "gpu uuid=GPU-a total=81920 used=0", "mig uuid=MIG-1 total=40000 used=10", "mig uuid=MIG-2 total=40000 used=20",
        "gpu uuid=GPU-b total=81920 used=0",
    )  # fmt: skip
    # When they are looked at, Then the instances can be had, by UUID, with their own memory, and the cut card cannot
    assert [(gpu.index, gpu.uuid, gpu.parent, gpu.free_mib) for gpu in seen.usable] == [
        (None, "MIG-1", "GPU-a", 39990), (None, "MIG-2", "GPU-a", 39980), (1, "GPU-b", None, 81920),
    ]  # fmt: skip
    assert seen.gpus[0].instances == ("MIG-1", "MIG-2")


def test_what_the_driver_withholds_is_none(driver):
    # Given a card that tells neither memory nor load
    (gpu,) = driver("gpu uuid=GPU-a total=? used=? busy=?").usable
    # When it is looked at, Then it is there, and nothing was made up
    assert (gpu.total_mib, gpu.free_mib, gpu.used_mib, gpu.utilisation) == (None, None, None, None)


def test_a_driver_that_is_not_loaded_is_no_driver(driver):
    # Given the library without its kernel module, When it is asked, Then this host has none
    with pytest.raises(NoDriver, match="Driver Not Loaded"):
        driver("init error=9")


@pytest.mark.parametrize("lines", [["init error=999"], ["count error=999", "gpu uuid=GPU-a total=1 used=0"]])
def test_a_driver_that_refuses_is_silent(driver, lines):
    # Given a driver that is there and fails, When it is asked, Then nobody knows: that is not `none`
    with pytest.raises(DriverSilent, match="NVML: "):
        driver(*lines)


def test_a_driver_that_hangs_is_left_after_the_time_limit(driver):
    # Given a driver that never answers
    began = time.monotonic()
    # When it is asked for a second at most
    with pytest.raises(DriverSilent, match="did not answer within 1 s"):
        driver("init hang=1", timeout=1)
    # Then we have our word back soon after, and the next look goes on as if nothing had been
    assert time.monotonic() - began < 8
    assert driver("gpu uuid=GPU-a total=10 used=0").usable


def test_without_the_library_there_is_no_driver(tmp_path, monkeypatch):
    # Given a host without the library
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    if library_is_there():
        pytest.skip("this host has NVIDIA's own library")
    # When it is asked all the same, Then that is what it says
    with pytest.raises(NoDriver, match=r"NVML Shared Library Not Found"):
        NvmlGpus(10).look()


def test_the_library_is_looked_for_by_name_alone(library, tmp_path, monkeypatch):
    # Given a folder of the loader that has it, in a process that must not load it
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}{os.pathsep}{library}")
    # When it is looked for, Then it is found, and not loaded
    assert library_is_there()
    assert str(library) not in Path("/proc/self/maps").read_text()


def test_without_the_bindings_the_extra_is_named(monkeypatch):
    # Given a Python without nvidia-ml-py, When it is asked, Then it says what to install
    monkeypatch.setattr("spoolq.gpus.nvml.find_spec", lambda _name: None)
    with pytest.raises(NoDriver, match=r"spoolq\[gpu\]"):
        NvmlGpus(10).look()


def test_a_program_of_the_folder_we_stand_in_is_not_taken_for_a_module(driver, tmp_path, monkeypatch):
    # Given a folder with a json.py of somebody
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    # When the probe runs from there, Then it is not imported
    assert driver("gpu uuid=GPU-a total=10 used=0").usable
