"""JSON of ours as responses."""

import json

import pytest

from spoolq.server.answers import Answer, placeless
from spoolq.store import Store


def test_an_answer_can_hold_whatever_a_record_can():
    for value in ("é€😀", "\ud800", "\x00\x1b", {"a": [None, True, 1.5]}):
        assert json.loads(Answer(value).body) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        Answer(float("nan"))


def test_paths_lose_their_place(store, monkeypatch):
    root = store.root
    assert placeless(store, f"cannot read {root}/runs/x of {root}.") == "cannot read runs/x of the spool."
    # Also where the spool was named by a relative path
    monkeypatch.chdir(root.parent)
    relative = Store(type(root)(root.name))
    assert placeless(relative, f"cannot read {root}/runs/x in {root.name}") == f"cannot read runs/x in {root.name}"
