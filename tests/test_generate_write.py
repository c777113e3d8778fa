"""Writing: the original's bytes, each file whole or as it was, and nothing left over."""

import errno
import json
import os

import pytest

from spoolq.files import Disk
from spoolq.generate.refusals import Refused
from spoolq.generate.write import check_targets, write_all

JOBS = [{"id": 0, "payload": {"team": "Équipe"}}]
RESOURCES = {"comet_1": [{"host": "a", "port": 1}]}


@pytest.fixture
def outputs(tmp_path):
    """Where the two documents go, both there already."""
    for name in ("resources.json", "jobs.json"):
        (tmp_path / name).write_text("old")
    return {tmp_path / "resources.json": RESOURCES, tmp_path / "jobs.json": JOBS}


def test_files_are_laid_out_as_the_original_has_them(tmp_path, outputs):
    # Given files that are there, When new ones are written, Then the bytes are those of indent 2, and nothing is left
    write_all(Disk(), outputs)
    assert (tmp_path / "jobs.json").read_bytes() == (
        b'[\n  {\n    "id": 0,\n    "payload": {\n      "team": "\\u00c9quipe"\n    }\n  }\n]'
    )
    assert json.loads((tmp_path / "resources.json").read_text()) == RESOURCES
    assert sorted(os.listdir(tmp_path)) == ["jobs.json", "resources.json"]


def test_a_symbolic_link_stays_one(tmp_path):
    # Given a link to a file elsewhere
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "jobs.json").symlink_to("elsewhere/real.json")
    # When it is written, Then the file behind it is
    write_all(Disk(), {tmp_path / "jobs.json": JOBS})
    assert (tmp_path / "jobs.json").is_symlink()
    assert json.loads((tmp_path / "elsewhere" / "real.json").read_text()) == JOBS
    assert os.listdir(tmp_path / "elsewhere") == ["real.json"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", range(8))
def test_an_end_at_any_step_leaves_whole_files(tmp_path, outputs, at):
    # Given a disk on which the process ends before its nth step, and steps after that do nothing
    steps: list[str] = []

    def step(name, _path):
        steps.append(name)
        if len(steps) > at:
            raise Killed

    # When two files are written
    with pytest.raises(Killed):
        write_all(Disk(step=step), outputs)
    # Then each is the old or the new one, the second is new only after the first, and the next run puts all right
    found = {path.name: path.read_text() for path in outputs}
    new = [name for name in found if found[name] != "old"]
    assert new in ([], ["resources.json"], ["resources.json", "jobs.json"])
    assert all(json.loads(path.read_text()) == outputs[path] for path in outputs if path.name in new)
    assert new == ["resources.json", "jobs.json"][: max(0, steps.count("rename") - (steps[at] == "rename"))]
    write_all(Disk(), outputs)
    assert [json.loads(path.read_text()) for path in outputs] == [RESOURCES, JOBS]


def test_a_full_disk_changes_nothing(tmp_path, outputs):
    # Given a disk that is full once the first file is written
    def step(name, path):
        if name == "write" and "jobs" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    # When both are written, Then the message names the second, and both are as they were
    with pytest.raises(Refused, match=r"jobs\.json cannot be written: No space left on device\. Mend that"):
        write_all(Disk(step=step), outputs)
    assert {path.read_text() for path in outputs} == {"old"}
    assert sorted(os.listdir(tmp_path)) == ["jobs.json", "resources.json"]


@pytest.mark.parametrize(
    ("place", "cause"), [("missing/jobs.json", "No such file or directory"), ("folder", "Is a directory")]
)
def test_a_place_that_takes_no_file_is_named(tmp_path, place, cause):
    # Given a folder that is not there, or one under the file's name
    (tmp_path / "folder").mkdir()
    # When a file is written there, Then the message has its path, not that of a temporary file
    with pytest.raises(Refused) as raised:
        write_all(Disk(), {tmp_path / place: JOBS})
    assert str(raised.value) == f"{tmp_path / place} cannot be written: {cause}. Mend that, then try again."
    assert os.listdir(tmp_path) == ["folder"]


def test_no_output_replaces_an_input_or_the_other_output(tmp_path):
    # Given paths of which some are the same file by another name
    raw, jobs = tmp_path / "raw.json", tmp_path / "jobs.json"
    (tmp_path / "link.json").symlink_to(raw)
    check_targets([tmp_path / "resources.json", jobs], [raw])
    # When they are compared, Then that is refused
    for outputs in ([tmp_path / "link.json", jobs], [jobs, tmp_path / ".." / tmp_path.name / "jobs.json"]):
        with pytest.raises(Refused, match="is named twice and would be overwritten"):
            check_targets(outputs, [raw])
