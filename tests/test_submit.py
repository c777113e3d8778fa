"""Submit: on disk when it returns, nothing left when it fails, in the order of submission."""

import errno
import json
import os
import stat
import time
from datetime import UTC, datetime

import pytest

from spoolq.documents import MAX_BYTES
from spoolq.errors import RequestInvalid, SpoolUnusable
from spoolq.names import parse_stamp
from spoolq.store import Store
from spoolq.submit import publish
from spoolq.transitions import State
from tests.spooltest.faults import LostReplies, Steps, observed, refuse
from tests.spooltest.jobs import REQUEST, submitted
from tests.spooltest.trees import assert_state, places, queue
from tests.spooltest.users import close, without_rights


def test_a_submitted_job_is_one_file_in_queued(store):
    # Given a request, When it is submitted at a priority
    stem = publish(store, {"command": ["true"], "env": {"A": "ü"}}, "high")
    # Then its file is there under the name that was returned, readable by whoever runs, and nothing else is
    path = store.layout.queued(stem)
    assert stem.priority == "high" and path.name.startswith("1-2")
    assert json.loads(path.read_text("utf-8")) == {"command": ["true"], "env": {"A": "ü"}}
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444
    assert os.listdir(store.layout.tmp) == []
    assert_state(store, stem.uuid, State.QUEUED)


def test_it_is_on_disk_before_it_has_a_name_and_its_name_before_it_returns(store):
    # Given a disk that tells its steps
    with observed(store, Steps()) as steps:
        stem = publish(store, REQUEST)
    # When a job is submitted, Then content, rename and directory reach the disk in that order
    assert steps.names == ["create", "write", "fsync", "rename", "fsync"]
    assert steps.seen[0][1].parent == store.layout.tmp
    assert steps.seen[3][1] == store.layout.queued(stem)
    assert steps.seen[4][1] == store.layout.state(State.QUEUED)


def test_the_order_of_submission_is_the_order_of_service(store):
    # Given many submissions as fast as they go
    stems = [submitted(store) for _ in range(50)]
    # When the queue is listed, Then it is first in, first out
    assert queue(store) == [stem.uuid for stem in stems]


def test_priorities_go_before_the_order_of_submission(store):
    # Given jobs of all priorities, When the queue is listed, Then by level, and in a level by time
    stems = [submitted(store, level) for level in ("low", "normal", "high", "urgent", "low", "urgent")]
    assert queue(store) == [stems[n].uuid for n in (3, 5, 2, 1, 0, 4)]


def test_two_processes_lose_nothing_of_each_others(store):
    # Given four processes that submit at the same time
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            own = Store(store.root, host="host-a")
            for _ in range(10):
                submitted(own)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    # When they are done, Then every job is there, once
    assert len(places(store)) == 40
    assert all(states == [State.QUEUED] for states in places(store).values())


def test_the_file_servers_time_wins_over_a_wrong_clock(spool_path):
    # Given a host whose clock is a day ahead, and one whose clock is a day behind
    for off in (86400, -86400):
        wrong = Store(spool_path, host="host-a", clock=lambda off=off: time.time() + off)
        # When it submits, Then the stamp is in the time that files are stamped with
        stamp = parse_stamp(submitted(wrong).stamp)
        assert abs((stamp - datetime.now(UTC)).total_seconds()) < 5


def test_a_clock_that_jumps_back_a_little_changes_no_order(spool_path):
    # Given a clock that NTP sets back by half a second
    now = time.time()
    times = iter([now, now - 0.5, now - 0.5, now])
    store = Store(spool_path, host="host-a", clock=lambda: next(times))
    # When jobs are submitted, Then they still stand in their order, under stamps that all differ
    stems = [submitted(store) for _ in range(4)]
    assert queue(store) == [stem.uuid for stem in stems]
    assert len({stem.stamp for stem in stems}) == 4


def test_a_request_that_no_runner_would_read_is_not_queued(store):
    # Given a request larger than a job file may be
    with pytest.raises(RequestInvalid, match="larger than"):
        publish(store, {"command": ["x" * MAX_BYTES]})
    # Then nothing was queued, nor left behind
    assert places(store) == {} and os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_disk_that_refuses_queues_nothing_and_says_so(store, number, code):
    # Given a disk that refuses one of the steps, the last fsync included
    with observed(store, Steps(number, refuse(code))), pytest.raises(SpoolUnusable) as caught:
        publish(store, REQUEST)
    # When somebody submits, Then the error says what and where, and its "nothing was queued" is true
    assert str(store.root) in str(caught.value) and os.strerror(code) in str(caught.value)
    assert "Nothing was queued" in str(caught.value)
    assert places(store) == {} and os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO])
def test_a_rename_whose_reply_was_lost_is_not_called_a_failure(store, code):
    # Given a server that queues the job while its client reports an error
    store.disk = LostReplies(code)
    # When the submission fails nevertheless, Then what it says of the queue is true
    try:
        stem = publish(store, REQUEST)
    except SpoolUnusable as error:
        assert "Nothing was queued" not in str(error) or places(store) == {}
    else:
        assert_state(store, stem.uuid, State.QUEUED)


def test_a_spool_that_may_not_be_written_says_so(public_store):
    # Given a spool that may be read only, When somebody submits, Then the error says so
    close(public_store.root)
    said = without_rights(lambda: publish(public_store, REQUEST))
    assert said.startswith(f"SpoolUnusable: cannot submit to {public_store.root}: Permission denied")
    assert places(public_store) == {}
