"""The courier: what it tells of a batch, and what is left when it is killed or its disk refuses."""

import errno
import json
import os
import sys

import pytest

from spoolq import control, history, people
from spoolq.admit import Admission
from spoolq.find import find
from spoolq.notify.courier import Batch, Courier
from spoolq.notify.hooks import read_hooks
from spoolq.requests import accept
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.crashes import CUT
from tests.spooltest.faults import Steps, observed, refuse
from tests.spooltest.jobs import claimed, ended, opened, retried, submitted
from tests.spooltest.users import in_child

APPEND = "import os, sys; fd = os.open(sys.argv[1], 1089); os.write(fd, (' '.join(sys.argv[2:]) + '\\n').encode())"


@pytest.fixture
def told(tmp_path):
    return tmp_path / "told"


@pytest.fixture
def hooked(spool_path, told):
    """The spool with a hook for all that there is; *more* goes into [notify]."""

    def build(more=""):
        command = json.dumps([sys.executable, "-c", APPEND, str(told), "{event}", "{job_id}"])
        on = '["finished", "idle", "stuck"]'
        (spool_path / "spoolq.toml").write_text(f"[notify]\n{more}\n[notify.all]\non = {on}\ncommand = {command}\n")
        return Store(spool_path, host="host-a")

    return build


@pytest.fixture
def said():
    return []


def carried(store, said, *, idle=False, stuck=()):
    """Have a courier carry all that has ended; whether nothing was left."""
    names = [
        [state.value, name] for state in (State.COMPLETED, State.FAILED, State.CANCELLED) for name in store.names(state)
    ]
    return Courier(store, read_hooks(store.settings), said.append).carry(Batch(names, list(stuck), idle))


def rows(told):
    return told.read_text().splitlines() if told.exists() else []


def let_torn_marks_age(store, entry):
    """A mark that was killed before its maker's name was in it is judged by its age; others are judged at once."""
    for path in store.layout.run(entry.stem.key).path.glob("telling.*"):
        old = path.stat().st_mtime - 200
        if path.stat().st_size == 0:
            os.utime(path, (old, old))


def lines(store, entry):
    return [event for event in history.events(store, entry.stem.key) if event["event"] == "notified"]


def test_every_kind_of_end_is_told_once(hooked, told, said):
    # Given jobs that completed, failed, were cancelled in the queue, and a drop that is no job
    store = hooked('max_age = "1h"')
    done = ended(store, submitted(store))
    failed = ended(store, submitted(store), "exit")
    waiting = submitted(store)
    people.cancel(store, find(store, waiting.uuid))
    store.layout.drop("x.json").write_text('{"no_such": 1}')
    Admission(store, lambda document, uid: accept(document, uid, store.settings)).turn()
    (invalid,) = [name[-41:-5] for name in store.names(State.FAILED) if failed.stem.uuid not in name]
    # When they are carried twice, Then each is told once
    assert carried(store, said) and carried(store, said)
    ids = [done.stem.uuid, failed.stem.uuid, waiting.uuid, invalid]
    assert sorted(rows(told)) == sorted(f"finished {job}" for job in ids)
    assert said == []


def test_the_last_end_is_that_of_idle(hooked, told, said):
    store = hooked()
    entries = [ended(store, submitted(store)) for _ in range(3)]
    assert carried(store, said, idle=True)
    assert sorted(rows(told))[-1] == f"idle {entries[-1].stem.uuid}" and len(rows(told)) == 4
    assert carried(store, said, idle=True) and len(rows(told)) == 4


def test_a_queue_that_has_filled_meanwhile_is_not_told_to_be_idle(hooked, told, said):
    store = hooked()
    entry = ended(store, submitted(store))
    submitted(store)
    assert carried(store, said, idle=True)
    assert rows(told) == [f"finished {entry.stem.uuid}"]


def test_a_job_back_in_the_queue_is_told_again_when_it_ends_again(hooked, told, said):
    store = hooked()
    entry = ended(store, submitted(store), "exit")
    assert carried(store, said)
    stem = retried(store, entry)
    assert carried(store, said) and len(rows(told)) == 1
    ended(store, stem, "exit")
    assert carried(store, said) and len(rows(told)) == 2
    assert len({line["of"] for line in lines(store, entry)}) == 2


def test_a_record_from_before_a_retry_is_nobodys_end(hooked, told, said):
    # Given a job that failed unseen and was retried, whose next end has been committed without its record
    store = hooked()
    entry = ended(store, submitted(store), "exit")
    stem = retried(store, entry)
    taken = claimed(store, stem)
    opened(store, taken)
    store.disk.rename(store.layout.running(taken.running), store.layout.terminal(State.FAILED, stem.key))
    # When it is carried, Then the old end is not told
    assert carried(store, said) and rows(told) == []


