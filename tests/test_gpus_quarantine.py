"""Quarantines are files of the host: whole, torn, another user's."""

import json

import pytest

from spoolq.gpus import Gpu
from spoolq.gpus.quarantine import among, impose, lift, standing

GPU = Gpu(0, "GPU-a", total_mib=81920, free_mib=40000)


def test_the_first_word_stands(tmp_path):
    # Given a GPU in quarantine, When another runner wants it there too, Then the first reason stays
    first = impose(tmp_path, GPU, "one", 100)
    assert impose(tmp_path, GPU, "two", 200) == first
    assert [(found.why, found.level_mib) for found in standing(tmp_path)] == [("one", 100)]


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"key": "GPU-a"}'])
def test_a_torn_file_is_a_quarantine_that_a_person_lifts(tmp_path, left):
    # Given what a kill or a full disk has left of the file
    path = tmp_path / "gpu-GPU-a.quarantine"
    path.write_bytes(left)
    # When it is read, Then the GPU is in quarantine, and stays there however much is free
    (found,) = standing(tmp_path)
    assert among([found], GPU) == found
    assert not found.is_over(Gpu(0, "GPU-a", total_mib=81920, free_mib=81920))


def test_removing_the_file_ends_it(tmp_path):
    # Given a quarantine, When its file is removed, Then it is over; twice is no error
    found = impose(tmp_path, GPU, "why", 100)
    assert lift(found) and not lift(found)
    assert standing(tmp_path) == []


def test_a_name_from_outside_stays_in_the_directory(tmp_path):
    # Given a UUID that is a path, as a file of the operator may have it, When it is put in quarantine, Then it is named
    # there, and found again
    odd = Gpu(None, "../../x y", total_mib=1, free_mib=0)
    found = impose(tmp_path, odd, "why", 0)
    assert found.path.parent == tmp_path and "/" not in found.path.name.removeprefix(str(tmp_path))
    assert among(standing(tmp_path), odd) == found


def test_other_files_of_the_directory_are_none(tmp_path):
    # Given what else lies there, When quarantines are looked for, Then there is none
    (tmp_path / "all.lock").touch()
    (tmp_path / "all.gpus.json").write_text(json.dumps({}))
    assert standing(tmp_path) == []
