"""Races for names: real processes, and file systems that let two win."""

import errno
import os
import shutil
import time

import pytest

from spoolq.doctor import race
from spoolq.doctor.contend import ContenderDied, contend
from spoolq.doctor.patient import Patient
from spoolq.files import Disk

WAYS = [race.by_rename, race.by_creation, race.by_link, race.by_new_name]


@pytest.fixture
def patient(spool_path):
    return Patient(spool_path, "host-a")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_name_has_one_winner(tmp_path, way):
    # Given four processes that go for the same 64 names, in step
    # When they race on a file system that keeps its promises
    outcome = race.race(tmp_path / "race", way)
    # Then each name has one winner, and more than one process has won something: it was a race
    assert outcome.fair and outcome.won == {1: 64} and outcome.found == 64 and not outcome.unreported
    assert sum(outcome.shares) == 64 and len(outcome.shares) > 1


def test_a_slow_disk_ends_the_race_early(tmp_path, monkeypatch):
    # Given a disk on which each try takes long, and little time
    monkeypatch.setattr(race, "LIMIT_S", 0.2)

    def slowly(disk, folder, number, who):
        time.sleep(0.03)
        return race.by_rename(disk, folder, number, who)

    # When they race, Then all stop at the same name, and each name until there has one winner
    outcome = race.race(tmp_path / "race", slowly)
    assert 1 <= outcome.names < 64 and outcome.fair and sum(outcome.shares) == outcome.names


def _copying(disk, folder, number, who):
    """A rename that is a copy and an unlink, as of a file system that lies."""
    try:
        shutil.copyfile(folder / "ready" / str(number), folder / "won" / f"{number}@{who}")
        os.sched_yield()
        (folder / "ready" / str(number)).unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    return True


def _overwriting(disk, folder, number, who):
    """O_EXCL that nobody heeds."""
    (folder / "won" / str(number)).write_text(who)
    return True


@pytest.mark.parametrize("way", [_copying, _overwriting])
def test_two_winners_are_noticed(tmp_path, way):
    # Given a way that lets several win, When they race, Then that is a fault
    outcome = race.race(tmp_path / "race", way)
    assert not outcome.fair
    found = race.verdict_of("rename race", outcome, "Two run one job.")
    assert found.verdict == "fault" and found.numbers["won_more_than_once"] > 0


def test_a_name_that_nobody_has_is_noticed():
    # Given a listing that lacks a name, and a win that it does not show, When it is judged, Then it is unfair
    assert not race.judge(3, {(0, 0), (1, 0)}, ["0@0", "1@0"], 0.1).fair
    assert not race.judge(2, {(0, 0), (1, 1)}, ["0@0", "1@0"], 0.1).fair
    assert race.judge(2, {(0, 0), (1, 1)}, ["0@0", "1@1"], 0.1).fair


def test_a_lost_reply_is_told_and_no_fault():
    # Given a winner that was told ENOENT, When it is judged by the listing, Then the race was fair, and that is told
    outcome = race.judge(2, {(0, 0)}, ["0@0", "1@1"], 0.1)
    found = race.verdict_of("rename race", outcome, "")
    assert outcome.fair and found.verdict == "note" and found.numbers["lost_replies"] == 1


def test_the_checks_leave_nothing(patient):
    # Given a whole spool, When all races are run in it, Then they are won, and nothing is left
    for check in (race.check_rename, race.check_new_name, race.check_creation, race.check_link, race.check_sync):
        assert [finding.verdict for finding in check(patient)] == ["ok"], check.__name__
    assert os.listdir(patient.layout.tmp) == []


def test_without_noreplace_that_is_told(patient, monkeypatch):
    # Given a file system that refuses the flag, as NFS does
    monkeypatch.setattr("spoolq.doctor.race.can_rename_new", lambda _source, _target: False)
    # When it is tried, Then it is a note
    (found,) = race.check_new_name(patient)
    assert (found.verdict, found.numbers["supported"]) == ("note", False)


def test_without_links_that_is_told(patient, monkeypatch):
    # Given a file system without hard links, When they are tried, Then it is a note: nothing rests on them
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Disk, "link_new", refuse)
    (found,) = race.check_link(patient)
    assert found.verdict == "note" and "Operation not permitted" in found.measured


@pytest.mark.parametrize(
    ("refused", "file_s", "durability", "verdict"),
    [("", 0.01, "full", "ok"), ("Invalid argument", 0.01, "full", "note"), ("", 0.01, "process", "note"),
     ("", 2.0, "full", "note")],
)  # fmt: skip
def test_fsync(refused, file_s, durability, verdict):
    assert race.judge_sync(refused, file_s, 0.01, durability).verdict == verdict


class TestContend:
    def test_answers_come_in_order(self):
        # Given three processes, When each answers, Then their answers stand in their order, from other processes
        answers = contend(3, lambda who: [who, os.getpid()])
        assert [who for who, _ in answers] == [0, 1, 2]
        assert len({pid for _, pid in answers} | {os.getpid()}) == 4

    def test_one_that_fails_is_told(self):
        with pytest.raises(ContenderDied, match="ZeroDivisionError"):
            contend(2, lambda who: 1 // who)

    def test_one_that_is_killed_is_told(self):
        with pytest.raises(ContenderDied, match="killed"):
            contend(2, lambda who: os.kill(os.getpid(), 9))
