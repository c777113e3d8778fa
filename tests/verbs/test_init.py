"""`spoolq init`."""

import grp
import os
import shutil
import stat

from tests.verbs.program import spoolq, spoolq_program

STATES = ["queued", "running", "completed", "failed", "cancelled"]


def test_makes_a_private_tree_and_says_what_to_do_next(tmp_path, golden):
    # Given a place where nothing is
    path = tmp_path / "spool"
    # When a spool is made there
    ran = spoolq("init", "--spool", path)
    # Then the tree is there, its owner's alone, and the next two commands are named, apart from the answer
    assert {*STATES, "runs", "control", ".tmp", "spoolq.toml"} <= {entry.name for entry in path.iterdir()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert ran.out == f"made {path}\n"
    golden("init", f"{ran.out}{ran.err}".replace(str(path), "SPOOL"))


def test_keeps_what_a_spool_holds(spool):
    # Given a spool with a job and settings of its own
    job = spoolq("submit", "--", "true").out.strip()
    (spool / "spoolq.toml").write_text("max_attempts = 5\n")
    # When it is made again
    ran = spoolq("init")
    # Then nothing has changed
    assert ran.out == f"nothing missing in {spool}\n"
    assert (spool / "spoolq.toml").read_text() == "max_attempts = 5\n"
    assert spoolq("position", job).out == "0\n"


def test_mends_what_is_missing(spool):
    # Given a spool that has lost a directory, so that no verb opens it
    shutil.rmtree(spool / "control")
    assert "control missing" in spoolq("status", ok=False).err
    # When it is made again
    ran = spoolq("init", "--json")
    # Then that directory alone was made, and the verbs work
    assert ran.json() == {"spool": str(spool), "made": [str(spool / "control")], "shared": None}
    assert spoolq("status").code == 0


def test_shared_with_a_group_makes_sticky_drop_boxes(tmp_path):
    # Given a group of ours
    group = grp.getgrgid(os.getgid()).gr_name
    # When a spool is shared with it
    ran = spoolq("init", "--shared", group, "--spool", tmp_path / "spool", "--json")
    # Then members may drop files and only their owners take them away; the rest they may only read
    modes = {name: stat.S_IMODE((tmp_path / "spool" / name).stat().st_mode) for name in ("queued", "runs", "failed")}
    assert ran.json()["shared"] == group
    assert modes == {"queued": 0o3770, "runs": 0o2750, "failed": 0o2750}


def test_unknown_group_is_refused_before_anything_is_made(tmp_path):
    ran = spoolq("init", "--shared", "no-such-group", "--spool", tmp_path / "spool", ok=False)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("spoolq: cannot share a spool with 'no-such-group': there is no such group.")
    assert not (tmp_path / "spool").exists()


def test_a_file_in_the_way_is_named(tmp_path):
    # Given a file where the spool should be
    (tmp_path / "spool").write_text("")
    # When a spool is made there
    ran = spoolq("init", "--spool", tmp_path / "spool", ok=False)
    # Then the message names it and says what to do
    assert (ran.code, ran.out) == (5, "")
    assert f"cannot make a spool at {tmp_path / 'spool'}" in ran.err
    assert ran.err.endswith("Choose a place that you may write to.\n")


def test_default_is_the_folder_spool_where_one_stands(outside):
    assert spoolq_program("init", cwd=outside).out == "made spool\n"
    assert (outside / "spool" / "queued").is_dir()
