"""What `doctor` says of GPUs."""

import os

import pytest

from spoolq.doctor.finding import Verdict
from spoolq.doctor.gpus import check_gpus, check_quarantines
from spoolq.doctor.patient import Patient
from spoolq.gpus import Gpu
from spoolq.gpus.quarantine import impose
from spoolq.lock import lock_directory
from tests.spooltest.gpus import Shelf, card


@pytest.fixture
def examined(spool_path, tmp_path, monkeypatch):
    """Let a file tell of GPUs, and examine them."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def examine(*cards, text="", **settings):
        shelf = Shelf(tmp_path / "gpus.json", *cards)
        if text:
            shelf.path.write_text(text)
        (spool_path / "spoolq.toml").write_text(shelf.settings(**settings))
        return check_gpus(Patient(spool_path))

    return examine


def test_gpus_are_listed_with_their_slots(examined):
    # Given two free GPUs, When they are examined, Then both are shown, and the slots that runners would have
    whole, first, second = examined(card(0), card(1, free=40960), mode='"per-gpu"')
    assert (whole.verdict, whole.measured) == (Verdict.OK, "2 GPUs, slots gpu0, gpu1")
    assert (first.name, first.measured) == ("GPU", "0: Pretend, GPU-00000000, 79.1 GiB of 80 GiB free")
    assert (second.measured[:2], second.verdict) == ("1:", Verdict.OK)


def test_who_is_on_a_gpu_is_named(examined):
    # Given a GPU with this process on it, When it is examined, Then that is a note
    _, first = examined(card(0, free=10, processes=[{"pid": os.getpid(), "used": 100}]))
    assert first.verdict is Verdict.NOTE and f"process {os.getpid()} (" in first.measured


def test_no_gpu_is_no_fault(examined):
    # Given none, When it is examined, Then all is well
    (found,) = examined()
    assert (found.verdict, found.measured) == (Verdict.OK, "none: provider file")


def test_a_provider_without_an_answer_is_a_fault(examined):
    # Given a broken telemetry, When it is examined, Then that is a fault, with what it breaks and what to do
    (found,) = examined(text="{")
    assert found.verdict is Verdict.FAULT and "gpus.json" in found.measured and "none" in found.next_step


def test_a_lost_device_is_a_warning(examined):
    # Given a device that cannot be looked at beside a good one, When they are examined, Then no job gets the first
    found = examined(text='{"gpus": [{"index": 1}], "faults": ["GPU 0 cannot be used: lost"]}')
    assert [f.verdict for f in found] == [Verdict.OK, Verdict.OK, Verdict.WARNING]
    assert found[1].measured == "1: memory not told"


def test_a_quarantine_is_a_warning_that_says_how_to_lift_it(spool_path):
    # Given a GPU in quarantine, When it is examined, Then its file is named
    patient = Patient(spool_path)
    assert check_quarantines(patient) == []
    made = impose(lock_directory(None), Gpu(0, "GPU-a", total_mib=1, free_mib=0), "it did not come back", 0)
    (found,) = check_quarantines(patient)
    assert found.verdict is Verdict.WARNING and f"rm {made.path}" in found.next_step
    assert "it did not come back" in found.measured
