"""File system calls in the form that the protocol needs."""

import errno
import os
import resource
import stat
from pathlib import Path

import pytest

from spoolq import files
from spoolq.files import Disk, names_in, read_regular
from tests.spooltest.faults import Steps
from tests.spooltest.users import in_child, without_rights


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def no_renameat2(monkeypatch):
    """A file system that has no RENAME_NOREPLACE, as NFS."""
    monkeypatch.setattr(files, "_rename_noreplace", lambda _source, _target: False)


def test_a_new_file_is_whole_and_on_disk_when_the_call_returns(tmp_path):
    # Given a disk that tells its steps
    steps = Steps()
    status = Disk(step=steps).write_new(tmp_path / "a", b"data", 0o600)
    # When a file is written, Then it was fsynced, and what comes back is its status
    assert steps.names == ["create", "write", "fsync"]
    assert (tmp_path / "a").read_bytes() == b"data"
    assert (status.st_size, stat.S_IMODE(status.st_mode)) == (4, 0o600)


def test_without_durability_nothing_is_fsynced(tmp_path):
    # Given a disk that need not survive a power cut
    steps = Steps()
    disk = Disk(durable=False, step=steps)
    # When it does everything that would be fsynced, Then there is no fsync
    disk.write_new(tmp_path / "a", b"data")
    disk.sync_directory(tmp_path)
    disk.append_line(tmp_path / "b", b"line\n", sync=True)
    assert "fsync" not in steps.names


def test_a_new_file_never_replaces_one(disk, tmp_path):
    # Given names that are taken: by a file, a link to one, and a link to nothing
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    # When one is to be written there, Then it is refused, and nothing is followed
    for name in ("file", "link", "dangling"):
        with pytest.raises(FileExistsError):
            disk.write_new(tmp_path / name, b"other")
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_a_write_that_the_file_system_cuts_short_leaves_nothing(tmp_path):
    # Given a file system that takes 1000 bytes and no more (a real limit, in a process of its own)
    def write_too_much() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            Disk().write_new(tmp_path / "a", b"x" * 5000)
        except OSError as error:
            os._exit(0 if error.errno == errno.EFBIG else 1)

    # When more is written, Then the write fails, and no half file stays
    assert in_child(write_too_much) == 0
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("number", [2, 3])
def test_whatever_stops_a_write_leaves_nothing(tmp_path, number):
    # Given an interrupt between creating a file and having it on disk
    def interrupt() -> None:
        raise KeyboardInterrupt

    # When it comes, Then the file is gone again
    with pytest.raises(KeyboardInterrupt):
        Disk(step=Steps(number, interrupt)).write_new(tmp_path / "a", b"data")
    assert names_in(tmp_path) == []


def test_a_large_file_is_written_whole(disk, tmp_path):
    # Given more than one write takes, When it is written, Then all of it is there
    data = os.urandom(3 << 20)
    disk.write_new(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == data


def test_rename_replaces_and_rename_new_does_not(disk, tmp_path):
    # Given two files
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    # When one is renamed to the other's name as a new one, Then it is refused and both stay
    with pytest.raises(FileExistsError):
        disk.rename_new(one, two)
    assert (one.read_text(), two.read_text()) == ("1", "2")
    # When it is renamed, Then it replaces
    disk.rename(one, two)
    assert names_in(tmp_path) == ["two"] and two.read_text() == "1"


@pytest.mark.parametrize("taken", ["file", "folder", "link", "dangling"])
def test_rename_new_is_refused_by_anything_of_that_name(disk, tmp_path, taken):
    # Given a target that is there in whatever form
    target = tmp_path / "target"
    if taken == "file":
        target.write_text("mine")
    elif taken == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / ("source" if taken == "link" else "nothing"))
    (tmp_path / "source").write_text("other")
    # When something is renamed to it, Then both stay as they are
    with pytest.raises(FileExistsError):
        disk.rename_new(tmp_path / "source", target)
    assert (tmp_path / "source").read_text() == "other"


