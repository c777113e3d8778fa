"""Finding jobs: by id, by its beginning, `last`, KEY or dropped name; and what stands before them."""

import os
from datetime import UTC, datetime

import pytest

from spoolq import requests
from spoolq.admit import Admission
from spoolq.errors import JobAmbiguous, JobNotFound, NotAllowed
from spoolq.find import count_before, entries, find, newest, position
from spoolq.names import Stem, format_stamp, new_stem, parse_stamp
from spoolq.people import retry
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, submitted
from tests.spooltest.waiting import pass_tick


def put(store, uuid: str, stamp: str = "20261120T120730.123456Z") -> Stem:
    """A queued job of a chosen id."""
    stem = Stem("", stamp, uuid)
    store.layout.queued(stem).write_text('{"command": ["true"]}')
    return stem


def admit(store, *names: str) -> None:
    """Drop files of those names, and admit them."""
    for name in names:
        pass_tick()
        store.layout.drop(name).write_text('{"command": ["true"]}')
    Admission(store, lambda document, uid: requests.accept(document, uid, store.settings)).turn()


ONE = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
TWO = "1b4e28ba-2fa1-4d2b-883f-ffffffffffff"
THREE = "9d000000-0000-4000-8000-000000000000"


def test_a_job_answers_to_its_id_and_any_beginning_of_it(store):
    # Given two jobs, When one is named in any way, Then it is found
    stem = put(store, ONE)
    put(store, THREE)
    for name in (ONE, "1", "1b4e28ba", "1b4e28ba-", "1b4e28ba-2fa1-4d2b-883f-0016", ONE.upper(), f"{ONE}.json"):
        assert find(store, name).stem == stem, name
    assert find(store, stem.key).stem == stem
    assert find(store, f"{stem.key}.json").stem == stem


def test_a_beginning_of_two_ids_is_ambiguous_and_names_both(store):
    # Given two ids that begin alike, When the beginning is named, Then both are told, and one digit more is enough
    put(store, ONE)
    put(store, TWO)
    with pytest.raises(JobAmbiguous) as caught:
        find(store, "1b4e")
    assert caught.value.candidates == [ONE, TWO]
    assert caught.value.exit_code == 3
    assert find(store, "1b4e28ba-2fa1-4d2b-883f-f").stem.uuid == TWO


def test_an_id_is_matched_at_its_beginning_only(store):
    # Given an id with digits in its middle that look like another's beginning, and in the stamp
    put(store, ONE)
    for name in ("2fa1", "b4e28ba", "0016d3cca427", "20261120", "883f"):
        with pytest.raises(JobNotFound):
            find(store, name)


@pytest.mark.parametrize(
    "name", ["", "nothing", "last", "../../etc/passwd", "*", "1b4e28ba", ONE, "x" * 300, "\n", "-"]
)
def test_an_empty_spool_has_no_job_of_any_name(store, name):
    # Given an empty spool, When anything is looked for, Then there is no such job
    with pytest.raises(JobNotFound) as caught:
        find(store, name)
    assert str(store.root) in str(caught.value) and caught.value.exit_code == 3


def test_a_job_is_found_in_every_state(store):
    # Given a job on its way
    stem = submitted(store, "high")
    assert (find(store, stem.uuid).state, find(store, stem.uuid).stem) == (State.QUEUED, stem)
    # When it is claimed, Then the entry names the claim
    taken = claimed(store, stem)
    assert find(store, stem.uuid).running == taken.running
    # When others have ended, Then they are found there, under their KEY
    for outcome, state in (
        ("succeeded", State.COMPLETED),
        ("exit", State.FAILED),
        ("cancelled", State.CANCELLED),
    ):
        entry = ended(store, submitted(store, "low"), outcome)
        assert find(store, entry.stem.uuid) == entry
        assert entry.state is state


def test_last_is_the_newest_submission_whatever_its_priority_and_state(store):
    # Given an urgent old job, and a newer one of low priority that is done
    submitted(store, "urgent")
    newer = submitted(store, "low")
    assert find(store, "last").stem == newer
    ended(store, newer)
    assert find(store, "last").stem.uuid == newer.uuid
    # When others are submitted after it, Then the last of them is
    for level in ("low", "urgent", "normal"):
        newest_of_all = submitted(store, level)
        assert find(store, "last").stem == newest_of_all


def test_a_dropped_job_answers_to_the_name_it_came_with(store):
    # Given two dropped files that were admitted
    admit(store, "my eval.json", "other.json")
    found = find(store, "my eval.json")
    # When they are looked for, Then by that name, with or without its ending
    assert find(store, "my eval").stem == found.stem
    assert find(store, "other.json").stem != found.stem
    # also after they have ended
    ended(store, found.stem)
    assert find(store, "my eval.json").state is State.COMPLETED


def test_of_two_drops_of_one_name_the_newer_answers(store):
    # Given two drops of one name, one after the other, When the name is looked for, Then the newer is found
    admit(store, "job.json")
    first = find(store, "job.json").stem
    admit(store, "job.json")
    assert find(store, "job.json").stem.stamp > first.stamp


@pytest.mark.parametrize("name", ["1.json", "ab.json", "cafe.json", "2026.json", "deadbeef.json", "AB.json"])
def test_a_dropped_name_that_looks_like_the_beginning_of_an_id(store, name):
    # Given a file whose name consists of hexadecimal digits
    admit(store, name)
    # When it is looked for by that name, Then it is found
    assert len(entries(store, [State.QUEUED])) == 1
    assert find(store, name).stem == entries(store, [State.QUEUED])[0].stem


