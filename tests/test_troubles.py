"""What `status` says of a spool that is in trouble: what, where, what to do next."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from spoolq.status import status
from spoolq.troubles import Trouble
from tests.spooltest.jobs import submitted
from tests.spooltest.users import NOBODY, needs_root
from tests.spooltest.waiting import wait_for

EARLY = "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427.json"


def said(store) -> list[str]:
    return [str(Trouble(**trouble)) for trouble in status(store)["troubles"]]


def test_a_spool_in_good_order_has_none(store):
    # Given a job, a drop that has just come, and what copying programs hide
    submitted(store)
    store.layout.drop("job.json").write_text("{")
    store.layout.drop(".job.json.Xy12").write_text("{")
    # When one looks, Then nothing is wrong, and looking has written nothing
    before = sorted(os.listdir(store.root)), os.listdir(store.layout.tmp), os.listdir(store.layout.runs)
    assert said(store) == []
    assert before == (sorted(os.listdir(store.root)), os.listdir(store.layout.tmp), os.listdir(store.layout.runs))


@pytest.mark.parametrize("name", ["queued", "running", "failed", "runs", "control", ".tmp"])
def test_a_directory_that_its_owner_may_not_write(store, name):
    # Given a directory without the right to write
    (store.root / name).chmod(0o555)
    # When one looks, Then it is named, with the command that mends it
    (line,) = said(store)
    assert line.startswith(f"a directory may not be written by its owner: {store.root / name}. ")
    assert line.endswith(f"`chmod u+w {store.root / name}`.")


@needs_root
def test_a_directory_of_another_user(store):
    # Given a directory that another user has made anew
    os.chown(store.root / "running", NOBODY, -1)
    # When one looks, Then whose it should be is said
    (line,) = said(store)
    assert "belongs to user 65534" in line and f"`chown {os.getuid()} {store.root / 'running'}`" in line


def test_a_clock_that_was_set_back(store):
    # Given a job of now, and a clock that is an hour behind
    submitted(store)
    store.clock = lambda: time.time() - 3600
    # When one looks, Then the disk knows better, and so does the job's stamp
    clock, stamp = said(store)
    assert "the clock of this host is 1h00m behind the disk's" in clock or "59m" in clock
    assert stamp.startswith("1 job is stamped in the future")


def test_a_lock_that_somebody_else_holds(store, tmp_path):
    # Given a stranger's process that holds the lock
    script = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX)\n"
    script += "open(sys.argv[2], 'w').close(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script, str(store.root / ".lock"), str(tmp_path / "held")]) as process:
        wait_for((tmp_path / "held").exists)
        # When one looks, Then it is named by its pid
        try:
            (line,) = said(store)
            assert f"process {process.pid} (" in line and str(store.root / ".lock") in line
        finally:
            process.kill()


def test_a_drop_that_nobody_admits(store):
    # Given a drop, and nobody who admits it
    store.layout.drop("job.json").write_text("{")
    store.clock = lambda: time.time() + 7200
    # When one looks two hours later, Then it is named
    (line,) = said(store)
    assert line.startswith("a drop has not been admitted for 2h00m: ") and "queued/job.json" in line


def test_names_that_are_no_jobs(store):
    # Given four files that will never be jobs
    for name in ("a.txt", "b.JSON", "c.json.part", "\x1b[2J"):
        store.layout.drop(name).write_text("{}")
    # When one looks, Then they are counted, and some are named
    assert said(store) == ["4 files in queued/ are no jobs: \x1b[2J, a.txt, b.JSON, …. A job's name ends in .json."]


@needs_root
@pytest.mark.parametrize("name", ["folder.json", EARLY])
def test_a_folder_that_only_its_owner_can_move(store, name):
    # Given a spool of a user who is not root, and a folder of another user in its queue
    for path in (store.root, *store.layout.directories()):
        os.chown(path, NOBODY, -1)
    store.layout.drop(name).mkdir()
    os.chown(store.layout.drop(name), NOBODY - 1, -1)
    # When one looks, Then it is named
    (line,) = said(store)
    assert line.startswith("an entry of the queue is a folder of user 65533, which only they can move: ")


@needs_root
@pytest.mark.skipif(shutil.which("chattr") is None, reason="needs chattr")
def test_a_file_that_is_immutable(store):
    # Given an immutable job
    path = store.layout.queued(submitted(store))
    if subprocess.run(["chattr", "+i", path], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this file system has no immutable files")
    # When one looks, Then it is named
    try:
        (line,) = said(store)
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    assert line == f"an entry of the queue is immutable (`chattr -i`): {path}. Take it away; it is left alone."


def test_a_directory_that_is_gone_while_somebody_looks(store):
    # Given a spool whose directory of pools is gone since it was opened
    (store.root / "pools").rmdir()
    # When one looks, Then it says how it is made again
    (line,) = said(store)
    assert line.startswith(f"a directory is gone (No such file or directory): {store.root / 'pools'}. ")
    assert f"`spoolq init --spool {store.root}`" in line


def test_a_job_that_cannot_be_read_says_so_where_it_waits(store):
    # Given a folder under a job's name
    store.layout.drop(EARLY).mkdir()
    # When one looks, Then that is why it waits
    assert status(store)["waiting"][0]["reason"] == "cannot read the job's file: it is no regular file"
