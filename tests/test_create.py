"""Making a spool, or mending one; never at the cost of what is there."""

import grp
import os
import stat

import pytest

from spoolq.create import create
from spoolq.errors import SpoolUnusable
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import submitted
from tests.spooltest.trees import queue
from tests.spooltest.users import NOBODY, close, in_child, needs_root, without_rights


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_spool_is_whole_and_its_owners_alone(tmp_path):
    # Given a place that is not there yet, folders and all
    root = tmp_path / "deep" / "spool"
    # When a spool is made there
    made = create(root)
    # Then every directory is there, with a settings file, and nobody else can look in
    assert set(made) == set(Store(root).layout.directories())
    assert {path.name for path in root.iterdir()} == {
        "queued",
        "running",
        "completed",
        "failed",
        "cancelled",
        "runs",
        "control",
        "pools",
        ".tmp",
        "spoolq.toml",
    }
    assert mode(root) == 0o700
    assert set(State) == {path.name for path in root.iterdir()} & set(State)


def test_making_it_again_changes_nothing(store):
    # Given a spool in use, opened to others by its owner, with settings
    stem = submitted(store)
    store.layout.settings.write_text("max_attempts = 7\n")
    store.root.chmod(0o755)
    # When it is made again, Then nothing was missing, and all is as it was
    assert create(store.root) == []
    assert queue(store) == [stem.uuid]
    assert store.layout.settings.read_text() == "max_attempts = 7\n"
    assert mode(store.root) == 0o755


def test_a_spool_that_has_lost_a_directory_is_mended(store):
    # Given a spool from which somebody removed directories
    stem = submitted(store)
    store.layout.state(State.FAILED).rmdir()
    store.layout.tmp.rmdir()
    with pytest.raises(SpoolUnusable, match=r"failed, \.tmp missing\. Mend it with `spoolq init"):
        Store(store.root)
    # When it is made again, Then those are back, and the jobs are there
    assert create(store.root) == [store.layout.state(State.FAILED), store.layout.tmp]
    assert queue(Store(store.root)) == [stem.uuid]


def test_what_is_no_spool_is_told_from_what_is_not_there(tmp_path):
    # Given nothing, and a folder that is none, When it is opened as a spool, Then the errors differ
    with pytest.raises(SpoolUnusable, match="it does not exist"):
        Store(tmp_path / "none")
    with pytest.raises(SpoolUnusable, match="it is no spool"):
        Store(tmp_path)


def test_an_empty_folder_can_become_one(tmp_path):
    # Given a folder with other things in it, When a spool is made of it, Then all directories are made
    create(tmp_path / "spool")
    assert len(create(tmp_path)) == 9


def test_a_file_in_the_way_is_an_error_that_names_it(tmp_path):
    # Given a file where the spool, or one of its directories, should be
    (tmp_path / "spool").write_text("mine")
    with pytest.raises(SpoolUnusable, match=r"cannot make a spool at .*spool"):
        create(tmp_path / "spool")
    (tmp_path / "queued").write_text("mine")
    with pytest.raises(SpoolUnusable, match="queued"):
        create(tmp_path)
    assert (tmp_path / "queued").read_text() == "mine"


def test_a_place_that_may_not_be_written_says_so(public_store):
    # Given a place that may be read only, When a spool is made there, Then the error says so
    close(public_store.root)
    said = without_rights(lambda: create(public_store.root / "inner"))
    assert said.startswith("SpoolUnusable: cannot make a spool at") and "Permission denied" in said


def test_two_who_make_it_at_once_both_have_it(tmp_path):
    # Given four processes that make the same spool
    root = tmp_path / "spool"
    gate_out, gate_in = os.pipe()
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            os.close(gate_in)
            os.read(gate_out, 1)
            os._exit(in_child(lambda: create(root)))
        pids.append(pid)
    os.close(gate_in)
    os.close(gate_out)
    # When all have tried, Then nobody was refused, and it is whole
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    Store(root)


class TestShared:
    """A spool for a group: drop boxes that belong to everybody, results that only the operator writes."""

    @pytest.fixture
    def group(self):
        return grp.getgrgid(os.getgid()).gr_name

    def test_who_may_write_where(self, tmp_path, group):
        # Given a shared spool
        root = tmp_path / "spool"
        create(root, group)
        layout = Store(root).layout
        # When its modes are looked at, Then members may put files in, take none of others' out, and read the rest
        for box in (layout.state(State.QUEUED), layout.control, layout.tmp):
            assert mode(box) == 0o3770, box
        for kept in (layout.state(State.RUNNING), layout.state(State.FAILED), layout.runs, layout.pools, root):
            assert mode(kept) == 0o2750, kept
        assert mode(layout.settings) == 0o640
        assert {path.stat().st_gid for path in [root, layout.settings, *layout.directories()]} == {os.getgid()}

    def test_what_is_made_inside_belongs_to_the_group(self, tmp_path, group):
        # Given a shared spool, When a job is submitted, Then its file is the group's
        create(tmp_path / "spool", group)
        store = Store(tmp_path / "spool", host="host-a")
        stem = submitted(store)
        assert store.layout.queued(stem).stat().st_gid == os.getgid()

    def test_a_private_spool_can_be_shared_later(self, store, group):
        # Given a private spool with a job, When it is shared, Then its modes change and the job stays
        stem = submitted(store)
        create(store.root, group)
        assert mode(store.layout.state(State.QUEUED)) == 0o3770
        assert queue(store) == [stem.uuid]

    def test_a_group_that_does_not_exist_makes_nothing(self, tmp_path):
        # Given a group that nobody knows, When a spool is shared with it, Then there is no spool
        with pytest.raises(SpoolUnusable, match="there is no such group"):
            create(tmp_path / "spool", "no-group-of-that-name")
        assert not (tmp_path / "spool").exists()

    @needs_root
    def test_a_member_submits_and_cannot_take_out_what_is_not_his(self, public_store):
        # Given a spool shared with a group, one of whose members has a job in it
        create(public_store.root, grp.getgrgid(NOBODY).gr_name)
        theirs = submitted(public_store)

        def submit() -> str:
            return str(submitted(Store(public_store.root, host="host-a")))

        # When another member submits, Then his job is queued, as his
        said = without_rights(submit)
        assert said.startswith("ok: ")
        path = public_store.layout.state(State.QUEUED) / f"{said[4:]}.json"
        assert path.stat().st_uid == NOBODY
        # and he cannot remove or rename the other's
        source = public_store.layout.queued(theirs)
        assert without_rights(source.unlink).startswith("PermissionError")
        target = source.with_name("x.json")
        assert without_rights(lambda: source.rename(target)).startswith("PermissionError")
