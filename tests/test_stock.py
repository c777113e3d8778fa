"""What the operator does to pools: add, remove, drain, look."""

import os

import pytest

from spoolq.create import create
from spoolq.errors import NotAllowed, PoolUnknown, RequestInvalid
from spoolq.pools import MAX_RESOURCE, acquire, look, release
from spoolq.stock import add, drain, pools, remove
from spoolq.store import Store
from tests.spooltest.faults import Steps, observed
from tests.spooltest.shelves import holders, stocked
from tests.spooltest.users import in_child

CUT = 9


def test_resources_get_numbers_one_after_another(store):
    # Given resources that are added, one of them while another is leased, When they are listed, Then with all there is
    assert [add(store, "a_1", {"host": "h", "port": port}) for port in (0, 1)] == [0, 1]
    acquire(store, "a_1", "w", "j")
    assert add(store, "a_1", {"host": "h", "port": 2}) == 2
    (pool,) = pools(store)
    assert (pool.kind, pool.draining) == ("a_1", False)
    assert [(row.index, row.resource["port"], row.worker, row.job) for row in pool.resources] == [
        (0, 0, "w", "j"),
        (1, 1, None, None),
        (2, 2, None, None),
    ]
    assert abs(pool.resources[0].beat - store.server_time()) < 10


def test_what_cannot_be_read_is_listed_as_such(store):
    # Given a file under a resource's name that holds none, When the pool is listed, Then it is there, without content
    stocked(store)
    store.layout.resource("a_1", "000001.json").write_text("[")
    assert [row.resource for row in pools(store)[0].resources] == [{"host": "h", "port": 0}, None]


@pytest.mark.parametrize("kind", ["", "..", "a/b", "-a", "é", "x" * 65, "a\n"])
def test_a_type_that_can_be_none_is_refused(store, kind):
    # Given a text that can be no type, When a resource of it is added, Then nothing is made
    with pytest.raises(RequestInvalid):
        add(store, kind, {})
    assert os.listdir(store.layout.pools) == []


def test_a_resource_that_nobody_could_read_is_refused(store):
    with pytest.raises(RequestInvalid):
        add(store, "a", {"x": "y" * MAX_RESOURCE})
    assert os.listdir(store.layout.pools) == []


def test_drain_says_whether_it_changed_anything(store):
    # Given a type, When it is drained twice and opened twice, Then the second time nothing changes
    kind = stocked(store)
    assert [drain(store, kind), drain(store, kind), drain(store, kind, on=False), drain(store, kind, on=False)] == [
        True,
        False,
        True,
        False,
    ]
    with pytest.raises(PoolUnknown):
        drain(store, "none")


def test_one_resource_is_removed_and_only_if_nobody_has_it(store):
    # Given three, one of which is leased
    kind = stocked(store, count=3)
    acquire(store, kind, "w", "j")
    # When they are removed one by one, Then the free ones go
    assert remove(store, kind, 1) == 1
    with pytest.raises(NotAllowed, match=r"a_1\[0\] by w"):
        remove(store, kind, 0)
    with pytest.raises(PoolUnknown):
        remove(store, kind, 1)
    assert holders(store) == {0: ("w", "j"), 2: None}
    assert not look(store, kind).draining


def test_a_type_is_removed_once_all_is_given_back(store):
    # Given a type with a lease
    kind = stocked(store, count=3)
    acquire(store, kind, "w", "j")
    # When it is removed, Then the free ones go, and no more leases are given
    with pytest.raises(NotAllowed):
        remove(store, kind)
    assert holders(store) == {0: ("w", "j")} and look(store, kind).draining
    # When the lease has ended, Then the rest goes, and a type of that name begins anew
    release(store, kind, "w", "j", 0)
    assert remove(store, kind) == 1
    assert os.listdir(store.layout.pools) == []
    assert add(store, kind, {"host": "h", "port": 0}) == 0
    assert not look(store, kind).draining
    with pytest.raises(PoolUnknown):
        remove(store, "none")


@pytest.mark.parametrize(
    "act",
    [
        lambda store: add(store, "a_1", {"host": "h", "port": 2}),
        lambda store: drain(store, "a_1"),
        lambda store: remove(store, "a_1", 1),
        lambda store: remove(store, "a_1"),
    ],
    ids=["add", "drain", "remove one", "remove all"],
)
def test_a_kill_at_any_step_leaves_whole_resources(tmp_path, act):
    # Given a move on a type of two resources
    def fresh(name):
        create(tmp_path / name)
        store = Store(tmp_path / name, host="host-a")
        stocked(store)
        return store

    whole = fresh("whole")
    with observed(whole, Steps()) as steps:
        act(whole)
    for number in range(1, len(steps.seen) + 1):
        store = fresh(f"cut{number}")

        def run(at=number, root=store.root):
            own = Store(root, host="host-a")
            own.disk.step = Steps(at, lambda: os._exit(CUT))
            act(own)

        # When it is killed before one of its calls
        assert in_child(run) == CUT
        # Then what is there is whole, and the same can be done again
        assert set(holders(store)) <= {0, 1, 2}
        try:
            act(store)
        except PoolUnknown:  # it was done
            assert store.layout.pool("a_1").is_dir() is False or 1 not in holders(store)
