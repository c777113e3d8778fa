"""The watch hears what arrives and nothing that leaves, and says when it has died."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyConstants

from spoolq.watch import MASK, Watch
from tests.spooltest.waiting import wait_for


@pytest.fixture
def watched(tmp_path):
    """A watch on one directory, and the paths that it was told of."""
    directory = tmp_path / "queued"
    directory.mkdir()
    arrived = []
    watch = Watch([directory], arrived.append)
    assert watch.start() is None
    yield watch, directory, arrived
    watch.stop()


def _woken(arrived):
    if not arrived:
        return False
    arrived.clear()
    return True


def test_the_mask_asks_for_arrivals_and_never_for_departures():
    # An unmatched MOVED_FROM would hold every later event back by half a second.
    assert MASK & InotifyConstants.IN_MOVED_TO and MASK & InotifyConstants.IN_CLOSE_WRITE
    assert not MASK & InotifyConstants.IN_MOVED_FROM
    assert not MASK & InotifyConstants.IN_DELETE


def test_the_kernel_was_really_asked_for_that_mask(watched):
    # Given a running watch
    watch, directory, _ = watched
    inode = f"{directory.stat().st_ino:x}"
    # When the kernel's own list of watches is read (proc(5), fdinfo of an inotify descriptor)
    masks = []
    for fd in os.listdir("/proc/self/fdinfo"):
        with contextlib.suppress(FileNotFoundError), Path(f"/proc/self/fdinfo/{fd}").open() as rows:
            masks += [int(row.split("mask:")[1].split()[0], 16) for row in rows if f"ino:{inode} " in row]
    # Then there is one, without MOVED_FROM and MOVED_TO in it
    assert masks
    assert all(mask & InotifyConstants.IN_MOVED_TO and not mask & InotifyConstants.IN_MOVED_FROM for mask in masks)
    assert watch.healthy()


@pytest.mark.parametrize("how", ["write", "rename in", "rename inside", "link"])
def test_every_way_of_arriving_wakes(watched, tmp_path, how):
    # Given a file outside (or inside)
    _, directory, reader = watched
    source = (directory if how == "rename inside" else tmp_path) / "source"
    if how != "write":
        source.write_text("{}")
    wait_for(lambda: _woken(reader) or how != "rename inside")
    # When it arrives
    if how == "write":
        (directory / "job.json").write_text("{}")
    elif how == "link":
        os.link(source, directory / "job.json")
    else:
        source.rename(directory / "job.json")
    # Then it is told
    wait_for(lambda: _woken(reader))


def test_a_replaced_directory_is_noticed_and_watched_again(watched):
    # Given a watch whose directory is deleted and made anew
    watch, directory, reader = watched
    shutil.rmtree(directory)
    directory.mkdir()
    # Then it is not healthy, which watchdog itself would not say
    wait_for(lambda: not watch.healthy())
    # When it is started again, arrivals wake again
    assert watch.start() is None and watch.healthy()
    (directory / "job.json").write_text("{}")
    wait_for(lambda: _woken(reader))


def test_a_directory_that_is_gone_is_a_fault_in_words(watched):
    watch, directory, _ = watched
    shutil.rmtree(directory)
    assert watch.start() == "No such file or directory"
    assert not watch.healthy()


def test_the_path_that_arrived_is_told_once_and_the_directorys_own_change_is_not(watched, tmp_path):
    # Given a file that is renamed in
    _, directory, arrived = watched
    (tmp_path / "source").write_text("{}")
    (tmp_path / "source").rename(directory / "job.json")
    # When another follows it, so that all about the first has been told
    (tmp_path / "last").write_text("{}")
    (tmp_path / "last").rename(directory / "last.json")
    wait_for(lambda: str(directory / "last.json") in arrived)
    # Then each was told once
    assert arrived == [str(directory / "job.json"), str(directory / "last.json")]
