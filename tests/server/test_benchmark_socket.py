"""The WebSocket of a benchmark run: replay, what comes, and how it truly ended."""

import contextlib
import json
import logging
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from spoolq.api import Spool
from tests.server.benchmark_lab import Lab, frames, lines, memory_mib
from tests.server.conftest import Served
from tests.spooltest.waiting import wait_for

NOBODY = "00000000-0000-4000-8000-000000000000"
CANCELLED = ["Benchmark execution cancelled by user.", "__CANCELLED__"]


@pytest.fixture
def lab(serving: Served) -> Iterator[Lab]:
    """A lab with a server and a runner."""
    made = Lab(serving)
    serving.start()
    made.run()
    yield made
    made.close()


def test_an_unknown_run_is_refused_at_the_handshake(lab):
    # Given no such run, and a job that is none, When they are followed, Then the handshake is refused
    other = Spool(lab.served.path).submit({"command": ["true"]}).job_id
    for job_id in (NOBODY, other, "x"):
        with pytest.raises(InvalidStatus) as refused:
            lab.follow(job_id)
        assert refused.value.response.status_code == 403


def test_the_log_is_replayed_and_then_followed_to_the_end(lab):
    # Given a run that has printed something, and holds
    job_id = lab.start("quick", "hold", "short")["job_id"]
    lab.pid()
    with lab.follow(job_id) as socket:
        # When it is followed, Then first comes what there was
        replayed = [json.loads(socket.recv(timeout=10)) for _ in range(3)]
        assert [frame["type"] for frame in replayed] == ["log"] * 3
        assert lines(replayed)[0].startswith("argv ") and lines(replayed)[1].endswith("| quick")
        # And then, while it goes on, what comes, and how it ended
        lab.release()
        rest = list(frames(socket))
    assert lines(rest) == ["[PROGRESS] experiment=short step=run current=3 total=8 | short"]
    assert rest[-1] == {"type": "done", "status": "completed"}
    assert lab.job(job_id)["status"] == "completed"


@pytest.mark.parametrize(("experiment", "status"), [("quick", "completed"), ("fail", "failed")])
def test_a_run_that_has_ended_is_replayed_whole(lab, experiment, status):
    # Given a run that has ended, When it is followed, twice
    job_id = lab.wait(lab.start(experiment)["job_id"])["job_id"]
    for _ in range(2):
        with lab.follow(job_id) as socket:
            found = list(frames(socket))
        # Then each gets the whole log, and how it ended
        assert lines(found) == lab.get(f"/jobs/{job_id}/logs").text.split("\n")
        assert found[-1] == {"type": "done", "status": status}


def test_every_kind_of_line_end_and_byte_comes_through(lab):
    # Given a run that printed what is no UTF-8, carriage returns, and a last line without an end
    job_id = lab.start("strange")["job_id"]
    with lab.follow(job_id) as socket:
        found = list(frames(socket))
    # When it is followed, Then the frames hold the lines, as the whole log does
    assert lines(found)[2:] == ["<script>alert(1)</script> \x1b[31m� one", "two", "three", "", "last"]
    assert lines(found) == lab.get(f"/jobs/{job_id}/logs").text.split("\n")


def test_a_cancelled_run_says_so_before_its_true_end_to_everybody(lab):
    # Given a run that is followed by two, When it is cancelled
    job_id = lab.start("stubborn", "hold")["job_id"]
    lab.pid()
    with lab.follow(job_id) as one, lab.follow(job_id) as other:
        lab.post(f"/jobs/{job_id}/cancel")
        # Then both hear what it printed last, that it was cancelled, and the status that the run has from now on
        for socket in (one, other):
            found = list(frames(socket))
            assert lines(found)[-3:] == ["not yet", *CANCELLED]
            assert found[-1] == {"type": "done", "status": "cancelled"}
    # And so does who comes later
    with lab.follow(job_id) as socket:
        assert lines(list(frames(socket)))[-2:] == CANCELLED


def test_a_run_that_waits_is_followed_from_before_its_start(serving):
    # Given a run without a runner, When it is followed and then cancelled
    lab = Lab(serving)
    serving.start()
    job_id = lab.start("quick")["job_id"]
    with lab.follow(job_id) as socket:
        lab.post(f"/jobs/{job_id}/cancel")
        # Then there is nothing but that
        found = list(frames(socket))
    assert lines(found) == CANCELLED and found[-1]["status"] == "cancelled"


