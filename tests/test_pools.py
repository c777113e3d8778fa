"""Leases: one holder a resource, whoever asks at once, whatever is killed, however the disk lies."""

import collections
import contextlib
import errno
import os
import time

import pytest

from spoolq import pools
from spoolq.errors import LeaseLost, NoneFree, PoolUnknown
from spoolq.pools import acquire, expire, heartbeat, heartbeat_all, look, release, shelves
from spoolq.settings import Settings
from spoolq.stock import add, drain
from spoolq.store import Store
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.shelves import age, holders, stocked
from tests.spooltest.users import in_child
from tests.spooltest.waiting import wait_for

#: Exit status of a child that was ended at its step.
CUT = 9


def stamp(store, kind, index):
    (lease,) = [lease for lease in look(store, kind).leases if lease.index == index]
    return store.layout.resource(kind, lease.name).stat().st_mtime


def test_the_lowest_free_one_is_leased_and_comes_back(store):
    # Given three resources
    kind = stocked(store, count=3)
    # When they are leased one after another, Then the lowest first
    leased = [acquire(store, kind, f"w{n}", "j") for n in range(3)]
    assert [(one.index, one.resource["port"], one.fresh) for one in leased] == [
        (0, 0, True),
        (1, 1, True),
        (2, 2, True),
    ]
    # and then there is none
    with pytest.raises(NoneFree):
        acquire(store, kind, "w9", "j")
    # When one comes back, Then the next has it
    release(store, kind, "w1", "j", 1)
    assert acquire(store, kind, "w9", "j").index == 1
    assert holders(store) == {0: ("w0", "j"), 1: ("w9", "j"), 2: ("w2", "j")}


def test_asking_again_gives_the_same_and_counts_as_a_heartbeat(store):
    # Given a lease that has not been touched for a while
    kind = stocked(store, count=2)
    first = acquire(store, kind, "w", "j")
    age(store, 100)
    # When the same two ask again, Then it is the same one, and it is touched
    again = acquire(store, kind, "w", "j")
    assert (again.index, again.resource, again.fresh) == (first.index, first.resource, False)
    assert store.server_time() - stamp(store, kind, 0) < 50
    # and another job of the same worker has one of its own
    assert acquire(store, kind, "w", "k").index == 1


def test_a_type_that_is_not_there_is_unknown(store):
    # Given no such type, or a text that can be none, When it is asked for, Then it is unknown
    for kind in ("a_1", "", "..", "../queued", "a/b", "\0", ".load.lock", "x" * 99):
        with pytest.raises(PoolUnknown):
            acquire(store, kind, "w", "j")
        with pytest.raises(LeaseLost):
            release(store, kind, "w", "j", 0)
        with pytest.raises(LeaseLost):
            heartbeat(store, kind, "w", "j", 0)
    # and a folder without resources, and what is no folder, are no types
    store.layout.pool("empty").mkdir()
    store.layout.pool("file").write_text("x")
    assert shelves(store) == {}
    with pytest.raises(PoolUnknown):
        acquire(store, "empty", "w", "j")
    with pytest.raises(PoolUnknown):
        acquire(store, "file", "w", "j")
    assert heartbeat_all(store, "w") == {}


def test_only_its_holder_may_keep_or_give_back_a_lease(store):
    # Given a lease, When anybody else, or for another job or number, acts on it, Then there is no such lease
    kind = stocked(store)
    acquire(store, kind, "w", "j")
    for worker, job, index in (("v", "j", 0), ("w", "k", 0), ("w", "j", 1), ("w", "j", -1)):
        with pytest.raises(LeaseLost):
            heartbeat(store, kind, worker, job, index)
        with pytest.raises(LeaseLost):
            release(store, kind, worker, job, index)
    assert holders(store) == {0: ("w", "j"), 1: None}


def test_heartbeats_of_one_and_of_all(store):
    # Given leases of two workers in two types
    for kind in ("a_1", "b_1"):
        stocked(store, kind, 3)
        acquire(store, kind, "w", "j")
        acquire(store, kind, "v", "j")
        age(store, 100, kind)
    acquire(store, "a_1", "w", "k")
    # When one lease is beaten for, Then it is young, and the others are not
    heartbeat(store, "a_1", "w", "j", 0)
    now = store.server_time()
    assert now - stamp(store, "a_1", 0) < 50 < now - stamp(store, "a_1", 1)
    # When a worker beats for all that it has, Then by type, and nobody else's
    assert heartbeat_all(store, "w") == {"a_1": 2, "b_1": 1}
    now = store.server_time()
    assert now - stamp(store, "b_1", 0) < 50 < now - stamp(store, "b_1", 1)
    assert heartbeat_all(store, "nobody") == {}


