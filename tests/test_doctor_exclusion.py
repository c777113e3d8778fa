"""Whether locks exclude, with real processes that hold them."""

import os
import subprocess
import sys

import pytest

from spoolq.doctor import exclusion
from spoolq.doctor.patient import Patient
from spoolq.lock import lock_directory, try_lock
from tests.spooltest.namespaces import with_mounts

HOLD = (
    "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
)


@pytest.fixture
def patient(spool_path):
    return Patient(spool_path, "host-a")


@pytest.fixture
def hold():
    """Another process that holds a lock until the test ends."""
    holders = []

    def begin(path):
        path.touch()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        holders.append(subprocess.Popen([sys.executable, "-c", HOLD, str(path)], **pipes))
        assert holders[-1].stdout.readline() == b"held\n"
        return holders[-1]

    yield begin
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_flock_excludes_and_dies_with_its_holder(patient):
    # Given a file system with flock, When it is tried, Then it excludes, its killed holder lets go, nothing is left
    (found,) = exclusion.check_exclusion(patient)
    assert found.verdict == "ok" and found.numbers["excludes"] and found.numbers["free_after_s"] < 5
    assert os.listdir(patient.layout.tmp) == []


def test_a_lock_that_excludes_nobody_is_a_fault(patient, monkeypatch):
    # Given locks that everybody gets, as with nolock
    monkeypatch.setattr(exclusion, "try_lock", lambda path: os.open(path, os.O_CREAT | os.O_RDWR))
    # When they are tried, Then that is a fault
    (found,) = exclusion.check_exclusion(patient)
    assert found.verdict == "fault" and "two processes held one lock" in found.measured


def test_without_flock_it_is_a_fault(patient):
    # Given a directory in which nothing can be locked, When that is tried, Then the cause is told
    patient.layout.tmp.chmod(0o700)
    missing = patient.layout.tmp / "none" / "lock"
    with pytest.raises(exclusion.SpoolUnusable, match="No such file"):
        exclusion.try_exclusion(missing)


def test_a_killed_holders_lock_that_stays_is_told():
    assert exclusion.judge_exclusion("lock", True, None).verdict == "warning"


def test_the_spools_lock_is_free(patient):
    assert exclusion.check_spool_lock(patient)[0].verdict == "ok"


def test_a_lock_that_a_member_may_not_make_is_the_operators_to_make(patient, monkeypatch):
    # Given a spool in which nothing has moved yet, When a member looks, Then nothing is wrong, and nothing is made
    monkeypatch.setattr(Patient, "member", True)
    assert exclusion.check_spool_lock(patient)[0].verdict == "note"
    assert not patient.layout.lock.exists()


def test_the_spools_lock_is_held(patient, hold):
    # Given a process that keeps the spool's lock, When it is asked for, Then that process is named
    holder = hold(patient.layout.lock)
    (found,) = exclusion.check_spool_lock(patient)
    assert found.verdict == "warning" and f"process {holder.pid}" in found.measured


def test_slots_that_are_held_are_named(patient, hold):
    # Given a slot with a holder, When the slots are looked at, Then it is named, and nothing of it is touched
    hold(lock_directory(None) / "gpu7.lock")
    (found,) = exclusion.check_slot_locks(patient)
    assert found.verdict == "ok" and found.numbers["held"] == ["gpu7"]
    assert os.listdir(lock_directory(None)) == ["gpu7.lock"]


def test_a_lock_directory_that_cannot_be_had_is_a_fault(patient, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", str(tmp_path / "file"))
    (found,) = exclusion.check_slot_locks(patient)
    assert found.verdict == "fault" and str(tmp_path / "file") in found.measured


def test_slot_locks_that_exclude_nobody_are_a_fault(patient, monkeypatch):
    monkeypatch.setattr(exclusion, "try_exclusion", lambda _path: (False, 0.0))
    (found,) = exclusion.check_slot_locks(patient)
    assert found.verdict == "fault" and "share a GPU" in found.breaks


def test_slot_locks_on_a_network_mount_are_told(patient, tmp_path):
    # Given a lock directory that other hosts may share
    patient.mountinfo = tmp_path / "mountinfo"
    patient.mountinfo.write_text(f"1 1 0:1 / {lock_directory(None)} rw - nfs4 server:/ rw,vers=4.2\n")
    (found,) = exclusion.check_slot_locks(patient)
    assert found.verdict == "warning" and "nfs4" in found.measured


def test_two_lock_directories_are_told(spool_path, tmp_path):
    # Given a setting that the environment overrides, When it is looked at, Then both are named
    (spool_path / "spoolq.toml").write_text(f'lock_dir = "{tmp_path}/other"\n')
    found = exclusion.check_slot_locks(Patient(spool_path))
    assert [finding.verdict for finding in found] == ["ok", "note"] and f"{tmp_path}/other" in found[1].measured


def test_a_slots_lock_that_may_not_be_written_is_a_fault(patient, monkeypatch):
    # Given a slot's lock of somebody who keeps it to himself
    (lock_directory(None) / "all.lock").touch()
    access = os.access
    monkeypatch.setattr(exclusion.os, "access", lambda path, mode: path.suffix != ".lock" and access(path, mode))
    (found,) = exclusion.check_slot_locks(patient)
    assert found.verdict == "fault" and "all.lock" in found.measured


def test_a_lock_is_let_go_by_a_holder_of_its_own(tmp_path):
    # Given a lock that we hold ourselves, When it is tried by the check, Then the check says that it is held
    fd = try_lock(tmp_path / "lock")
    with pytest.raises(exclusion.SpoolUnusable, match="held already"):
        exclusion.try_exclusion(tmp_path / "lock")
    os.close(fd)


def test_in_a_namespace_without_procs_locks(tmp_path):
    # Given a host that hides /proc/locks, When slots are looked at, Then nothing breaks
    script = (
        'mount --bind /dev/null /proc/locks; "$0" -m spoolq init --spool "$1" >/dev/null 2>&1\n'
        '"$0" -m spoolq doctor --json --spool "$1"'
    )
    found = {finding["name"]: finding for finding in with_mounts(script, tmp_path / "spool")["findings"]}
    assert found["slot locks"]["verdict"] == "ok" and found["slot locks"]["numbers"]["held"] == []
