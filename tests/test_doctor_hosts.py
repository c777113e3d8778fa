"""Two processes that pretend to be two hosts, each with a name of its own, on one spool."""

import json
import os
import subprocess
import sys

import pytest

from spoolq.doctor import hosts, meeting
from spoolq.layout import PROBE
from tests.spooltest.jobs import submitted

#: The part between hosts of a doctor under another host's name; what it found, as JSON.
DOCTOR = """
import json, sys, time
from pathlib import Path
from spoolq.doctor import hosts, meeting, patient
root, name, number, timeout, more = sys.argv[1:]
clock = time.time
exec(more)
seen = hosts.meet(patient.Patient(Path(root), name, clock=clock), int(number), float(timeout))
print(json.dumps([finding.document() for finding in seen]))
"""


@pytest.fixture
def doctor(spool_path):
    """Start a doctor as a host of that name; *more* is done to the code before."""
    started = []

    def begin(name, number=2, timeout=30, more=""):
        words = [sys.executable, "-c", DOCTOR, str(spool_path), name, str(number), str(timeout), more]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def found(process, timeout=60):
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return {finding["name"]: finding for finding in json.loads(out)}


def left(store):
    return [name for name in os.listdir(store.layout.tmp) if name.startswith(PROBE)]


def test_two_hosts_prove_it_to_one_another(doctor, store):
    # Given a job that waits, and a beacon that a doctor left when it was killed
    stem = submitted(store)
    stale = store.layout.tmp / str(meeting.Beacon("host-c", "feedbeef", "00000000", 7))
    stale.touch()
    # When the same command is started on two hosts
    both = [found(process) for process in (doctor("host-a"), doctor("host-b"))]
    # Then both tell the same, and all is well
    for seen in both:
        assert {name: finding["verdict"] for name, finding in seen.items()} == {
            "hosts": "ok",
            "rename race, hosts": "ok",
            "create race, hosts": "ok",
            "lock, hosts": "ok",
            "renames seen": "ok",
            "clocks, hosts": "ok",
        }
        assert seen["hosts"]["numbers"]["hosts"] == ["host-a", "host-b"]
        assert seen["rename race, hosts"]["numbers"]["won_once"] == hosts.FILES
        assert seen["lock, hosts"]["numbers"]["excludes"] is True
        assert 0 < seen["renames seen"]["numbers"]["median_s"] < 5
    # And the job waits still, and nothing is left but what was there
    assert store.layout.queued(stem).exists() and left(store) == [stale.name]


def test_three_hosts(doctor, store):
    all_three = [found(process) for process in [doctor(f"host-{name}", 3) for name in "abc"]]
    for seen in all_three:
        assert {finding["verdict"] for finding in seen.values()} == {"ok"}
        assert seen["hosts"]["numbers"]["hosts"] == ["host-a", "host-b", "host-c"]
    assert left(store) == []


def test_nobody_comes(doctor, store):
    # Given one host, When it waits for another, Then it says so in time, and takes its beacon away
    seen = found(doctor("host-a", timeout=0.3))
    assert seen["hosts"]["verdict"] == "fault" and "nobody else came within 0.3 s" in seen["hosts"]["measured"]
    assert left(store) == []


def test_the_same_host_twice_is_no_second_host(doctor, store):
    # Given the command started twice on one host
    first, second = doctor("host-a", timeout=1.5), doctor("host-a", timeout=1.5)
    # When each waits for another host, Then neither takes the other for one
    assert "nobody else came" in found(first)["hosts"]["measured"]
    assert "nobody else came" in found(second)["hosts"]["measured"]


def test_two_hosts_of_one_name_are_a_fault(doctor):
    # Given two hosts with one name, as their boot ids tell
    first = doctor("gpu")
    second = doctor("gpu", more="hosts.boot_id = meeting.boot_id = lambda: 'another boot id'")
    # When they meet, Then that is a fault on both, and the rest is proved all the same
    for seen in (found(first), found(second)):
        assert seen["hosts"]["verdict"] == "fault" and "both called 'gpu'" in seen["hosts"]["measured"]
        assert seen["rename race, hosts"]["verdict"] == "ok"