def test_a_lease_runs_out_strictly_after_its_time(store):
    # Given two leases, one of which was touched a while ago
    kind = stocked(store)
    acquire(store, kind, "w", "j")
    acquire(store, kind, "v", "j")
    beat = stamp(store, kind, 0)
    # When they are looked at as old as they may be, Then none has run out; a moment later both have
    assert list(expire(store, 60.0, beat + 60.0)) == []
    age(store, 1, numbers=[1])
    ((gone, lease),) = expire(store, 60.0, beat + 60.0)
    assert (gone, lease.index) == (kind, 1)
    assert holders(store) == {0: ("w", "j"), 1: None}
    # and its late holder is told so
    with pytest.raises(LeaseLost):
        heartbeat(store, kind, "v", "j", 1)


def test_a_lease_is_never_older_than_itself(store):
    # Given a resource that was put there long ago
    kind = stocked(store, count=1)
    path = store.layout.resource(kind, "000000.json")
    os.utime(path, (1e9, 1e9))
    # When it is leased, Then that is when its time begins
    acquire(store, kind, "w", "j")
    assert list(expire(store, 60.0, store.server_time())) == []


def test_a_draining_type_keeps_its_leases_and_gives_no_new_ones(store):
    # Given a type with one lease that is drained
    kind = stocked(store)
    acquire(store, kind, "w", "j")
    assert drain(store, kind) is True
    # When somebody asks, Then its holder has it still, and nobody else gets one
    assert acquire(store, kind, "w", "j").index == 0
    with pytest.raises(NoneFree):
        acquire(store, kind, "v", "j")
    # When it is opened again, Then they do
    drain(store, kind, on=False)
    assert acquire(store, kind, "v", "j").index == 1


def test_what_is_no_resource_is_passed_over(store):
    # Given files under the names of resources that hold none
    kind = stocked(store, count=3)
    store.layout.resource(kind, "000000.json").write_text("{")
    store.layout.resource(kind, "000001.json").unlink()
    store.layout.resource(kind, "000001.json").symlink_to(store.layout.resource(kind, "000002.json"))
    # When one is asked for, Then it is the whole one
    assert acquire(store, kind, "w", "j").index == 2
    with pytest.raises(NoneFree):
        acquire(store, kind, "v", "j")


def test_a_place_that_was_taken_by_hand_costs_no_resource(store):
    # Given a lease in whose place somebody has put another file
    kind = stocked(store)
    acquire(store, kind, "w", "j")
    store.layout.resource(kind, "000000.json").write_text('{"other": 1}')
    # When it is given back, Then both are there
    release(store, kind, "w", "j", 0)
    assert look(store, kind).free == [0, 1, 2]


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ESTALE, errno.EIO])
def test_a_lost_reply_is_no_lost_lease(store, code):
    # Given a client that says of a rename that there was no such file although the server has done it
    kind = stocked(store)
    store.disk = LostReplies(code)
    # When a resource is leased, Then it is
    assert acquire(store, kind, "w", "j").index == 0
    assert holders(store) == {0: ("w", "j"), 1: None}
    # and when it is given back, Then it is free, whatever was said
    store.disk = LostReplies(errno.ENOENT)
    release(store, kind, "w", "j", 0)
    assert holders(store) == {0: None, 1: None}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_what_the_disk_refuses_changes_nothing(store, code):
    # Given a disk that refuses one call, When a resource is leased, Then that is said, and it is nobody's
    kind = stocked(store)
    with observed(store, Steps()) as steps:
        acquire(store, kind, "w", "j")
    release(store, kind, "w", "j", 0)
    for number in range(1, len(steps.seen) + 1):
        with observed(store, Steps(number, refuse(code))), pytest.raises(OSError) as caught:
            acquire(store, kind, "w", "j")
        assert caught.value.errno == code
        assert holders(store) == {0: None, 1: None}


