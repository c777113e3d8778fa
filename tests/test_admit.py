"""Dropped files: admitted when they are whole, rejected with a readable error when they never become so."""

import errno
import json
import os
import time

import pytest

from spoolq import history, requests
from spoolq.admit import Admission
from spoolq.documents import MAX_BYTES, MAX_DEPTH
from spoolq.files import Disk
from spoolq.find import find
from spoolq.finish import terminal_record
from spoolq.names import parse_queued, parse_stamp
from spoolq.people import prioritise
from spoolq.settings import Settings
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.jobs import claimed, submitted
from tests.spooltest.trees import assert_state, places, queue, record_of, set_aside_bytes
from tests.spooltest.users import NOBODY, needs_root
from tests.spooltest.waiting import pass_tick

GOOD = b'{"command": ["true"]}'


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said():
    return []


@pytest.fixture
def admission(store, clock, said):
    """Admission as the watcher has it, with the clock in hand; a drop that does not parse rests for 10 s."""
    return Admission(store, lambda document, uid: requests.accept(document, uid, store.settings), said.append, clock)


def drop(store, name: str, data: bytes = GOOD):
    """A file that a stranger puts into the queue; later than all before it, by the file server's clock."""
    pass_tick()
    path = store.layout.drop(name)
    path.write_bytes(data)
    return path


def only_job(store) -> str:
    """The id of the one job of the spool."""
    (job,) = places(store)
    return job


def test_a_whole_drop_becomes_a_job_at_once(store, admission, said):
    # Given a dropped request
    drop(store, "my eval.json", b'{ "command":\n["true"] }')
    # When admission looks
    assert admission.turn() == 1
    # Then it is queued, byte for byte, its history says as what it came, and somebody is told
    job = only_job(store)
    entry = find(store, job)
    assert queue(store) == [job]
    assert store.layout.queued(entry.stem).read_bytes() == b'{ "command":\n["true"] }'
    (event,) = history.events(store, entry.stem.key)
    assert (event["event"], event["dropped"], event["uid"]) == ("admitted", "my eval.json", os.getuid())
    assert said == [f"admitted 'my eval.json' as {job[:8]}"]
    assert not admission.unsettled and admission.next_look() is None
    # and the next look finds nothing to do
    assert admission.turn() == 0


@pytest.mark.parametrize("data", [GOOD, b'{"no": "request"}'])
def test_the_name_of_a_drop_is_on_disk_before_the_drop_goes(store, admission, data):
    # Given a drop, When it is admitted or rejected
    drop(store, "job.json", data)
    with observed(store, Steps()) as steps:
        assert admission.turn() == 1
    # Then the history that knows its name is synced before its file is renamed
    names = [(step, path.name) for step, path in steps.seen]
    assert ("fsync", "history.jsonl") in names[: steps.names.index("rename")]
    assert find(store, "job.json")


def test_drops_are_served_in_the_order_in_which_they_came(store, admission):
    # Given drops whose names sort the other way round
    for name in ("c.json", "b.json", "a.json"):
        drop(store, name)
    # When they are admitted together, Then they stand in the order of their arrival
    assert admission.turn() == 3
    names = [history.events(store, find(store, job).stem.key)[0]["dropped"] for job in queue(store)]
    assert names == ["c.json", "b.json", "a.json"]


def test_a_drop_stands_where_it_came_not_where_it_was_admitted(store, admission):
    # Given a drop between two submissions, which nobody has looked at yet
    first = submitted(store)
    drop(store, "job.json")
    pass_tick()
    last = submitted(store)
    # When it is admitted, Then its place is between them
    admission.turn()
    order = queue(store)
    assert (order[0], order[2]) == (first.uuid, last.uuid) and len(order) == 3


def test_an_old_file_that_is_moved_in_is_stamped_with_its_arrival(store, admission, tmp_path):
    # Given a file of last year, When it is moved into the queue
    path = tmp_path / "old.json"
    path.write_bytes(GOOD)
    os.utime(path, (time.time() - 3e7, time.time() - 3e7))
    path.rename(store.layout.drop("old.json"))
    admission.turn()
    # Then it was created when it came, not when it was written
    stamp = parse_stamp(find(store, only_job(store)).stem.stamp)
    assert abs(stamp.timestamp() - time.time()) < 5


