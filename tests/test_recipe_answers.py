"""Which file holds the answers that the next attempt need not ask for."""

import os
from pathlib import Path

import pytest

from spoolq.recipes.answers import answers

CACHE = Path("/spool/runs/k/cache")
REQUEST = {"model": "hf", "tasks": ["a"], "model_args": {"pretrained": "gpt2", "n": 1}, "limit": None, "resume": True}


def test_an_equal_request_finds_the_file_again():
    # Given a request and the same one from its record, its keys in another order
    again = dict(reversed(REQUEST.items()))
    # When both are asked for their file, Then it is one, directly in the job's own folder
    assert answers(CACHE, REQUEST) == answers(CACHE, again)
    assert answers(CACHE, REQUEST).parent == CACHE


@pytest.mark.parametrize("change", [{"model_args": {"pretrained": "gpt3"}}, {"limit": 5}, {"tasks": ["b"]}])
def test_another_request_has_another_file(change):
    # Given a request that differs, When it is asked for its file, Then nothing of the other's is in it
    assert answers(CACHE, {**REQUEST, **change}) != answers(CACHE, REQUEST)


def test_a_model_whose_files_changed_has_another_file(tmp_path):
    # Given a model in a folder, and one in a file
    folder, file = tmp_path / "model", tmp_path / "weights.gguf"
    folder.mkdir()
    for path in (folder / "weights", file):
        path.write_bytes(b"1")
        os.utime(path, (1, 1))
    for place in (folder, file):
        request = {**REQUEST, "model_args": {"pretrained": str(place)}}
        before = answers(CACHE, request)
        assert answers(CACHE, request) == before
        # When its weights are written anew, at the same size
        os.utime(folder / "weights" if place == folder else file, (2, 2))
        # Then the answers of the old ones are not taken up
        assert answers(CACHE, request) != before


def test_what_is_no_model_on_this_disk_is_taken_as_it_stands(tmp_path):
    # Given paths that are not there, cannot be, or are no texts, When the file is asked for, Then there is one
    for value in (str(tmp_path / "gone"), "/" + "x" * 5000, None, 3, "/a\0b"):
        assert answers(CACHE, {**REQUEST, "model_args": {"pretrained": value}}).parent == CACHE
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert answers(CACHE, {**REQUEST, "model_args": {"pretrained": str(tmp_path)}}).parent == CACHE