def test_the_server_is_killed_in_the_middle_and_the_log_is_whole_on_the_next_connection(lab):
    # Given a run that is followed
    job_id = lab.start("quick", "hold", "short")["job_id"]
    lab.pid()
    with lab.follow(job_id) as socket:
        socket.recv(timeout=10)
        # When the server is killed, Then the connection ends, not in silence
        lab.served.kill()
        with pytest.raises(ConnectionClosed):
            list(frames(socket))
    # And after a restart the run's status is true, and all of its log comes, to its end
    lab.served.restart()
    assert lab.job(job_id)["status"] == "running"
    with lab.follow(job_id) as socket:
        lab.release()
        found = list(frames(socket))
    assert lines(found) == lab.get(f"/jobs/{job_id}/logs").text.split("\n") and len(lines(found)) == 4
    assert found[-1] == {"type": "done", "status": "completed"}


def test_a_second_attempt_is_followed_on_the_same_connection(lab):
    # Given a run that is followed, and that has printed something
    job_id = lab.start("hold")["job_id"]
    pid = lab.pid()
    with lab.follow(job_id) as socket:
        first = json.loads(socket.recv(timeout=10))
        # When the shim of its runner is killed, so that the run is lost and begins again
        (lab.folder / "pid").unlink()
        psutil.Process(pid).parent().send_signal(signal.SIGKILL)
        lab.pid()
        lab.release()
        rest = list(frames(socket))
    # Then the log of the second attempt follows that of the first
    assert first["line"].startswith("argv ")
    assert [line.split()[0] for line in lines(rest)] == ["[PROGRESS]", "argv", "[PROGRESS]"]
    assert rest[-1] == {"type": "done", "status": "completed"}


def test_a_run_that_is_pruned_meanwhile_ends_the_connection(lab):
    # Given a run that waits behind a paused queue, When it is followed, cancelled and pruned at once
    spool = Spool(lab.served.path)
    spool.pause()
    job_id = spool.submit({"experiments": ["quick"]}, recipe="orchestrator").job_id
    with lab.follow(job_id) as socket:
        spool.cancel(job_id)
        spool.prune()
        # Then the connection ends by itself, with the end or with the code for an unknown run
        try:
            assert list(frames(socket))[-1]["type"] == "done"
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 4004


@pytest.mark.slow
def test_many_follow_and_most_of_them_read_nothing(lab):
    # Given a run that will print 4 MB, followed by two who read and by twenty who never do
    job_id = lab.start("hold", "flood")["job_id"]
    lab.pid()
    counts: list[int] = []

    def follow() -> None:
        with lab.follow(job_id) as socket:
            found = list(frames(socket, 90))
        counts.append(len(found) if found[-1] == {"type": "done", "status": "completed"} else -1)

    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(lab.follow(job_id, max_queue=1, close_timeout=0.1))
        before = memory_mib(lab.served.process.pid)
        threads = [threading.Thread(target=follow) for _ in range(2)]
        [thread.start() for thread in threads]
        # When the flood comes, Then who reads has the whole of it, and the server has kept next to none for the others
        lab.release()
        [thread.join(100) for thread in threads]
        assert counts == [8000 + 3 + 1] * 2
        assert memory_mib(lab.served.process.pid) - before < 40


@pytest.mark.slow
def test_a_quiet_run_keeps_its_followers_by_pings(lab):
    # Given a run that prints nothing for long
    heard: list[str] = []
    log = logging.getLogger("tests.quiet")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.addFilter(lambda record: heard.append(record.getMessage()) or False)
    job_id = lab.start("hold", "short")["job_id"]
    lab.pid()
    with lab.follow(job_id, logger=log, ping_interval=None) as socket:
        [socket.recv(timeout=10) for _ in range(2)]
        # When half a minute passes, Then the server has asked whether the follower is there, and is still there itself
        began = time.monotonic()
        wait_for(lambda: any("PING" in line for line in heard), 40, "a ping")
        assert 15 < time.monotonic() - began < 25
        lab.release()
        assert list(frames(socket))[-1] == {"type": "done", "status": "completed"}
