"""A real shim by its socket: what it says, what it writes, and the child that it keeps ready."""

import json
import os
import signal
import time

import psutil
import pytest

from spoolq.orders import Link, Order
from tests.spooltest.waiting import gone, wait_for


@pytest.fixture
def shim(tmp_path):
    """A shim that holds a lock, and what ends it."""
    lock = os.open(tmp_path / "slot.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    link = Link(lock)
    yield link
    os.close(lock)
    link.close()


@pytest.fixture
def order(tmp_path):
    """An order to run *argv* in the test's folder."""
    run = tmp_path / "runs" / "KEY"
    run.mkdir(parents=True)

    def make(*argv, claimed=None):
        return Order(
            nonce="00c0ffee", argv=list(argv), cwd=str(tmp_path), env={"MINE": "m"}, unset=["HOME"],
            log=str(run / "log.txt"), end=str(run / "end.json"), running=str(tmp_path / "running"),
            beat=str(tmp_path / "beat"), timeout=None, grace=1.0, stop_signal=signal.SIGTERM, heartbeat=30.0,
            heartbeat_timeout=300.0, claimed=time.monotonic() if claimed is None else claimed,
        )  # fmt: skip

    return make


def heard(link, event):
    """Everything that the shim says up to *event*, by its name."""
    said = {}
    while event not in said:
        said.update({message["event"]: message for message in link.receive()})
    return said


def waiting_child(link, but=()):
    """The child that is forked and has no order yet."""
    found = [child for child in psutil.Process(link.pid).children() if child.pid not in but]
    return found[0] if found and found[0].status() == psutil.STATUS_SLEEPING else None


def test_an_order_is_run_and_its_end_is_on_disk_before_it_is_told(shim, order, tmp_path):
    # Given a shim, When it is told to run something that fails
    shim.send(do="start", order=order("sh", "-c", "echo $MINE${HOME-none}; exit 7").document())
    said = heard(shim, "ended")
    # Then it tells the start and the end, and both the log and the end record are there
    assert said["started"]["nonce"] == said["ended"]["nonce"] == "00c0ffee"
    end = json.loads((tmp_path / "runs" / "KEY" / "end.json").read_text())
    assert (end["exit_code"], end["signal"], end["leftovers"]) == (7, None, 0)
    assert (tmp_path / "runs" / "KEY" / "log.txt").read_text() == "mnone\n"


def test_an_order_that_comes_too_late_is_not_run_and_leaves_no_end(shim, order, tmp_path):
    # Given an order whose claim is older than half of the heartbeat's time-out: others may soon have the job
    late = order("touch", str(tmp_path / "ran"), claimed=time.monotonic() - 151)
    # When the shim gets it
    shim.send(do="start", order=late.document())
    ended = heard(shim, "ended")["ended"]
    # Then it is fenced, and nothing was run or written
    assert ended["stopped"] == "fenced" and ended["exit_code"] is None
    assert not (tmp_path / "ran").exists() and not (tmp_path / "runs" / "KEY" / "end.json").exists()
    # And the next one is run
    shim.send(do="start", order=order("true").document())
    assert heard(shim, "ended")["ended"]["exit_code"] == 0


def test_a_child_that_was_killed_while_it_waited_is_replaced(shim, order):
    # Given a shim whose child waits
    wait_for(lambda: waiting_child(shim))
    first = waiting_child(shim)
    # When that is killed, Then another waits
    first.kill()
    wait_for(lambda: waiting_child(shim, {first.pid}))
    # And what is ordered then ends as it should
    shim.send(do="start", order=order("true").document())
    assert heard(shim, "ended")["ended"]["exit_code"] == 0


def test_what_waits_is_no_leftover_and_a_daemon_is_one(shim, order):
    # Given an evaluation that leaves a daemon behind
    shim.send(do="start", order=order("sh", "-c", "setsid sleep 600 & sleep 0.05").document())
    # When it has ended, Then one process was killed, and none but a new child that waits is left
    assert heard(shim, "ended")["ended"]["leftovers"] == 1
    wait_for(lambda: waiting_child(shim))
    assert len(psutil.Process(shim.pid).children(recursive=True)) == 1


def test_a_shim_that_is_let_go_takes_its_child_along(shim):
    wait_for(lambda: waiting_child(shim))
    waits = waiting_child(shim)
    shim.close()
    wait_for(lambda: gone(waits))
