"""How doctors find one another in .tmp/, by names that count up."""

import os
import threading

import pytest

from spoolq.doctor import meeting
from spoolq.doctor.patient import Patient
from spoolq.files import Disk
from spoolq.layout import PROBE


@pytest.fixture
def patient(spool_path):
    return Patient(spool_path, "host-x")


@pytest.fixture
def others(patient):
    """Doctors of other hosts, whose beacons are counted up until the test ends: call with (host, nonce) of each."""
    ended, threads = threading.Event(), []

    def count(host, nonce):
        disk, beacon = Disk(durable=False), meeting.Beacon(host, "b", nonce)
        (patient.layout.tmp / str(beacon)).touch()
        while not ended.wait(0.01):
            moved = meeting.Beacon(host, "b", nonce, beacon.number + 1)
            disk.rename(patient.layout.tmp / str(beacon), patient.layout.tmp / str(moved))
            beacon = moved

    def begin(*those):
        threads.extend(threading.Thread(target=count, args=one) for one in those)
        for thread in threads:
            thread.start()

    yield begin
    ended.set()
    for thread in threads:
        thread.join()


def test_a_beacons_name_and_back():
    beacon = meeting.Beacon("gpu-07.example.org", "1b4e28ba", "9f3c21ab", 12)
    assert meeting.parse_beacon(str(beacon)) == beacon


@pytest.mark.parametrize("name", ["", PROBE, f"{PROBE}@a@b@c", f"{PROBE}@a@b@c@x", "x@a@b@c@1", f"{PROBE}+a+b"])
def test_other_names_are_no_beacons(name):
    assert meeting.parse_beacon(name) is None


def test_a_beacon_that_stands_still_is_nobody(patient):
    # Given the beacon of a doctor that was killed, When somebody calls, Then he meets nobody
    (patient.layout.tmp / str(meeting.Beacon("host-b", "00000000", "00000000", 5))).touch()
    with pytest.raises(meeting.NobodyCame, match="nobody else"), meeting.gathered(patient, 2, 0.2):
        pass


def test_who_leads_opens_a_whole_folder(patient, others):
    # Given another doctor, whose nonce sorts after every one of ours
    others(("host-b", "~"))
    # When we call, Then we lead: the folder has what the race needs, and both nonces in its name
    with meeting.gathered(patient, 2, 20) as met:
        assert met.leads and met.members == [met.mine, "~"]
        assert len(os.listdir(met.folder / "ready")) == meeting.FILES
        folder = met.folder
    # And it is gone afterwards, with our beacon
    assert not folder.exists()
    assert [name for name in os.listdir(patient.layout.tmp) if "host-x" in name] == []


def test_who_is_called_waits_for_the_folder(patient, others):
    # Given two others who have smaller nonces, so that a meeting of two is theirs
    others(("host-b", "!"), ("host-c", "#"))
    # When we call, Then we are not of it, and say who was there
    with pytest.raises(meeting.NobodyCame, match="only host-b, host-c"), meeting.gathered(patient, 2, 1.0):
        pass


def test_one_who_does_not_answer_is_named(patient, others, monkeypatch):
    # Given a doctor that says nothing, When it is heard for a word, Then that is told with the word
    monkeypatch.setattr(meeting, "ANSWER_S", 0.1)
    others(("host-b", "~"))
    with meeting.gathered(patient, 2, 20) as met, pytest.raises(meeting.PeerGone, match=r"no answer from ~ .*'hello'"):
        met.ask("hello")


def test_members_of_a_shared_spool_may_write_in_it(patient, others):
    # Given a spool whose .tmp/ is a group's
    patient.layout.tmp.chmod(0o3770)
    others(("host-b", "~"))
    with meeting.gathered(patient, 2, 20) as met:
        assert {path.stat().st_mode & 0o7777 for path in (met.folder, met.folder / "won")} == {0o2770}
