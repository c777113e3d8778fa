"""The spool's lock and the slots' locks: who holds them, for how long, and who is told."""

import os
import stat

import filelock
import pytest

from spoolq.errors import LockTimeout, SpoolUnusable
from spoolq.lock import held, holder, is_held, lock_directory, one_look, try_lock
from tests.spooltest.users import without_rights


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.lock"


@pytest.fixture
def held_elsewhere(path):
    """Another process holds the lock at *path*; gives its pid."""
    ready_out, ready_in = os.pipe()
    done_out, done_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(done_in)
        try_lock(path)
        os.write(ready_in, b"x")
        os.read(done_out, 1)
        os._exit(0)
    os.read(ready_out, 1)
    yield pid
    for fd in (done_in, done_out, ready_in, ready_out):
        os.close(fd)
    os.waitpid(pid, 0)


def test_one_at_a_time(path):
    # Given a lock that is held, When it is asked for, Then nobody else gets it until it is let go
    with held(path, 1):
        assert try_lock(path) is None
    fd = try_lock(path)
    assert fd is not None
    os.close(fd)


def test_an_error_lets_go(path):
    # Given an error under the lock, When it has passed, Then the lock is free
    with pytest.raises(KeyError), held(path, 1):
        raise KeyError
    with held(path, 0):
        pass


def test_a_lock_that_cannot_be_had_names_its_holder(path, held_elsewhere):
    # Given a lock that another process holds
    with pytest.raises(LockTimeout) as caught, held(path, 0.05):
        pass
    # When it is waited for in vain, Then the error says where, who, and that it may be tried again
    assert str(path) in str(caught.value)
    assert f"process {held_elsewhere} (" in str(caught.value)
    assert caught.value.exit_code == 75
    assert is_held(path)
    assert holder(path).startswith(f"process {held_elsewhere}")


def test_it_is_taken_as_soon_as_it_is_free(path):
    # Given a lock that is let go at the third look of somebody who waits
    first = try_lock(path)
    looks = []

    def clock() -> float:
        looks.append(len(looks))
        if len(looks) == 3:
            os.close(first)
        return 0.0

    # When he looks again, Then he has it
    with held(path, 10, clock):
        assert try_lock(path) is None
    assert len(looks) == 3


def test_a_fork_keeps_it_held_until_the_last_copy_is_closed(path):
    # Given a lock whose descriptor a child has inherited, as a shim does
    fd = try_lock(path)
    gate_out, gate_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gate_in)
        os.read(gate_out, 1)
        os._exit(0)
    # When the parent lets go, Then it is held on
    os.close(fd)
    assert try_lock(path) is None
    # When the child has ended too, Then it is free
    os.close(gate_in)
    os.close(gate_out)
    os.waitpid(pid, 0)
    again = try_lock(path)
    assert again is not None
    os.close(again)


def test_a_killed_holder_holds_nothing(path):
    # Given a holder that was killed
    pid = os.fork()
    if pid == 0:
        try_lock(path)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    # When the lock is asked for, Then it is free
    assert path.exists()
    with held(path, 0):
        pass


def test_a_lock_on_a_file_that_was_replaced_is_none(path):
    # Given a lock that is held on a file that somebody removes and makes anew
    with held(path, 1):
        path.unlink()
        # When it is asked for, Then it is had on the new file, which is the one that counts
        with held(path, 0):
            assert path.exists()


def test_a_file_that_is_replaced_while_it_is_locked_is_no_lock(path, monkeypatch):
    # Given somebody who replaces the file after it was opened and before it is locked
    lock_descriptor = filelock.lock_descriptor

    def replace_then_lock(fd: int, **options: bool) -> bool:
        path.unlink()
        path.touch()
        return lock_descriptor(fd, **options)

    monkeypatch.setattr(filelock, "lock_descriptor", replace_then_lock)
    # When it is locked, Then that excludes nobody, and so it is not taken for a lock
    assert try_lock(path) is None
    monkeypatch.undo()
    with held(path, 0):
        pass


def test_nobody_holds_what_is_not_there(path):
    # Given no lock file, When its holder is asked for, Then there is none to name
    assert not is_held(path)
    assert holder(path) == "a process of another host, user or container"


def test_any_user_may_take_it(path):
    # Given a lock file that was made under a strict umask
    before = os.umask(0o077)
    try:
        with held(path, 1):
            pass
    finally:
        os.umask(before)
    # When its mode is looked at, Then every user of a shared spool can open it
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_a_link_is_not_followed(path, tmp_path):
    # Given a link where the lock should be, When it is locked, Then that is refused
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(SpoolUnusable, match="cannot open lock"):
        try_lock(path)
    assert not (tmp_path / "victim").exists()


def test_without_its_directory_it_is_unusable(tmp_path):
    # Given a lock in no directory, When it is taken, Then the error names it
    with pytest.raises(SpoolUnusable, match=r"cannot open lock .*No such file"):
        try_lock(tmp_path / "none" / "a.lock")


def test_no_descriptor_is_left_open(path):
    # Given how many descriptors are open
    before = os.listdir("/proc/self/fd")
    # When locks are taken, refused and let go, Then there are as many
    with held(path, 1):
        assert try_lock(path) is None
        with pytest.raises(LockTimeout), held(path, 0):
            pass
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_slot_locks_lie_where_the_environment_says_then_the_setting(tmp_path, monkeypatch):
    # Given both, When the directory is asked for, Then the environment wins and all users may use it
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", str(tmp_path / "env" / "deep"))
    found = lock_directory(str(tmp_path / "configured"))
    assert found == tmp_path / "env" / "deep"
    assert stat.S_IMODE(found.stat().st_mode) == 0o1777
    # Given only the setting
    monkeypatch.delenv("SPOOLQ_LOCK_DIR")
    assert lock_directory(str(tmp_path / "configured")) == tmp_path / "configured"


def test_a_directory_that_may_not_be_written_says_which_were_tried(tmp_path, monkeypatch):
    # Given a directory that only root may write
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", "/proc/spoolq-locks")
    said = without_rights(lambda: lock_directory(None))
    # When somebody else needs slot locks, Then the error names it and what to set
    assert said.startswith("SpoolUnusable: cannot make slot locks: no writable directory (/proc/spoolq-locks)")
    assert "SPOOLQ_LOCK_DIR" in said


def test_one_look_answers_all_from_one_read(tmp_path):
    # Given a lock that nobody holds
    path = tmp_path / "lock"
    path.touch()
    with one_look():
        assert not is_held(path)
        # When it is taken after the first question, Then the look is still that of before
        with held(path, 1):
            assert not is_held(path)
    # And the next look is a new one, as is a question without
    with held(path, 1):
        assert is_held(path)
        with one_look():
            assert is_held(path)
