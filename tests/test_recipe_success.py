"""What must be in an output before a run counts as a success."""

import json
import os

import pytest

from spoolq.errors import NoResults
from spoolq.recipes.success import Success, check


def put(folder, name, content, when=150.0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, (when, when))


def test_without_a_pattern_nothing_is_asked_for(tmp_path):
    check(Success(), None, tmp_path, 0)


def test_a_file_that_nobody_reads_must_be_there_fresh_and_not_empty(tmp_path):
    # Given a file that is no JSON, When it is stale, empty, or neither, Then only the last is a success
    for content, when, cause in (
        ("done", 50, "newer than the start fits"),
        ("", 150, "it is empty"),
        ("done", 150, None),
    ):
        put(tmp_path, "a/marker", content, when)
        if cause is None:
            check(Success(), "**/marker", tmp_path, 100)
        else:
            with pytest.raises(NoResults, match=cause):
                check(Success(), "**/marker", tmp_path, 100)


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({"status": "error", "a": {"b": 1}}, '`status` is "error", not "success"'),
        ({"a": {"b": 1}}, '`status` is missing, not "success"'),
        ({"status": True, "a": {"b": 1}}, '`status` is true, not "success"'),
        ({"status": "success", "a": {"b": {}}}, "`a.b` is empty"),
        ({"status": "success", "a": {"b": None}}, "`a.b` is empty"),
        ({"status": "success", "a": ["b"]}, "`a.b` is missing"),
        ({"status": "success"}, "`a.b` is missing"),
        ("[]", "not an object"),
        ('{"status": "succ', "cannot read"),
    ],
)
def test_every_file_that_fits_must_pass(tmp_path, document, cause):
    # Given a good file, and a second one that fits the pattern too
    success = Success.model_validate({"json": {"status": "success"}, "nonempty": ["a.b"]})
    put(tmp_path, "1.json", {"status": "success", "a": {"b": 0}})
    check(success, "*.json", tmp_path, 100)
    # When the second one is not as it should be, Then the run is no success, and the reason names the file
    put(tmp_path, "2.json", document)
    with pytest.raises(NoResults) as caught:
        check(success, "*.json", tmp_path, 100)
    assert cause in str(caught.value) and "'2.json'" in str(caught.value)


def test_a_number_is_no_truth_value(tmp_path):
    # Given files that say 1 and true, When the other is asked for, Then they are not it
    put(tmp_path, "1.json", {"errors": 0, "ok": True})
    check(Success.model_validate({"json": {"errors": 0, "ok": True}}), "1.json", tmp_path, 100)
    for wanted in ({"errors": False}, {"ok": 1}):
        with pytest.raises(NoResults):
            check(Success.model_validate({"json": wanted}), "1.json", tmp_path, 100)