def test_link_new_gives_a_second_name_and_takes_none(disk, tmp_path):
    # Given two files, When one is linked to a free name and to the other's, Then the first is done, the second refused
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    disk.link_new(tmp_path / "one", tmp_path / "new")
    assert (tmp_path / "new").samefile(tmp_path / "one")
    with pytest.raises(FileExistsError):
        disk.link_new(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_text() == "2"


def test_whether_a_file_system_can_refuse_to_replace_is_tried(tmp_path, monkeypatch):
    # Given a file, When it is moved to a free name where that can be done, Then it has been moved
    (tmp_path / "one").touch()
    assert files.can_rename_new(tmp_path / "one", tmp_path / "two") and (tmp_path / "two").exists()
    # When it cannot be done there, Then it has not
    monkeypatch.setattr(files, "_renameat2", lambda: None)
    assert not files.can_rename_new(tmp_path / "two", tmp_path / "three") and (tmp_path / "two").exists()


def test_rename_new_by_listing_where_the_file_system_cannot(disk, tmp_path, no_renameat2):
    # Given a file system without RENAME_NOREPLACE
    (tmp_path / "source").write_text("1")
    (tmp_path / "taken").symlink_to(tmp_path / "nothing")
    # When the name is taken, Then it is refused; When it is free, Then it is renamed
    with pytest.raises(FileExistsError):
        disk.rename_new(tmp_path / "source", tmp_path / "taken")
    disk.rename_new(tmp_path / "source", tmp_path / "free")
    assert sorted(names_in(tmp_path)) == ["free", "taken"]


@pytest.mark.parametrize("method", ["rename", "rename_new"])
def test_renaming_what_is_gone_says_so(disk, tmp_path, method):
    # Given nothing, When it is renamed, Then that is ENOENT in both forms
    with pytest.raises(FileNotFoundError):
        getattr(disk, method)(tmp_path / "gone", tmp_path / "target")


def test_rename_new_takes_names_that_are_not_utf8(disk, tmp_path):
    # Given a file name of any bytes, as a drop may have
    name = os.fsdecode(b"a\xff.json")
    (tmp_path / name).write_text("1")
    # When it is renamed, Then it moves
    disk.rename_new(tmp_path / name, tmp_path / "b.json")
    assert names_in(tmp_path) == ["b.json"]


def test_of_many_that_rename_one_file_exactly_one_does(tmp_path):
    # Given one file and eight processes that wait for the same moment
    (tmp_path / "source").write_text("1")
    gate_out, gate_in = os.pipe()
    children = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            os.close(gate_in)
            os.read(gate_out, 1)
            try:
                Disk().rename_new(tmp_path / "source", tmp_path / f"target{number}")
                os._exit(0)
            except FileNotFoundError:
                os._exit(1)
        children.append(pid)
    # When all rename it
    os.close(gate_in)
    os.close(gate_out)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    # Then one of them did, and the others know that they did not
    assert sorted(statuses) == [0] + [1] * 7
    assert names_in(tmp_path) == [f"target{statuses.index(0)}"]


def test_directories_are_synced_in_the_order_given(tmp_path):
    # Given two directories, When they are synced, Then in that order
    steps = Steps()
    Disk(step=steps).sync_directory(tmp_path, tmp_path.parent)
    assert steps.seen == [("fsync", tmp_path), ("fsync", tmp_path.parent)]


def test_a_file_system_that_cannot_sync_a_directory_is_no_error(disk):
    # Given a directory whose fsync is EINVAL (procfs here, some FUSE in life)
    with pytest.raises(OSError) as caught:
        fd = os.open("/proc", os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    assert caught.value.errno == errno.EINVAL
    # When it is synced, Then there is nothing to do
    disk.sync_directory(Path("/proc"))


def test_syncing_a_directory_that_is_gone_is_an_error(disk, tmp_path):
    # Given no directory, When it is synced, Then the caller is told
    with pytest.raises(FileNotFoundError):
        disk.sync_directory(tmp_path / "gone")


def test_lines_are_appended_whole_by_many_at_once(tmp_path):
    # Given four processes that append to one file
    path = tmp_path / "history"

    def append() -> None:
        for number in range(50):
            Disk(durable=False).append_line(path, b"%d %d\n" % (os.getpid(), number))

    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            append()
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    # When all are done, Then no line is torn and each process's lines are in order
    rows = [row.split() for row in path.read_bytes().splitlines()]
    assert len(rows) == 200
    for pid in children:
        assert [int(number) for who, number in rows if int(who) == pid] == list(range(50))


def test_a_line_is_never_appended_through_a_link(disk, tmp_path):
    # Given a link where a log should be
    (tmp_path / "history").symlink_to(tmp_path / "victim")
    # When a line is appended, Then it is refused
    with pytest.raises(OSError) as caught:
        disk.append_line(tmp_path / "history", b"line\n")
    assert caught.value.errno == errno.ELOOP
    assert not (tmp_path / "victim").exists()


def test_removing_what_is_gone_says_so_and_is_no_error(disk, tmp_path):
    # Given a file, and a folder, When they are unlinked, Then a second time is False, and a folder an error
    (tmp_path / "a").write_text("1")
    assert disk.unlink(tmp_path / "a") is True
    assert disk.unlink(tmp_path / "a") is False
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        disk.unlink(tmp_path / "folder")


def test_a_directory_is_made_once(disk, tmp_path):
    # Given a directory that is there, and a file, When they are made directories, Then only the file is an error
    disk.make_directory(tmp_path / "a")
    disk.make_directory(tmp_path / "a")
    assert (tmp_path / "a").is_dir()
    (tmp_path / "file").write_text("1")
    with pytest.raises(FileExistsError):
        disk.make_directory(tmp_path / "file")


def test_a_tree_is_removed_without_following_links(disk, tmp_path):
    # Given a folder with a link out of it
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "a").write_text("1")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "victim")
    # When it is removed, Then what the link showed is untouched
    disk.remove_tree(tmp_path / "tree")
    assert names_in(tmp_path) == ["victim"] and names_in(tmp_path / "victim") == ["a"]


