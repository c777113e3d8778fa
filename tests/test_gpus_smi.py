"""The provider `smi`: the CSV of a program that is named nvidia-smi."""

import os

import pytest

from spoolq.gpus import DriverSilent, NoDriver, Process
from spoolq.gpus.smi import SmiGpus
from tests.spooltest.gpus import Smi


@pytest.fixture
def smi(tmp_path, monkeypatch):
    made = Smi(tmp_path)
    monkeypatch.setenv("PRETEND_SMI", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return made


def test_cards_and_who_is_on_them(smi):
    # Given two cards, one of them busy, and a name with a comma
    smi.say(
        "0, GPU-a, 81920, 80920, 3, NVIDIA H100, 80GB\n1, GPU-b, 81920, 11920, 97, NVIDIA H100\n",
        "GPU-b, 4242, 69000\nGPU-b, 77, [N/A]\n",
    )
    # When they are looked at
    first, second = SmiGpus(10).look().usable
    # Then all of it is there
    assert (first.index, first.uuid, first.total_mib, first.free_mib, first.utilisation, first.name) == (
        0, "GPU-a", 81920, 80920, 3, "NVIDIA H100, 80GB",
    )  # fmt: skip
    assert (first.processes, second.processes) == ((), (Process(4242, 69000), Process(77, None)))


def test_what_is_not_available_is_none(smi):
    # Given a card whose memory and load the driver does not tell
    smi.say("0, GPU-a, [N/A], [N/A], [N/A], NVIDIA GB10\n")
    (gpu,) = SmiGpus(10).look().usable
    # When it is looked at, Then it is there, and nothing was made up
    assert (gpu.total_mib, gpu.free_mib, gpu.utilisation) == (None, None, None)


def test_a_lost_card_costs_a_sentence(smi):
    # Given a lost card beside a good one
    smi.say("0, [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], x\n1, GPU-b, 10, 10, 0, y\n")
    seen = SmiGpus(10).look()
    # When they are looked at, Then the good one is left
    assert [gpu.index for gpu in seen.usable] == [1]
    assert seen.faults == ("GPU 0 cannot be used: [GPU is lost]",)


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure…\n", 9, NoDriver),
        ("No devices were found\n", 6, NoDriver),
        ("Failed to initialize NVML: Driver/library version mismatch\n", 18, DriverSilent),
        ("a, GPU-a, 10, 10, 0, y\n", 0, DriverSilent),
    ],
)
def test_no_driver_and_a_driver_that_fails_are_two_things(smi, words, code, error):
    # Given what the program says when it cannot, When it is asked, Then a host without GPUs is told from a broken one
    smi.say(words, code=code)
    with pytest.raises(error):
        SmiGpus(10).look()


def test_a_program_that_hangs_is_left(tmp_path, smi):
    # Given a program that never ends, When it is asked, Then it is left after the limit
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexec sleep 300\n")
    with pytest.raises(DriverSilent, match=r"did not answer within 0\.2 s"):
        SmiGpus(0.2).look()


def test_without_the_program(tmp_path, monkeypatch):
    # Given a PATH without it, When it is asked, Then there is no driver
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoDriver, match="no nvidia-smi"):
        SmiGpus(10).look()