def test_a_claim_that_stands_still_is_told_once(hooked, told, said):
    store = hooked()
    taken = claimed(store, submitted(store))
    opened(store, taken)
    stuck = [[str(taken.running), "its heartbeat has stood still for 9m"]]
    assert carried(store, said, stuck=stuck) and carried(store, said, stuck=stuck)
    assert rows(told) == [f"stuck {taken.running.stem.uuid}"]


def test_a_claim_that_has_gone_meanwhile_is_not_told(hooked, told, said):
    store = hooked()
    taken = claimed(store, submitted(store))
    name = str(taken.running)
    store.layout.running(taken.running).unlink()
    assert carried(store, said, stuck=[[name, "it is quiet"]]) and rows(told) == []


def test_old_ends_are_not_told(hooked, told, said):
    store = hooked('max_age = "1s"')
    ended(store, submitted(store), "exit")
    late = Store(store.root, host="host-a", clock=lambda: store.clock() + 10)
    assert carried(late, said) and rows(told) == []


@pytest.mark.parametrize("record", ["{", "[]", '{"status": "failed"}', ""])
def test_a_file_that_is_no_record_is_told_by_nobody(hooked, told, said, record):
    store = hooked()
    entry = ended(store, submitted(store), "exit")
    store.layout.terminal(State.FAILED, entry.stem.key).write_text(record)
    assert carried(store, said) and rows(told) == []


def test_a_courier_that_is_killed_at_any_step_loses_nothing(hooked, told, said):
    # Given how many steps it takes to tell of one end
    store = hooked()
    ended(store, submitted(store), "exit")
    with observed(store, Steps()) as steps:
        assert carried(store, said)
    count, twice = len(steps.seen), 0
    assert count >= 4
    for number in range(1, count + 1):
        entry, before = ended(store, submitted(store), "exit"), len(rows(told))
        # When one is killed before one of them
        cut = Steps(number, lambda: os._exit(CUT))

        def act(cut=cut):
            with observed(store, cut):
                carried(store, said)

        assert in_child(act) == CUT, f"step {number}"
        let_torn_marks_age(store, entry)
        # Then the next tells what was not told, and writes down one line
        assert carried(store, said), f"step {number}: {steps.seen[number - 1]}"
        times = len(rows(told)) - before
        assert times in (1, 2), f"told {times} times after a kill before step {number}"
        twice += times == 2
        assert len(lines(store, entry)) == 1
        # And whatever is left of marks, it is not told again
        assert carried(store, said) and len(rows(told)) == before + times
    assert twice < count, "only a kill between the hook and its line tells twice"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_at_any_step_leaves_it_for_later_and_ends_nobody(hooked, told, tmp_path, code):
    # Given how many steps it takes to tell of one end
    store, heard = hooked(), tmp_path / "said"
    ended(store, submitted(store), "exit")
    with observed(store, Steps()) as steps:
        assert carried(store, [])
    for number in range(1, len(steps.seen) + 1):
        entry = ended(store, submitted(store), "exit")

        def act(number=number):
            said = []
            with observed(store, Steps(number, refuse(code))):
                whole = carried(store, said)
            heard.write_text("".join(said))
            os._exit(0 if whole else 75)

        # When the disk refuses one of them, Then the courier says so, and that something is left
        assert in_child(act) == 75, f"step {number}: {steps.seen[number - 1]}"
        assert os.strerror(code) in heard.read_text()
        # When there is room again, Then the next one sees to it
        assert carried(store, []), f"step {number}: {steps.seen[number - 1]}"
        assert len(lines(store, entry)) == 1


def test_a_hook_whose_file_cannot_be_used_is_seen_to_fail(spool_path, said):
    (spool_path / "spoolq.toml").write_text('[notify.a]\non = "failed"\nwebhook_file = "/nowhere/u"\n')
    store = Store(spool_path, host="host-a")
    entry = ended(store, submitted(store), "exit")
    assert carried(store, said)
    (line,) = lines(store, entry)
    assert not line["ok"] and line["exit"] is None and "No such file" in line["error"] and "hook a failed" in said[0]


def test_a_pause_is_no_matter_to_it(hooked, told, said):
    store = hooked()
    control.pause(store, os.getuid(), None)
    entry = ended(store, submitted(store), "exit")
    assert carried(store, said) and rows(told) == [f"finished {entry.stem.uuid}"]
