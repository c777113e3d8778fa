"""`after`: a job runs when its parents have completed, ends when one never will, and never waits for itself."""

import itertools

import pytest

from spoolq import parents
from spoolq.attempt import accept
from spoolq.errors import RequestInvalid
from spoolq.find import find
from spoolq.history import attempts, events
from spoolq.jobs import describe
from spoolq.names import new_uuid
from spoolq.orphans import end_orphan
from spoolq.parents import Family, refuse_circle, wanted
from spoolq.people import cancel, retry
from spoolq.prune import prune
from spoolq.submit import publish
from spoolq.transitions import State
from spoolq.upcoming import Upcoming
from tests.spooltest.jobs import REQUEST, claimed, ended, opened, say, submitted

NOWHERE = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


def taken(store):
    found = Upcoming(store, "gpu0", print).claim()
    return found and found.running.stem


def run(store, stem):
    """What a runner does with a claimed job that may be an orphan."""
    found = claimed(store, stem)
    return end_orphan(store, found.running, accept(store, found), say)


def circle(store, size):
    """Jobs that name themselves, each after the one before, the first after the last."""
    ids = [new_uuid() for _ in range(size)]
    stems = []
    for place, uuid in enumerate(ids):
        document = {"request": REQUEST, "after": [ids[place - 1]]}
        stems.append(publish(store, document, uuid=uuid))
    return stems


def test_a_child_waits_for_all_of_its_parents(store):
    # Given a child of two parents
    one, two = submitted(store), submitted(store)
    child = submitted(store, "urgent", after=[one.uuid, two.uuid])
    # When they complete, one after the other, Then it is had after the second, though it is first in the queue
    for parent in (one, two):
        assert taken(store) != child
        for name in list(store.names(State.RUNNING)):
            (store.layout.state(State.RUNNING) / name).rename(store.layout.queued(parent))
        ended(store, parent)
    assert taken(store) == child


@pytest.mark.parametrize("how", ["failed", "cancelled", "nowhere"])
def test_a_child_whose_parent_will_never_complete_ends_so(store, how):
    # Given a parent that ended otherwise, or is nowhere
    parent = submitted(store)
    uuid = NOWHERE if how == "nowhere" else parent.uuid
    if how == "failed":
        ended(store, parent, "exit")
    elif how == "cancelled":
        cancel(store, find(store, parent.uuid))
    child = submitted(store, "urgent", after=[uuid], max_attempts=1)
    # When a runner claims it, Then it has failed, without an attempt, and its record says why
    assert run(store, child)
    record = describe(store, find(store, child.uuid))
    assert (record["status"], record["outcome"], record["attempt"]) == ("failed", "dependency_failed", 0)
    assert uuid in record["error"]
    assert record["after"] == [uuid]
    assert [event["event"] for event in events(store, child.key)] == ["finished"]


def test_the_children_of_a_child_end_too(store):
    # Given a grandchild
    parent = submitted(store)
    child = submitted(store, after=[parent.uuid])
    grandchild = submitted(store, after=[child.uuid])
    # When the parent fails, and its child with it, Then the grandchild is not held any more, and ends so
    ended(store, parent, "exit")
    assert taken(store) == child
    (running,) = store.names(State.RUNNING)
    (store.layout.state(State.RUNNING) / running).rename(store.layout.queued(child))
    assert run(store, child)
    assert taken(store) == grandchild


def test_a_child_whose_parents_have_completed_is_no_orphan(store):
    parent = submitted(store)
    ended(store, parent)
    assert not run(store, submitted(store, after=[parent.uuid]))
    assert not run(store, submitted(store))


def test_a_retried_parent_is_waited_for_again(store):
    # Given a failed parent, and a child
    entry = ended(store, submitted(store), "exit")
    child = submitted(store, after=[entry.stem.uuid])
    # When the parent is retried, Then the child waits
    retry(store, entry)
    assert not run(store, child)


def test_a_parent_that_moved_while_the_directories_were_listed_is_not_nowhere(store, monkeypatch):
    # Given a parent that goes back into the queue after that was listed
    parent = submitted(store)
    child = submitted(store, after=[parent.uuid])
    names = store.names
    looks = []

    def against(state):
        looks.append(state)
        found = names(state)
        return [] if state is State.QUEUED and looks.count(state) == 1 else found

    monkeypatch.setattr(store, "names", against)
    # When its family is asked, Then it looks again
    assert Family(store).doom([parent.uuid]) is None
    assert looks.count(State.QUEUED) == 2
    assert child