def test_a_slow_server_ends_the_race_early(doctor):
    # Given hosts on which little time is left for a race
    first, second = (doctor(name, more="hosts.LIMIT_S = -1.0") for name in ("host-a", "host-b"))
    both = [found(first), found(second)]
    # When they race, Then both stop after the first heat, and judge what there was
    for seen in both:
        race = seen["rename race, hosts"]
        assert race["verdict"] == "ok" and race["numbers"]["names"] == hosts.FILES // 20
        assert seen["create race, hosts"]["verdict"] == "ok"


@pytest.mark.parametrize("way", ["copy", "untrue"])
def test_a_rename_that_two_hosts_win_is_a_fault(doctor, way):
    # Given a file system on which a rename leaves the source, or reports what it did not do
    wins = {"copy": "(folder / 'won' / f'{number}@{who}').touch()", "untrue": "pass"}[way]
    more = f"def lies(disk, folder, number, who):\n    {wins}\n    return True\n"
    more += "lies.__name__ = 'by_rename'\nhosts.by_rename = lies"
    for process in (doctor("host-a", more=more), doctor("host-b", more=more)):
        seen = found(process)["rename race, hosts"]
        # Then both hosts tell it
        assert seen["verdict"] == "fault", seen
        assert seen["numbers"]["won_more_than_once" if way == "copy" else "untrue"] > 0


def test_a_lock_that_both_hosts_hold_is_a_fault(doctor):
    # Given locks that are each host's own, as with nolock: the other's file is another one
    more = "import os\nhosts.try_lock = lambda path: os.open(path, os.O_CREAT | os.O_RDWR)"
    for process in (doctor("host-a", more=more), doctor("host-b", more=more)):
        seen = found(process)["lock, hosts"]
        assert seen["verdict"] == "fault" and "two hosts held one lock at once" in seen["measured"]


def test_no_locks_at_all_are_a_fault(doctor):
    more = "from spoolq.errors import SpoolUnusable\ndef refuse(path): raise SpoolUnusable('cannot lock: no flock')\n"
    more += "hosts.try_lock = refuse"
    said = [found(process)["lock, hosts"] for process in (doctor("host-a", more=more), doctor("host-b", more=more))]
    assert [seen["verdict"] for seen in said] == ["fault", "fault"]
    assert "no flock" in said[0]["measured"] + said[1]["measured"]


def test_a_clock_that_is_wrong_is_told(doctor):
    # Given a host whose clock is ninety seconds ahead
    first = doctor("host-a")
    second = doctor("host-b", more="clock = lambda: time.time() + 90")
    # When they meet, Then both know
    for process in (first, second):
        seen = found(process)["clocks, hosts"]
        assert seen["verdict"] == "warning" and seen["numbers"]["apart_s"] == pytest.approx(90, abs=2)


def test_a_host_that_dies_in_the_middle(doctor, store):
    # Given a host that is killed when it hears of the race
    first = doctor("host-a", more="meeting.ANSWER_S = 1.0")
    second = doctor("host-b", more="import os\nhosts._heats = lambda *_: os._exit(9)")
    # When the other waits for it, Then it gives up, and says at which step
    seen = found(first)
    second.wait(30)
    assert seen["hosts"]["verdict"] in ("ok", "fault")
    assert "by_rename" in json.dumps(seen) and "the meeting broke off" in json.dumps(seen)


@pytest.mark.parametrize(("longest", "verdict"), [(0.1, "ok"), (1.0, "ok"), (1.1, "warning")])
def test_a_rename_that_is_seen_late(longest, verdict):
    assert hosts.judge_delay(0.01, longest).verdict == verdict


@pytest.mark.parametrize(
    ("skews", "verdict"), [([0.0, 0.9], "ok"), ([-1.0, 1.0], "note"), ([0.0, 0.0, 61.0], "warning")]
)
def test_clocks_apart(skews, verdict):
    assert hosts.judge_clocks({f"host-{n}": skew for n, skew in enumerate(skews)}).verdict == verdict
