"""What the live view looks at."""

import json

from spoolq.top import picture
from spoolq.top.picture import Looker
from spoolq.transitions import State
from tests.spooltest.jobs import begun, conclude_as, ended, submitted


def ids(records):
    return [record["job_id"] for record in records]


def test_all_that_can_be_selected_is_in_its_order(store):
    finished = ended(store, submitted(store)).stem
    running = begun(store, submitted(store)).running.stem
    waiting = [submitted(store), submitted(store)]
    assert ids(Looker(store).look().jobs) == [running.uuid, *(stem.uuid for stem in waiting), finished.uuid]


def test_an_old_job_that_has_just_ended_is_the_newest_end(store, monkeypatch):
    # Given a job submitted long before more others than are shown, which all have ended
    monkeypatch.setattr(picture, "ENDED", 3)
    old = begun(store, submitted(store))
    for _ in range(5):
        ended(store, submitted(store))
    looker = Looker(store)
    assert old.running.stem.uuid not in ids(looker.look().ended)
    # When it ends, Then it stands first
    conclude_as(store, old, "exit")
    assert ids(looker.look().ended)[0] == old.running.stem.uuid and len(looker.look().ended) == 3


def test_an_end_is_read_once_and_one_that_is_not_written_yet_again(store):
    # Given an end, and one whose record is still to follow
    whole, torn = (ended(store, submitted(store)).stem for _ in range(2))
    path = store.layout.terminal(State.COMPLETED, torn.key)
    record = path.read_text()
    path.write_text(json.dumps({"request": {}}))
    looker = Looker(store)
    assert ids(looker.look().ended) == [whole.uuid]
    # When it follows, and the other is gone from under us, Then the first is told from memory
    path.write_text(record)
    store.layout.terminal(State.COMPLETED, whole.key).write_text("{}")
    assert ids(looker.look().ended) == [torn.uuid, whole.uuid]