def test_no_two_drops_get_the_same_stamp(store, admission):
    # Given many drops in one tick of the file server's clock
    for number in range(20):
        store.layout.drop(f"{number:02}.json").write_bytes(GOOD)
    # When they are admitted, Then each has a moment of its own
    assert admission.turn() == 20
    assert len({find(store, job).stem.stamp for job in queue(store)}) == 20


@pytest.mark.parametrize("level", ["urgent", "high", "normal", "low"])
def test_an_envelopes_priority_is_its_place(store, admission, level):
    # Given a dropped envelope with a priority, When it is admitted, Then its name has it
    drop(store, "job.json", b'{"request": {"command": ["true"]}, "priority": "%s"}' % level.encode())
    admission.turn()
    assert find(store, only_job(store)).stem.priority == level


def test_what_is_not_whole_yet_is_left_alone_until_it_is(store, admission, clock):
    # Given a file that is being copied: empty first, then half
    path = drop(store, "job.json", b"")
    assert admission.turn() == 0 and admission.unsettled
    clock.now += 9
    path.write_bytes(GOOD[:10])
    assert admission.turn() == 0
    # When more than the time of rest has passed since the first look, but not since it last changed
    clock.now += 9
    assert admission.turn() == 0
    assert path.read_bytes() == GOOD[:10]
    # and the copy is then complete, Then it is admitted at once
    path.write_bytes(GOOD)
    assert admission.turn() == 1 and not admission.unsettled
    assert_state(store, only_job(store), State.QUEUED)


def test_what_never_becomes_whole_is_rejected_after_its_rest(store, admission, clock, said):
    # Given half a file
    drop(store, "job.json", b'{"command": ["tr')
    assert admission.turn() == 0
    assert 0 < admission.next_look() <= 10
    clock.now += 9.99
    assert admission.turn() == 0
    # When it has rested for ten seconds
    clock.now += 0.02
    assert admission.turn() == 1
    # Then it failed, its error says where it is wrong, and its bytes are kept
    job = only_job(store)
    assert_state(store, job, State.FAILED)
    record = record_of(store, job)
    assert (record["outcome"], record["request"], record["submitted_by"]) == ("invalid", {}, os.getuid())
    assert "cannot take 'job.json': the file is no valid JSON" in record["error"]
    assert "line 1, column 14" in record["error"] and "submitted." in record["error"]
    assert set_aside_bytes(store, find(store, job).stem.key) == b'{"command": ["tr'
    assert [event["event"] for event in history.events(store, find(store, job).stem.key)] == ["admitted", "finished"]
    assert said[-1].startswith("rejected 'job.json'") and not admission.unsettled
    assert os.listdir(store.layout.tmp) == []
    # and it still answers to its name
    assert find(store, "job.json").stem.uuid == job


