"""What the filters of a listing ask, remembered."""

import json

import pytest

from spoolq.jobs import Entry, blank
from spoolq.server.facts import KnownFacts, facts_of
from spoolq.transitions import TERMINAL, State
from tests.server.jobs import ended_jobs
from tests.spooltest.jobs import submitted


def test_facts_are_remembered_for_as_long_as_the_file_is_the_same(store, monkeypatch):
    # Given a job whose facts are known
    (stem,) = ended_jobs(store, 1)
    entry = Entry(State.COMPLETED, stem)
    known, path = KnownFacts(store), store.layout.terminal(State.COMPLETED, stem.key)
    assert known.of(entry).models == ("gpt2", "hf")
    # When they are asked for again, Then the record is not read
    monkeypatch.setattr("spoolq.server.facts.describe", lambda *_: pytest.fail("it was read again"))
    assert known.of(entry).tasks == ("mmlu",)
    monkeypatch.undo()
    # And when another record takes its place, it is
    record = json.loads(path.read_bytes())
    new = store.layout.temporary("x.final")
    new.write_text(json.dumps({**record, "request": {"command": ["true"]}}))
    store.disk.rename(new, path)
    assert known.of(entry).models == ("true",)
    # And a job that is gone has none
    path.unlink()
    assert known.of(entry) is None


def test_what_is_remembered_is_bounded(store, monkeypatch):
    monkeypatch.setattr("spoolq.server.facts._MOST", 3)
    known = KnownFacts(store)
    for n, stem in enumerate(ended_jobs(store, 9, lambda n: "x" * 5000 if n == 8 else "gpt2")):
        known.of(Entry(TERMINAL[n % 3], stem))
    assert len(known._known) == 3
    assert all(len("".join(facts.words)) < 5000 for facts in known._known.values())


def test_facts_of_whatever_a_request_is(store):
    record = blank(store, State.QUEUED, submitted(store))
    for request, models, tasks in (
        (None, (), ()),
        ({"model": 7, "tasks": "mmlu"}, ("7",), ()),
        ({"command": ["/usr/bin/python", "x.py"]}, ("python x.py",), ()),
        ({"tasks": [1, None]}, (), ("1", "None")),
    ):
        facts = facts_of({**record, "request": request})
        assert (facts.models, facts.tasks) == (models, tasks)
