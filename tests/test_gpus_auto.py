"""The provider `auto`: nvml, then nvidia-smi, then none; and nothing that costs where there is no driver."""

import os
import subprocess

import pytest

from spoolq.gpus import DriverSilent
from spoolq.gpus.auto import AutoGpus
from spoolq.gpus.nvml import library_is_there
from tests.spooltest.gpus import Smi, built_library

CARD = "0, GPU-smi, 81920, 80920, 3, NVIDIA H100\n"


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A host without a driver."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    if library_is_there():
        pytest.skip("this host has NVIDIA's own library")
    return monkeypatch


@pytest.fixture
def smi(tmp_path, bare):
    made = Smi(tmp_path)
    bare.setenv("PRETEND_SMI", str(tmp_path))
    bare.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return made


def with_library(tmp_path, bare, text):
    pytest.importorskip("pynvml")
    folder = tmp_path / "library"
    folder.mkdir()
    (tmp_path / "gpus.txt").write_text(text)
    path = os.environ["PATH"]
    bare.setenv("PATH", os.defpath)
    bare.setenv("LD_LIBRARY_PATH", str(built_library(folder)))
    bare.setenv("PATH", path)
    bare.setenv("PRETEND_GPUS", str(tmp_path / "gpus.txt"))


def test_a_host_without_a_driver_starts_no_process(bare, monkeypatch):
    # Given a host without library and program, where no process can be started
    def never(*_args, **_more):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", never)
    # When it is looked at, Then there is nothing
    assert AutoGpus(10).look().gpus == ()


def test_nvml_comes_before_nvidia_smi(tmp_path, smi, bare):
    # Given both, When they are asked, Then the library's word is taken
    smi.say(CARD)
    with_library(tmp_path, bare, "gpu uuid=GPU-nvml total=10 used=0\n")
    assert [gpu.uuid for gpu in AutoGpus(10).look().usable] == ["GPU-nvml"]


@pytest.mark.parametrize("text", ["init error=9\n", "init error=999\n"])
def test_nvidia_smi_answers_where_the_library_does_not(tmp_path, smi, bare, text):
    # Given a library that fails beside a program that works, When both are asked, Then the program's word is taken
    smi.say(CARD)
    with_library(tmp_path, bare, text)
    auto = AutoGpus(10)
    assert [gpu.uuid for gpu in auto.look().usable] == ["GPU-smi"]
    # And when the program, too, has no answer later on, Then that is no host without GPUs
    smi.say("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", code=9)
    with pytest.raises(DriverSilent):
        auto.look()


def test_a_driver_that_fails_is_not_taken_for_none(tmp_path, bare):
    # Given a library whose driver refuses, and no program, When it is asked, Then jobs are not left to the CPU
    with_library(tmp_path, bare, "init error=999\n")
    with pytest.raises(DriverSilent):
        AutoGpus(10).look()