@pytest.mark.parametrize(
    ("data", "said_of_it"),
    [
        (b"", "empty"),
        (b"[1]", "a job is one JSON object"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"command": ["\\ud800"]}', "surrogate"),
        (b'{"command": ["true"], "x": 1e999}', "too large"),
        (b'{"a": "' + b"x" * MAX_BYTES + b'"}', "larger than"),
        (b"\x7fELF", "JSON"),
        (b"\xff\xfe", "UTF-8"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_can_be_no_document_is_rejected_after_its_rest(store, admission, clock, data, said_of_it):
    # Given a file that no time makes a document, When it has rested, Then it failed, and its bytes are kept
    drop(store, "job.json", data)
    assert admission.turn() == 0
    clock.now += 11
    assert admission.turn() == 1
    assert said_of_it in record_of(store, only_job(store))["error"]
    assert set_aside_bytes(store, find(store, only_job(store)).stem.key) == data


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"command": []}, "command"),
        ({"command": ["true"], "colour": "blue"}, "colour"),
        ({"what": "is this"}, "names no recipe"),
        ({"request": {"command": ["true"]}, "recipe": "none"}, "none"),
        ({"request": {"command": ["true"]}, "priorty": "high"}, "priorty"),
        ({"request": {"command": ["true"]}, "priority": ["high"]}, "priority"),
        ({"request": {"command": ["true"]}, "timeout": []}, "timeout"),
        ({"request": {"command": ["true"]}, "timeout": {"h": 1}}, "timeout"),
        ({"request": 7}, "request"),
        ({"model": {}, "tasks": 1}, "model"),
        ({"request": {"command": ["true"]}, "timeout": 10**400}, "timeout"),
        ({"request": {"command": ["true"]}, "max_attempts": 10**4000}, "max_attempts"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_no_recipe_can_take_is_rejected_at_once(store, admission, document, field):
    # Given a whole document that can be no job, of whatever types
    drop(store, "job.json", json.dumps(document).encode())
    # When admission looks, Then it is rejected, naming the field, and the request is in the record
    assert admission.turn() == 1
    record = record_of(store, only_job(store))
    assert record["outcome"] == "invalid" and field in record["error"] and len(record["error"]) < 3000
    inner = document.get("request")
    assert record["request"] == (inner if isinstance(inner, dict) else document)


def test_the_record_of_a_rejected_drop_of_the_deepest_nesting_can_be_read(store, admission):
    # Given a drop that is nested as deeply as is taken, and is no job
    drop(store, "job.json", b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)
    # When it was rejected, Then its record is one
    assert admission.turn() == 1
    entry = find(store, only_job(store))
    assert terminal_record(store.layout.terminal(State.FAILED, entry.stem.key)) is not None


def test_what_is_no_file_is_rejected_whole(store, admission, clock):
    # Given a folder, a link and a FIFO under a drop's name
    store.layout.drop("folder.json").mkdir()
    (store.layout.drop("folder.json") / "inside.json").write_text("{}")
    store.layout.drop("link.json").symlink_to("/etc/passwd")
    os.mkfifo(store.layout.drop("fifo.json"))
    assert admission.turn() == 0
    clock.now += 11
    # When they have rested, Then all have failed, nothing was followed or lost, and nothing blocked
    assert admission.turn() == 3
    for name, inside in (("folder.json", True), ("link.json", False), ("fifo.json", False)):
        entry = find(store, name)
        assert "no regular file" in record_of(store, entry.stem.uuid)["error"]
        folder = store.layout.run(entry.stem.key).path
        (original,) = [path for path in folder.iterdir() if path.name.startswith("submitted.")]
        assert (original / "inside.json").exists() is inside
    assert os.listdir(store.layout.state(State.QUEUED)) == []


def test_what_is_no_drop_is_never_touched(store, admission, clock):
    # Given a job, and what editors and copying programs leave
    stem = submitted(store)
    others = (".job.json", "job.json.part", "job.txt", "README")
    for name in others:
        store.layout.drop(name).write_bytes(b"{")
    # When admission looks for a long time, Then all stays as it was
    admission.turn()
    clock.now += 1000
    assert admission.turn() == 0
    assert sorted(os.listdir(store.layout.state(State.QUEUED))) == sorted([*others, f"{stem}.json"])


@pytest.mark.parametrize(
    "name", ["a b\n\x1b[31m.json", os.fsdecode(b"caf\xe9.json"), "'\"$(x).json", "-rf.json", "ü.json"]
)
def test_a_drop_of_any_name_is_admitted(store, admission, name):
    # Given a drop of whatever name, When it is admitted, Then its history can tell that name
    drop(store, name)
    assert admission.turn() == 1
    (event,) = history.events(store, find(store, only_job(store)).stem.key)
    assert event["dropped"] == name.encode("utf-8", "backslashreplace").decode()


def test_a_name_that_nearly_is_a_stem_is_a_drop(store, admission):
    # Given a file named like a job of a day that does not exist
    drop(store, "20261931T000000.000000Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427.json")
    # When admission looks, Then it becomes a job with a moment of its own
    assert admission.turn() == 1
    assert queue(store) != ["1b4e28ba-2fa1-4d2b-883f-0016d3cca427"]


@needs_root
def test_the_owner_of_the_file_is_the_submitter(store, admission):
    # Given a drop of another user in a spool that opens nothing to him
    os.chown(drop(store, "job.json"), NOBODY, -1)
    # When it is admitted, Then it is judged as his
    assert admission.turn() == 1
    record = record_of(store, only_job(store))
    assert (record["submitted_by"], record["outcome"]) == (NOBODY, "invalid")
    assert "not open to user 65534" in record["error"]


@pytest.mark.parametrize(
    "keys", [["k" * 1_000_000], [f"k{n}" for n in range(60_000)]], ids=["one of a megabyte", "sixty thousand"]
)
def test_what_a_stranger_calls_his_keys_makes_no_endless_error(store, admission, said, keys):
    # Given a document with keys that no recipe knows, more than any record or terminal has room for
    drop(store, "job.json", json.dumps({"command": ["true"], **dict.fromkeys(keys, 1)}).encode())
    # When it is rejected, Then record and operator are told in a few lines, and the record can be read
    assert admission.turn() == 1
    record = record_of(store, only_job(store))
    assert "there is no such field" in record["error"] and len(record["error"]) < 3000
    assert max(map(len, said)) < 3000


def test_a_fault_that_nobody_thought_of_costs_the_other_drops_nothing(store, clock, said):
    # Given a check that breaks for one of two drops
    def check(document, uid):
        requests.accept({"command": [document["command"][0]]}, uid, store.settings)

    drop(store, "a.json", b'{"command": {}}')
    drop(store, "b.json")
    # When admission looks, Then the other is admitted, and the one stays where it is
    assert Admission(store, check, said.append, clock).turn() == 1
    assert said[0] == "cannot admit 'a.json': KeyError: 0. It stays where it is."
    assert (store.root / "queued" / "a.json").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_one_drop_that_the_disk_refuses_does_not_hold_up_the_others(store, admission, said, code):
    # Given three drops, and a disk that refuses once
    for name in ("a.json", "b.json", "c.json"):
        drop(store, name)
    with observed(store, Steps(1, refuse(code))):
        # When admission looks, Then the two others are admitted, and somebody is told
        assert admission.turn() == 2
    assert said[0] == f"cannot admit 'a.json': {os.strerror(code)}. It stays where it is."
    # and when the disk works again, the one that was left is too
    assert admission.turn() == 1
    assert find(store, "a.json").state is State.QUEUED
    # behind the others: nobody who was told his position is overtaken by who comes later
    assert queue(store)[2] == find(store, "a.json").stem.uuid


class Immovable(Disk):
    """A disk with one file that nobody may move."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.asked = name, 0

    def rename_new(self, source, target):
        if source.name == self.name:
            self.asked += 1
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        super().rename_new(source, target)


def test_a_drop_that_nobody_may_move_is_said_once_and_left_alone(store, admission, clock, said):
    # Given a drop that cannot be moved, and another
    drop(store, "a.json")
    drop(store, "b.json")
    store.disk = Immovable("a.json")
    # When admission looks again and again
    assert [admission.turn() for _ in range(5)] == [1, 0, 0, 0, 0]
    # Then the other is a job, and the one has been tried and said once; nothing of it is left
    assert said[0] == "cannot admit 'a.json': Operation not permitted. It stays where it is." and len(said) == 2
    assert store.disk.asked == 1 and os.listdir(store.layout.tmp) == []
    assert os.listdir(store.layout.runs) == [find(store, "b.json").stem.key]
    # and it is tried again when it has rested, without another word
    clock.now += 11
    assert admission.turn() == 0 and (store.disk.asked, len(said)) == (2, 2)
    store.disk = Disk()
    clock.now += 11
    assert admission.turn() == 1


def test_a_lost_reply_admits_once_and_keeps_the_history(store, admission):
    # Given a server that renames the drop while its client says that it was gone
    drop(store, "job.json")
    store.disk = LostReplies(errno.ENOENT)
    # When admission looks, twice
    admission.turn()
    admission.turn()
    # Then there is one job, which still knows as what it came
    assert queue(store) == [only_job(store)]
    assert_state(store, only_job(store), State.QUEUED)
    assert find(store, "job.json").stem.uuid == only_job(store)


def test_a_drop_that_is_taken_back_is_forgotten(store, admission, clock):
    # Given half a file that its owner removes again
    path = drop(store, "job.json", b"{")
    admission.turn()
    path.unlink()
    # When admission looks, Then nothing waits any more
    clock.now += 11
    assert admission.turn() == 0 and not admission.unsettled
    assert places(store) == {}


def test_a_drop_that_vanishes_between_two_looks_at_it_is_no_error(store, admission, said):
    # Given a drop that is taken back after its history was begun
    path = drop(store, "job.json")
    with observed(store, Steps(1, path.unlink)):
        admission.turn()
    # When admission comes to it, Then nobody is told of a fault, and nothing of it is left
    assert places(store) == {} and said == []
    assert os.listdir(store.layout.runs) == []


def test_without_a_rest_it_is_rejected_at_once(spool_path):
    # Given a spool that lets nothing rest, When half a file is seen, Then it is rejected
    store = Store(spool_path, host="host-a", settings=Settings(settle=0.0))
    store.layout.drop("job.json").write_bytes(b"{")
    admission = Admission(store, lambda document, uid: None)
    assert admission.turn() == 1
    assert_state(store, only_job(store), State.FAILED)


def test_a_jobs_file_is_never_replaced_by_a_drop(store, admission):
    # Given running jobs and queued jobs, When drops are admitted, Then the others are untouched
    one, two = submitted(store), submitted(store)
    taken = claimed(store, one)
    for number in range(5):
        drop(store, f"{number}.json")
    assert admission.turn() == 5
    assert len(queue(store)) == 6 and two.uuid in queue(store)
    assert store.layout.running(taken.running).read_bytes() == taken.data


OLD = "20200101T000000.000000Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427.json"


def test_a_stem_that_is_older_than_its_arrival_gets_a_place_of_its_own(store):
    # Given a waiting job, and a file that somebody names so that it would go before it
    first = submitted(store)
    (store.root / "queued" / OLD).write_text('{"command": ["true"]}')
    admission = Admission(store, lambda _document, _uid: None)
    # When it is looked at twice: it becomes a drop, and that is admitted
    admission.turn()
    admission.turn()
    # Then it is behind, under another id
    names = sorted(os.listdir(store.root / "queued"))
    assert len(names) == 2 and names[0] == f"{first}.json" and OLD[-41:] not in names[1]


def test_an_old_stem_with_a_history_keeps_its_place(store):
    # Given a job from long ago that was given back
    stem = parse_queued(OLD)
    history.record(store, stem.key, "requeued", nonce="0badcafe", started=True)
    (store.root / "queued" / OLD).write_text('{"command": ["true"]}')
    admission = Admission(store, lambda _document, _uid: None)
    # When it is looked at, Then it stays
    admission.turn()
    admission.turn()
    assert os.listdir(store.root / "queued") == [OLD]


def test_a_job_that_has_waited_for_days_keeps_its_place(store):
    # Given a job that was submitted just now, and a watcher that looks three days later
    stem = submitted(store)
    store.clock = lambda: time.time() + 3 * 86400
    # When it is looked at, Then it stays: its file is as old as its stamp
    Admission(store, lambda _document, _uid: None).turn()
    assert os.listdir(store.root / "queued") == [f"{stem}.json"]


def test_an_old_job_that_is_given_another_priority_keeps_its_id(store):
    # Given a job that was submitted three days ago and has never run
    stem = parse_queued(OLD)
    path = store.root / "queued" / OLD
    path.write_text('{"command": ["true"]}')
    os.utime(path, (parse_stamp(stem.stamp).timestamp(),) * 2)
    # When its priority is changed: a rename, which renews its ctime and keeps its mtime
    prioritise(store, find(store, stem.uuid), "high")
    admission = Admission(store, lambda _document, _uid: None)
    admission.turn()
    admission.turn()
    # Then it is the same job
    assert os.listdir(store.root / "queued") == [f"1-{OLD}"]
