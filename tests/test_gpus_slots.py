"""Slots made from GPUs."""

import pytest

from spoolq.errors import SettingsInvalid
from spoolq.gpus import Gpu, provider
from spoolq.gpus.slots import slots
from spoolq.names import is_slot
from spoolq.sections import GpusSection
from tests.spooltest.gpus import Told

A, B = Gpu(0, "GPU-a"), Gpu(1, "GPU-b")
CUT = Gpu(2, "GPU-c", instances=("MIG-1", "MIG-2"))
M1, M2 = Gpu(None, "MIG-1", parent="GPU-c"), Gpu(None, "MIG-2", parent="GPU-c")


@pytest.fixture(autouse=True)
def _nothing_inherited(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize("mode", ["single", "per-gpu"])
def test_without_a_gpu_there_is_the_one_slot_that_inherits(mode):
    # Given no GPU, When slots are made, Then all is as it is without this
    assert slots(GpusSection(mode=mode), Told()) == ({"all": None}, ())


def test_one_slot_or_one_each():
    # Given two GPUs, When slots are made, Then there is one with both, or one each
    assert slots(GpusSection(), Told(A, B))[0] == {"all": "0,1"}
    assert slots(GpusSection(mode="per-gpu"), Told(A, B))[0] == {"gpu0": "0", "gpu1": "1"}


def test_instances_are_slots_of_their_own():
    # Given a card that is cut in two, When slots are made, Then each instance has one, by UUID
    made, _ = slots(GpusSection(mode="per-gpu"), Told(A, CUT, M1, M2))
    assert made == {"gpu0": "0", "gpu2-mig0": "MIG-1", "gpu2-mig1": "MIG-2"}


def test_what_is_ours_is_in_the_settings_or_inherited(monkeypatch):
    # Given two GPUs, When one is named, Then the other is left alone
    assert slots(GpusSection(devices=["GPU-b"]), Told(A, B))[0] == {"all": "1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert slots(GpusSection(), Told(A, B))[0] == {"all": "1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert slots(GpusSection(mode="per-gpu"), Told(A, B))[0] == {"all": None}


def test_a_lost_device_is_said():
    # Given a device that cannot be looked at, When slots are made, Then the others have theirs
    told = Told()
    told.say(B, faults=("GPU 0 cannot be used: GPU is lost",))
    assert slots(GpusSection(), told) == ({"all": "1"}, ("GPU 0 cannot be used: GPU is lost",))


def test_gpus_that_are_stated():
    # Given GPUs by the operator's word, When slots are made, Then they have those, and names that a slot may have
    section = GpusSection(provider="static", devices=["0", "GPU-x"], mode="per-gpu")
    made, _ = slots(section, provider(section))
    assert made == {"gpu0": "0", "gpu-x": "GPU-x"} and all(map(is_slot, made))


@pytest.mark.parametrize(("name", "lacks"), [("file", "`file`"), ("static", "`devices`")])
def test_a_provider_has_what_it_needs(name, lacks):
    # Given a provider without what it reads, When it is made, Then the setting that lacks is named
    with pytest.raises(SettingsInvalid, match=lacks):
        provider(GpusSection(provider=name))