@pytest.mark.parametrize("size", [1, 2, 5])
def test_jobs_that_wait_for_each_other_are_refused(store, size):
    # Given a circle of jobs that have named themselves, and one behind it
    stems = circle(store, size)
    behind = submitted(store, after=[stems[0].uuid])
    # When a runner claims, Then one of the circle is refused, and the one behind is not: it waits for its parent's end
    found = Upcoming(store, "gpu0", print).claim()
    assert found.running.stem in stems
    with pytest.raises(RequestInvalid, match="after itself"):
        accept(store, found)
    refuse_circle(store, behind, [stems[0].uuid])


def test_a_long_chain_is_walked_once(store, monkeypatch):
    # Given a chain of jobs
    chain = [submitted(store)]
    for _ in range(60):
        chain.append(submitted(store, after=[chain[-1].uuid]))
    read = []
    plain = parents.read_regular
    monkeypatch.setattr(parents, "read_regular", lambda path, limit: read.append(path) or plain(path, limit))
    family = Family(store)
    # When each is asked about, Then no file is read twice
    for before, stem in itertools.pairwise(chain):
        assert not family.is_circular(stem.uuid, [before.uuid])
    assert len(read) <= len(chain)


def test_a_diamond_is_no_circle(store):
    top = submitted(store)
    sides = [submitted(store, after=[top.uuid]) for _ in range(2)]
    assert not Family(store).is_circular(new_uuid(), [side.uuid for side in sides])


class TestPrune:
    def test_parents_that_are_waited_for_are_kept(self, store):
        # Given two ended jobs, one of which a queued job waits for, and one that a running job was to come after
        kept, gone, used = (ended(store, submitted(store)).stem for _ in range(3))
        submitted(store, after=[kept.uuid, submitted(store).uuid])
        opened(store, claimed(store, submitted(store, after=[used.uuid])))
        assert wanted(store) >= {kept.uuid, used.uuid}
        # When all ended jobs are pruned, Then those are kept, and counted as kept
        report = prune(store)
        assert report.jobs == {"completed": [gone.uuid]}
        assert report.kept == 2
        assert {stem.uuid for stem in (kept, used)} == {name[-41:-5] for name in store.names(State.COMPLETED)}

    def test_when_nobody_waits_they_go(self, store):
        done = ended(store, submitted(store)).stem
        cancel(store, find(store, submitted(store, after=[done.uuid]).uuid))
        assert prune(store).jobs["completed"] == [done.uuid]


def test_a_queued_file_that_vanishes_has_no_parents(store):
    family = Family(store)
    stem = submitted(store, after=[NOWHERE])
    assert stem.uuid in family.places
    store.layout.queued(stem).unlink()
    assert family.of(stem.uuid) == ()


@pytest.mark.parametrize("after", ["x", [1], {}, None])
def test_what_is_no_list_of_ids_names_nobody(after):
    assert parents.parents_in({"after": after}) == ()


@pytest.mark.parametrize("data", [b"", b"{", b'{"after": ["x"]}', b'["after"]', b'{"request": {"after": ["x"]}}'])
def test_a_file_that_is_no_envelope_names_nobody(data):
    assert parents.parents_of(data) == ()


def test_a_recovered_claim_of_a_held_job_is_no_attempt(store):
    # Given a job that a runner has claimed, and was killed before it could give it back
    from spoolq.recover import take_over

    parent = submitted(store)
    child = submitted(store, after=[parent.uuid], max_attempts=1)
    found = claimed(store, child)
    store.server_time = lambda: found.since + 10.0
    # When the claim is recovered, Then the job is queued, and has all its attempts
    assert take_over(store, found.running, "gpu0", say)
    assert find(store, child.uuid).state is State.QUEUED
    assert attempts(events(store, child.key)) == 0
    # When its parent has failed meanwhile, Then it ends so
    ended(store, parent, "exit")
    found = claimed(store, child)
    store.server_time = lambda: found.since + 10.0
    assert take_over(store, found.running, "gpu0", say)
    assert describe(store, find(store, child.uuid))["outcome"] == "dependency_failed"
