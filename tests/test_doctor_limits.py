"""What runs out."""

import os
import resource

import pytest

from spoolq.doctor import limits
from spoolq.doctor.patient import Patient
from tests.spooltest.namespaces import examined


@pytest.fixture
def patient(spool_path):
    return Patient(spool_path, "host-a")


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "ubuntu"])
def test_a_name_that_many_hosts_have(spool_path, name):
    assert limits.check_host(Patient(spool_path, name))[0].verdict == "warning"


def test_a_name_of_its_own(patient):
    assert limits.check_host(patient)[0].verdict == "ok"


def test_a_name_that_is_cut(patient, monkeypatch):
    monkeypatch.setattr(limits.os, "uname", lambda: os.uname_result(("Linux", "h" * 70, "6", "1", "x86_64")))
    assert limits.check_host(patient)[0].verdict == "note"


def test_a_watch_can_be_had(patient):
    # Given a host with inotify, When a watch is tried, Then it is had, and the limits are told
    (found,) = limits.check_inotify(patient)
    assert found.verdict == "ok" and found.numbers["max_user_watches"] > 0


def test_no_instances_left(tmp_path):
    # Given a user who may have no inotify instance, in a namespace of the test's own
    found = examined("echo 0 > /proc/sys/user/max_inotify_instances", tmp_path / "spool")["inotify"]
    # When a watch is tried, Then that is told
    assert found["verdict"] == "warning" and "Too many open files" in found["measured"]


def test_a_directory_that_is_gone_cannot_be_watched(tmp_path):
    assert limits.try_watch(tmp_path / "none") == "No such file or directory"


def test_limits_that_are_not_told(spool_path, tmp_path):
    assert limits.check_inotify(Patient(spool_path, proc=tmp_path))[0].numbers["max_user_instances"] is None


def test_few_descriptors(patient):
    # Given a process with a low limit, When it is looked at, Then it is told
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        (found,) = limits.check_descriptors(patient)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.verdict == "warning" and found.numbers["soft"] == 200


@pytest.mark.parametrize(("soft", "verdict"), [(255, "warning"), (256, "ok"), (1024, "ok"), (-1, "ok")])
def test_descriptors(soft, verdict):
    assert limits.judge_descriptors(soft, 4096).verdict == verdict


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(0, "fault"), ((32 << 20) - 1, "fault"), (32 << 20, "warning"), ((1 << 30) - 1, "warning"), (1 << 30, "ok")],
)
def test_room(free, verdict):
    found = limits.judge_bytes(free, 1 << 40)
    assert (found.verdict, found.numbers["free_bytes"]) == (verdict, free)


@pytest.mark.parametrize(
    ("free", "verdict"), [(99, "fault"), (100, "warning"), (9999, "warning"), (10_000, "ok"), (None, "ok")]
)
def test_inodes(free, verdict):
    assert limits.judge_inodes(free, 1 << 20).verdict == verdict


def test_the_disk_of_this_machine(patient):
    names = {finding.name: finding.numbers for finding in limits.check_room(patient)}
    seen = os.statvfs(patient.root)
    assert names["room"]["bytes"] == seen.f_blocks * seen.f_frsize