def moves():
    """What is cut short: what comes before, the move, and whether a lease of ours may stand afterwards."""
    return {
        "acquire": (lambda store: None, lambda store: acquire(store, "a_1", "w", "j")),
        "acquire again": (
            lambda store: acquire(store, "a_1", "w", "j"),
            lambda store: acquire(store, "a_1", "w", "j"),
        ),
        "heartbeat": (
            lambda store: acquire(store, "a_1", "w", "j"),
            lambda store: heartbeat(store, "a_1", "w", "j", 1),
        ),
        "release": (
            lambda store: acquire(store, "a_1", "w", "j"),
            lambda store: release(store, "a_1", "w", "j", 1),
        ),
        "expire": (
            lambda store: (acquire(store, "a_1", "w", "j"), age(store, 100, numbers=[1])),
            lambda store: list(expire(store, 60.0, store.server_time())),
        ),
    }


@pytest.mark.parametrize("name", moves())
def test_a_kill_at_any_step_leaves_each_resource_once(store, name):
    # Given a move, and a lease of somebody else beside it
    before, act = moves()[name]
    stocked(store, count=2)
    acquire(store, "a_1", "other", "k")
    before(store)
    with observed(store, Steps()) as steps:
        act(store)
    for number in range(1, len(steps.seen) + 1):
        for lease in look(store, "a_1").leases:
            if lease.is_of("w"):
                pools.give_back(store, "a_1", lease)
        before(store)

        def run(at=number):
            own = Store(store.root, host="host-a")
            own.disk.step = Steps(at, lambda: os._exit(CUT))
            act(own)

        # When it is killed before one of its calls
        assert in_child(run) in (0, CUT)
        # Then both resources are there, each once, the other's is the other's
        found = holders(store)
        assert found[0] == ("other", "k")
        assert found[1] in (None, ("w", "j"))
        # and whoever asks again goes on as if nothing had been
        assert acquire(store, "a_1", "w", "j").index == 1
        release(store, "a_1", "w", "j", 1)
    assert os.listdir(store.layout.tmp) == [] or name == "expire"


@pytest.mark.parametrize("locked", [True, False])
def test_processes_that_ask_at_once_never_share_a_resource(tmp_path, store, locked):
    # Given three resources and six processes that want one again and again, with the lock and without it
    stocked(store, count=3)
    stop, told = tmp_path / "stop", tmp_path / "told"
    told.touch()

    def play(number):
        own = Store(store.root, host="host-a", settings=Settings(durability="process"))
        if not locked:
            own.locked = lambda **_: contextlib.nullcontext()
        with told.open("ab", buffering=0) as log:
            while not stop.exists():
                try:
                    leased = acquire(own, "a_1", f"w{number}", "j")
                except NoneFree:
                    continue
                log.write(b"+ %d\n" % leased.index)
                log.write(b"- %d\n" % leased.index)
                release(own, "a_1", f"w{number}", "j", leased.index)

    pids = []
    for number in range(6):
        pid = os.fork()
        if pid == 0:
            try:
                play(number)
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    # When that goes on for a while
    try:
        wait_for(lambda: told.stat().st_size > 6000, timeout=30, what="a thousand leases")
    finally:
        stop.touch()
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    # Then nobody met anything unexpected, and no resource was taken by one while another had it
    assert statuses == [0] * 6
    held = collections.Counter()
    for line in told.read_text().splitlines():
        sign, index = line.split()
        held[index] += 1 if sign == "+" else -1
        assert held[index] in (0, 1), f"resource {index} had two holders"
    assert holders(store) == {0: None, 1: None, 2: None}


def test_one_that_is_asked_for_twice_at_once_is_leased_once(store):
    # Given a worker that asks again while its first request is under way
    stocked(store, count=4)
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                acquire(Store(store.root, host="host-a"), "a_1", "w", "j")
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    # When all are answered, Then it has one resource
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    assert collections.Counter(holders(store).values())[("w", "j")] == 1


def test_a_look_at_many_types_is_quick(store):
    # Given a hundred types of four, When all are looked at, Then in a moment
    for kind in range(100):
        store.layout.pool(f"t{kind}").mkdir()
        for index in range(4):
            store.layout.resource(f"t{kind}", f"{index:06d}.json").write_text("{}")
    began = time.monotonic()
    assert len(shelves(store)) == 100
    assert time.monotonic() - began < 0.5


def test_add_makes_a_type(store):
    # Given nothing, When a resource is added, Then there is its type
    assert add(store, "a_1", {"host": "h", "port": 0}) == 0
    assert shelves(store)["a_1"].total == 1
