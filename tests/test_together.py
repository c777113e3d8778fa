"""Several submissions at once: each as safe as one alone, in their order, each with a fault of its own."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from spoolq import together
from spoolq.errors import SpoolUnusable
from spoolq.store import Store
from spoolq.together import Draft
from spoolq.transitions import State
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.trees import places, queue


def drafts(count: int) -> list[Draft]:
    return [Draft(json.dumps({"command": ["true", str(n)]}).encode()) for n in range(count)]


def in_turn(step, batch) -> None:
    for draft in batch:
        step(draft)


def side_by_side(step, batch) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(step, batch))


@pytest.mark.parametrize("each", [in_turn, side_by_side])
def test_they_are_queued_in_their_order_as_they_were_given(store, each):
    # Given fifty, When they are published together
    batch = drafts(50)
    together.publish(store, batch, each)
    # Then each is one file with its bytes, in that order, and nothing is left over
    assert queue(store) == [draft.stem.uuid for draft in batch]
    assert [store.layout.queued(draft.stem).read_bytes() for draft in batch] == [draft.data for draft in batch]
    assert os.listdir(store.layout.tmp) == []
    assert all(draft.fault is None for draft in batch)


def test_priorities_are_kept(store):
    batch = [Draft(b"{}", "low"), Draft(b"{}", "urgent")]
    together.publish(store, batch, in_turn)
    assert [draft.stem.priority for draft in batch] == ["low", "urgent"]
    assert queue(store) == [batch[1].stem.uuid, batch[0].stem.uuid]


def test_each_is_on_disk_before_it_has_a_name_and_all_names_before_any_is_told(store):
    # Given a disk that tells its steps, When three are published
    with observed(store, Steps()) as steps:
        together.publish(store, drafts(3), in_turn)
    # Then contents, names and directory reach the disk in that order
    assert steps.names == ["create", "write"] * 3 + ["fsync"] * 3 + ["rename"] * 3 + ["fsync"]
    assert steps.seen[-1][1] == store.layout.state(State.QUEUED)


def test_without_durability_nothing_is_waited_for(store):
    store.disk.durable = False
    with observed(store, Steps()) as steps:
        together.publish(store, drafts(2), in_turn)
    assert "fsync" not in steps.names and len(queue(store)) == 2


#: The first three calls are of the first draft's file; of two drafts there are 4 + 2 + 2 + 1 calls.
@pytest.mark.parametrize("number", [1, 2, 5, 7])
def test_the_fault_of_one_is_its_own(store, number):
    # Given a disk that refuses one call for the first of two
    batch = drafts(2)
    with observed(store, Steps(number, refuse(errno.ENOSPC))) as steps:
        together.publish(store, batch, in_turn)
    # Then that one has its fault, and left nothing; the other is queued
    assert len(steps.seen) >= number
    assert isinstance(batch[0].fault, SpoolUnusable) and batch[0].stem is None
    assert "No space left on device. Nothing was queued" in str(batch[0].fault)
    assert queue(store) == [batch[1].stem.uuid]
    assert os.listdir(store.layout.tmp) == []


def test_what_cannot_be_made_durable_is_withdrawn(store):
    # Given a disk that refuses the last call, the directory's fsync
    batch = drafts(3)
    with observed(store, Steps(13, refuse(errno.EIO))):
        together.publish(store, batch, in_turn)
    # Then nobody is told that his job is queued, and none is
    assert all(draft.stem is None and "while making it durable" in str(draft.fault) for draft in batch)
    assert places(store) == {}


def test_one_that_was_claimed_meanwhile_runs_and_is_told_as_queued(store):
    # Given a runner that claims the first of two before the directory's fsync, which fails
    batch = drafts(2)

    def claim_and_refuse() -> None:
        store.layout.queued(batch[0].stem).rename(store.root / "claimed")
        raise OSError(errno.EIO, "refused")

    with observed(store, Steps(9, claim_and_refuse)):
        together.publish(store, batch, in_turn)
    assert batch[0].stem is not None and batch[0].fault is None
    assert batch[1].stem is None and batch[1].fault is not None


def test_a_lost_reply_is_no_fault(store):
    store.disk = LostReplies(errno.EIO)
    batch = drafts(2)
    together.publish(store, batch, in_turn)
    assert queue(store) == [draft.stem.uuid for draft in batch]


def test_a_queue_that_is_gone_is_everybodys_fault(store):
    store.layout.state(State.QUEUED).rename(store.root / "aside")
    batch = drafts(2)
    together.publish(store, batch, in_turn)
    assert all(isinstance(draft.fault, SpoolUnusable) for draft in batch)


def test_stamps_never_meet_those_of_another_batch(store):
    for _ in range(5):
        together.publish(store, drafts(20), side_by_side)
    other = Store(store.root)
    together.publish(other, drafts(20), side_by_side)
    names = os.listdir(store.layout.state(State.QUEUED))
    assert len(names) == len(set(names)) == 120