def test_reading_gives_content_and_status(tmp_path):
    # Given a file, When it is read, Then size and owner are those of what was read
    (tmp_path / "a").write_bytes(b"data")
    data, status = read_regular(tmp_path / "a", 100)
    assert (data, status.st_size, status.st_uid) == (b"data", 4, os.getuid())


@pytest.mark.parametrize(("size", "read"), [(9, 9), (10, 10), (11, 11), (5000, 11)])
def test_reading_stops_one_byte_after_the_limit(tmp_path, size, read):
    # Given a file around the limit, When it is read, Then a caller can tell that there was more
    (tmp_path / "a").write_bytes(b"x" * size)
    assert len(read_regular(tmp_path / "a", 10)[0]) == read


def test_only_regular_files_are_read_and_nothing_blocks(tmp_path):
    # Given a link, a FIFO that nobody writes to, a folder and nothing
    (tmp_path / "file").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    # When each is read, Then each is refused at once, with an error of its own
    expected = {"link": errno.ELOOP, "fifo": errno.EINVAL, "folder": errno.EINVAL, "none": errno.ENOENT}
    for name, code in expected.items():
        with pytest.raises(OSError) as caught:
            read_regular(tmp_path / name, 10)
        assert caught.value.errno == code, name


def test_what_may_not_be_read_is_an_error(public_store):
    # Given a file without rights, When another user reads it, Then that is an error
    path = public_store.root / "a"
    path.write_text("1")
    path.chmod(0)
    assert without_rights(lambda: read_regular(path, 10)).startswith("PermissionError")


def test_a_directory_that_may_be_synced_soon_is_synced_at_once_or_with_the_next_one(tmp_path):
    # Given a disk of a runner, and one of anybody else
    steps = []
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for directory in (one, two, three):
        directory.mkdir()
    alone = Disk(step=lambda step, path: steps.append((step, path.name)))
    runners = Disk(step=lambda step, path: steps.append((step, path.name)), group=True)
    # When each may sync two soon
    alone.sync_soon(one, two)
    runners.sync_soon(one, two)
    # Then the one has, and the other does with its next: what was owed first, each once, and nothing is left
    assert steps == [("fsync", "one"), ("fsync", "two")]
    steps.clear()
    runners.sync_directory(two, three)
    runners.sync_directory()
    assert steps == [("fsync", "one"), ("fsync", "two"), ("fsync", "three")]


def test_revalidate_asks_from_the_outside_in_and_stops_at_what_is_not_there(tmp_path, monkeypatch):
    # Given a folder that is there, and one that is not
    asked = []
    real = os.open
    monkeypatch.setattr(files.os, "open", lambda path, *rest: asked.append(path) or real(path, *rest))
    # When both are to be asked about, and what would lie below
    files.revalidate(tmp_path, tmp_path / "gone", tmp_path / "gone" / "below")
    # Then each was opened by path, which is what makes an NFS client ask, and none that cannot be there
    assert asked == [tmp_path, tmp_path / "gone"]
