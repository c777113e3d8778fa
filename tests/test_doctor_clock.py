"""Clocks that disagree, and stamps that lie in the future."""

import os
import time
from datetime import UTC, datetime

import pytest

from spoolq.doctor import clock
from spoolq.doctor.patient import Patient
from spoolq.names import new_stem
from tests.spooltest.jobs import submitted

DAY = 86400.0


@pytest.fixture
def patient(spool_path):
    return Patient(spool_path, "host-a")


def test_this_host_agrees_with_its_own_disk(patient):
    (found,) = clock.check_skew(patient)
    assert found.verdict == "ok" and abs(found.numbers["skew_s"]) < 1 + found.numbers["uncertainty_s"]


@pytest.mark.parametrize(
    ("ahead", "verdict", "says"),
    [
        (3.0, "note", "ahead of"),
        (-3.0, "note", "behind"),
        (7200.0, "warning", "2h00m ahead of"),
        (-90.0, "warning", "behind"),
    ],
)
def test_a_local_clock_that_is_wrong(spool_path, ahead, verdict, says):
    # Given a host whose clock is so far ahead of the file server's
    patient = Patient(spool_path, "host-a", clock=lambda: time.time() + ahead)
    # When they are compared, Then the difference is measured
    (found,) = clock.check_skew(patient)
    assert found.verdict == verdict and says in found.measured
    assert found.numbers["skew_s"] == pytest.approx(ahead, abs=0.5)


def test_a_slow_answer_is_no_skew():
    # Given an answer that took four seconds, When it is judged, Then two seconds may be the way's
    assert clock.judge_skew(2.5, 2.0).verdict == "ok"


@pytest.mark.parametrize("priority", ["normal", "low", "urgent"])
def test_a_queued_name_from_the_future_is_told(patient, store, priority):
    # Given two jobs, one of them stamped a day ahead
    submitted(store)
    late = new_stem(datetime.fromtimestamp(time.time() + DAY, UTC), priority)
    store.layout.queued(late).write_text('{"command": ["true"]}')
    # When names are looked at, Then it is told
    (found,) = clock.check_stamps(patient)
    assert found.verdict == "warning" and found.numbers["jobs"] == [late.uuid]
    assert found.numbers["furthest_s"] == pytest.approx(DAY, abs=60)


def test_names_of_the_past_are_fine(patient, store):
    for priority in ("low", "urgent", "normal"):
        submitted(store, priority)
    (store.root / "queued" / "zzz.json").write_text("{")
    (found,) = clock.check_stamps(patient)
    assert found.verdict == "ok"


def test_an_mtime_in_the_future_is_told(patient, store):
    # Given a queued file that was touched for tomorrow
    path = store.layout.queued(submitted(store))
    os.utime(path, (time.time() + DAY,) * 2)
    # When files are looked at, Then it is named
    (found,) = clock.check_mtimes(patient)
    assert found.verdict == "warning" and found.numbers["ahead"] == [f"queued/{path.name}"]


def test_mtimes_of_now_are_fine(patient, store):
    submitted(store)
    (found,) = clock.check_mtimes(patient)
    assert (found.verdict, found.numbers["looked_at"]) == ("ok", 1)


def test_a_deep_queue_is_not_looked_at_whole(tmp_path):
    # Given more files than are looked at, in one of two folders
    deep, other = tmp_path / "deep", tmp_path / "other"
    deep.mkdir()
    other.mkdir()
    for number in range(3000):
        (deep / str(number)).touch()
    (other / "late").touch()
    os.utime(other / "late", (time.time() + DAY,) * 2)
    # When they are looked at, Then the other folder has its turn too
    looked, ahead = clock.look_at([deep, other], time.time() + 60)
    assert looked == 2501 and [path.name for path in ahead] == ["late"]