def test_a_dropped_name_never_answers_for_another_jobs_id(store):
    # Given a dropped file `1b4e28ba.json`, and another job, queued just now, whose id begins so
    other = put(store, ONE, format_stamp(datetime.now(UTC)))
    admit(store, "1b4e28ba.json")
    # When the file is named, with its ending, Then it is not the other one
    assert find(store, "1b4e28ba.json").stem != other
    # and the bare digits are the id
    assert find(store, "1b4e28ba").stem == other


def test_a_pruned_jobs_dropped_name_is_gone(store):
    # Given a dropped job whose file is gone, When its name is looked for, Then it is not found
    admit(store, "job.json")
    store.layout.queued(find(store, "job.json").stem).unlink()
    with pytest.raises(JobNotFound):
        find(store, "job.json")


class Interrupted(Store):
    """A store on which something happens just before the nth listing of a state."""

    happening: list

    def names(self, state: State) -> list[str]:
        for state_at, act in list(self.happening):
            if state_at is state:
                self.happening.remove((state_at, act))
                act()
        return super().names(state)


def test_a_job_that_moves_on_while_it_is_looked_for_is_met_again(spool_path):
    # Given a job that is claimed between the listing of queued and that of running
    store = Interrupted(spool_path, host="host-a")
    store.happening = []
    stem = submitted(store)
    store.happening = [(State.RUNNING, lambda: claimed(Store(spool_path, host="host-a"), stem))]
    # When it is looked for, Then it is found, where it is now
    assert find(store, stem.uuid).state is State.RUNNING


def test_a_job_that_moves_back_while_it_is_looked_for_is_not_missed(spool_path):
    # Given a failed job that is retried after queued was listed and before failed is
    store = Interrupted(spool_path, host="host-a")
    store.happening = []
    entry = ended(store, submitted(store), "exit")
    store.happening = [(State.FAILED, lambda: retry(Store(spool_path), entry))]
    # When it is looked for, Then it is found in the queue
    assert find(store, entry.stem.uuid).state is State.QUEUED


def test_entries_are_in_the_order_of_service_within_their_state(store):
    # Given jobs of several priorities, one running, one done, and what is no job
    stems = [submitted(store, level) for level in ("low", "normal", "urgent")]
    running = claimed(store, submitted(store)).running
    done = ended(store, submitted(store))
    (store.layout.state(State.QUEUED) / "drop.json").write_text("{}")
    (store.layout.state(State.RUNNING) / "x.json").write_text("{}")
    (store.layout.state(State.COMPLETED) / "README").write_text("")
    # When they are listed
    found = entries(store, [State.QUEUED, State.RUNNING, State.COMPLETED])
    # Then state by state, in order, and jobs only
    assert [entry.stem.uuid for entry in found] == [
        stems[2].uuid,
        stems[1].uuid,
        stems[0].uuid,
        running.stem.uuid,
        done.stem.uuid,
    ]


def test_the_newest_of_a_state_come_first(store):
    # Given five completed jobs, When the newest are asked for, Then they come from the last back
    done = [ended(store, submitted(store)) for _ in range(5)]
    assert newest(store, State.COMPLETED, 2) == [done[4], done[3]]
    assert newest(store, State.COMPLETED, 9) == done[::-1]
    assert newest(store, State.FAILED, 3) == []


def test_the_position_is_how_many_are_served_before(store):
    # Given jobs of several priorities, and drops that are no jobs yet
    stems = {level: submitted(store, level) for level in ("low", "normal", "high", "urgent")}
    for name in ("0.json", "1-x.json", ".hidden.json"):
        store.layout.drop(name).write_text("{}")
    # When their positions are asked for, Then they count from 0 in the order of service
    assert [position(store, stems[level].uuid) for level in ("urgent", "high", "normal", "low")] == [0, 1, 2, 3]
    assert count_before(store, f"{stems['low']}.json") == 3


def test_only_a_queued_job_has_a_position(store):
    # Given a running and an ended job, When their position is asked for, Then the error says where they are
    taken = claimed(store, submitted(store))
    with pytest.raises(NotAllowed, match="it is running"):
        position(store, taken.running.stem.uuid)
    entry = ended(store, submitted(store))
    with pytest.raises(NotAllowed, match="it is completed"):
        position(store, entry.stem.uuid)


def test_nothing_is_opened_to_tell_a_position(store):
    # Given a queue of files that nobody could read as jobs
    stems = [new_stem(parse_stamp("20261120T120730.123456Z")) for _ in range(3)]
    for stem in stems:
        os.mkfifo(store.layout.queued(stem))
    # When positions are asked for, Then they come from names alone
    assert [position(store, str(stem.uuid)) for stem in sorted(stems, key=str)] == [0, 1, 2]


def test_names_of_strangers_are_no_jobs_whatever_is_looked_for(store):
    # Given a job, and files with names that nobody expects, in every state's directory
    stem = submitted(store)
    for state in State:
        for name in ("z", "z@", "@", "-", "9-", ".json", "z.json@y.json", "zzzz-9999.json"):
            (store.layout.state(state) / name).write_text("{}")
    # When jobs are looked for in each way, Then only the job is found
    assert find(store, "last").stem == find(store, stem.key).stem == find(store, stem.uuid[:8]).stem == stem
    for word in ("z", "zzzz-9999", "9-"):  # none is the beginning of an id
        with pytest.raises(JobNotFound):
            find(store, word)


def test_a_position_lists_the_queue_once(store, monkeypatch):
    # Given some jobs, and a count of the listings
    stems = [submitted(store) for _ in range(3)]
    listed = []
    names = store.names
    monkeypatch.setattr(store, "names", lambda state: listed.append(state) or names(state))
    # When a position is asked for, Then each directory was listed once: a deep one takes long
    assert position(store, stems[2].uuid) == 2
    assert sorted(listed) == sorted(State)
    listed.clear()
    assert position(store, "last") == 2
    assert sorted(listed) == sorted(State)
