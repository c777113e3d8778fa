"""One key, one active job: looked up by names, whoever asks, however often, whatever is killed."""

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from spoolq.errors import SpoolUnusable
from spoolq.find import find
from spoolq.keyed import digest, find_id, named, submit_once, uuid_of
from spoolq.names import parse_queued
from spoolq.people import retry
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.crashes import WAYS, Move, points_of, steps_of, try_point
from tests.spooltest.jobs import claimed, conclude_as, ended, opened
from tests.spooltest.trees import queue

REQUEST = {"command": ["true"]}


def once(store, key="k"):
    return submit_once(store, REQUEST, "normal", named(key))


def test_while_a_job_of_the_key_waits_or_runs_it_is_that_job(store):
    # Given a job of a key
    first, new = once(store)
    # When it is asked for again while it is queued and while it runs, Then nothing is queued
    again, newer = once(store)
    attempt = opened(store, claimed(store, first.stem))
    running, newest = once(store)
    assert (new, newer, newest) == (True, False, False)
    assert first.stem == again.stem == running.stem
    assert running.state is State.RUNNING
    assert queue(store) == []
    # When it has ended, Then the next is a new one, told apart by the beginning of its id
    conclude_as(store, attempt, "exit")
    second, new = once(store)
    assert new
    assert second.stem.uuid[:8] != first.stem.uuid[:8]
    assert second.stem.uuid[8:] == first.stem.uuid[8:]
    assert find(store, second.stem.uuid[:8]).stem == second.stem


def test_a_retried_job_of_the_key_counts(store):
    # Given a job of a key that has ended and was retried
    first, _ = once(store)
    retry(store, ended(store, first.stem, "exit"))
    # When the key comes again, Then it is that job
    assert once(store) == (find(store, first.stem.uuid), False)


def test_other_keys_are_other_jobs(store):
    jobs = {once(store, key)[0].stem.uuid for key in ("a", "b", "a\0", "")}
    jobs.add(submit_once(store, REQUEST, "normal", digest("command", REQUEST))[0].stem.uuid)
    jobs.add(submit_once(store, REQUEST, "normal", digest(None, REQUEST))[0].stem.uuid)
    assert len(jobs) == 6


def test_the_order_of_a_request_does_not_count():
    assert digest("x", {"a": 1, "b": [1]}) == digest("x", {"b": [1], "a": 1})
    assert digest("x", {"a": 1}) != digest("x", {"a": "1"}) != digest("y", {"a": "1"})


def test_an_id_of_a_key_is_one_that_a_name_can_carry(store):
    entry, _ = once(store)
    assert parse_queued(f"{entry.stem}.json") == entry.stem
    assert parse_queued(f"20261120T120730.123456Z-{uuid_of('k')}.json") is not None


def test_a_job_that_goes_back_while_it_is_looked_for_is_found(store, monkeypatch):
    # Given a running job of a key that is given back after queued/ was listed
    entry, _ = once(store)
    names, looks = store.names, []

    def against(state):
        looks.append(state)
        return [] if looks == [State.QUEUED] else names(state)

    monkeypatch.setattr(store, "names", against)
    assert find_id(store, entry.stem.uuid[8:], (State.QUEUED, State.RUNNING)).stem == entry.stem


def test_threads_that_come_at_once_make_one_job(store):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: once(store), range(16)))
    assert len({entry.stem for entry, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1


def test_processes_that_come_at_once_make_one_job(store):
    # Given six processes that wait for one word
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from spoolq.keyed import named, submit_once
        from spoolq.store import Store
        store = Store(Path(sys.argv[1]))
        print("ready", flush=True)
        sys.stdin.readline()
        print(submit_once(store, {"command": ["true"]}, "normal", named("k"))[0].stem.uuid)
    """)
    argv = [sys.executable, "-c", program, str(store.root)]
    asking = [subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) for _ in range(6)]
    for process in asking:
        assert process.stdout.readline() == "ready\n"
    # When all submit under one key
    for process in asking:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = {process.communicate(timeout=20)[0].strip() for process in asking}
    # Then there is one job, and all name it
    assert said == set(queue(store))
    assert len(said) == 1


def test_a_disk_that_refuses_leaves_the_key_free(store):
    step = store.disk.step
    store.disk.step = lambda name, _path: (_ for _ in ()).throw(OSError(28, "full")) if name == "rename" else None
    with pytest.raises(SpoolUnusable):
        once(store)
    store.disk.step = step
    assert once(store)[1] is True


def _judge(store: Store, _context, fate):
    """After recovery the key is asked for again: there is one job of it, made before the cut or now."""
    before = list(fate.fresh)
    entry, new = once(store)
    assert new is (not before)
    assert before in ([], [entry.stem.uuid])
    assert not (fate.returned and new)
    return entry.stem.uuid


ONCE = Move(prepare=lambda _store: None, act=lambda store, _context: once(store), judge=_judge, last=True)


@pytest.mark.parametrize("way", WAYS)
def test_cut_short_at_any_step_there_is_one_job_of_the_key(tmp_path, way):
    # Given each file system call of a submit under a key, When it is cut short there and asked for again, Then one job
    points = points_of(way, steps_of(tmp_path / "whole", ONCE))
    assert points
    for step in range(1, points + 1):
        try_point(tmp_path / str(step), ONCE, way, step)
