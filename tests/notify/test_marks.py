"""Marks: one teller at a time, and a dead one is followed."""

import json
import os
import subprocess
import sys
import threading

import pytest

from spoolq import history
from spoolq.notify import marks
from spoolq.notify.marks import MOST_MARKS, Mark
from spoolq.store import Store
from tests.spooltest.jobs import ended, submitted


@pytest.fixture
def mark(store):
    entry = ended(store, submitted(store), "exit")
    return Mark(entry.stem.key, "0123abcd", "end", "mail")


def path_of(store, mark, number):
    return store.layout.run(mark.key).telling(mark.nonce, mark.kind, mark.hook, number)


def mark_of_the_dead(store, mark, number=1, *, host=None):
    """A mark made by a process that has been killed."""
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom spoolq.store import Store\nfrom spoolq.notify import marks\n"
        "store = Store(Path(sys.argv[1]), host=sys.argv[2])\n"
        "print(marks.begin(store, marks.Mark(*sys.argv[3:7]), 30.0), flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    words = [sys.executable, "-c", script, str(store.root), host or store.host]
    ran = subprocess.run(
        [*words, mark.key, mark.nonce, mark.kind, mark.hook], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.stdout == f"{number}\n", ran.stderr


def test_a_mark_stands_until_it_is_written_down(store, mark):
    # Given a mark, When another asks, Then it may not
    assert marks.begin(store, mark, 30) == 1
    assert marks.begin(store, mark, 30) is None
    # When it has been told, Then the history says so and no mark is left
    marks.record(store, mark, told="failed", ok=True)
    past = history.events(store, mark.key)
    assert marks.is_told(past, mark) and not path_of(store, mark, 1).exists()
    assert past[-1] | {"at": ""} == {
        "at": "", "event": "notified", "hook": "mail", "about": "end", "of": "0123abcd", "told": "failed", "ok": True
    }  # fmt: skip


@pytest.mark.parametrize(
    "other", [{"nonce": "ffffffff"}, {"kind": "idle"}, {"hook": "mail2"}, {"hook": "mai"}, {"kind": "stuck"}]
)
def test_marks_of_other_things_are_other_marks(store, mark, other):
    # Given something that is being told, and has been
    assert marks.begin(store, mark, 30) == 1
    another = Mark(**{"key": mark.key, "nonce": mark.nonce, "kind": mark.kind, "hook": mark.hook, **other})
    # When another asks, Then it is free
    assert marks.begin(store, another, 30) == 1
    marks.record(store, mark, ok=True)
    assert not marks.is_told(history.events(store, mark.key), another)


def test_of_many_one_is_the_teller(store, mark):
    # Given many who ask at once, When each has its answer, Then one of them may
    begun, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        begun.append(marks.begin(store, mark, 30))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun, key=str) == [1] + [None] * 7


def test_a_dead_teller_is_followed_by_one_and_at_last_by_none(store, mark):
    # Given tellers that were killed, When the next asks, Then it may, until there have been too many
    for number in range(1, MOST_MARKS + 1):
        assert not marks.is_given_up(store, mark)
        mark_of_the_dead(store, mark, number)
    assert marks.begin(store, mark, 30) is None and marks.is_given_up(store, mark)
    # And all of its marks go when it is written down all the same
    marks.clear(store, mark)
    assert not list(store.layout.run(mark.key).path.glob("telling.*"))


def test_a_teller_of_another_host_is_believed_for_a_while(store, mark):
    # Given a mark of another host, whose process nobody here can see
    mark_of_the_dead(store, mark, host="host-b")
    # When it is young, Then it is believed
    assert marks.begin(store, mark, 30) is None
    # When it is older than its hook may take, and some, Then it is not
    old = path_of(store, mark, 1).stat().st_mtime - 200
    os.utime(path_of(store, mark, 1), (old, old))
    assert marks.begin(store, mark, 100) is None
    assert marks.begin(store, mark, 30) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "host-a"}', '{"host": "host-a", "pid": "x"}'])
def test_a_torn_mark_is_judged_by_its_age(store, mark, text):
    # Given a mark that a full disk has left without its content
    path_of(store, mark, 1).write_text(text)
    assert marks.begin(store, mark, 30) is None
    # When it is old, Then it is followed
    old = path_of(store, mark, 1).stat().st_mtime - 200
    os.utime(path_of(store, mark, 1), (old, old))
    assert marks.begin(store, mark, 30) == 2


def test_a_job_without_a_run_folder_can_be_marked(store):
    mark = Mark("20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427", "0123abcd", "end", "mail")
    assert marks.begin(store, mark, 30) == 1
    assert json.loads(path_of(store, mark, 1).read_text())["pid"] == os.getpid()


def test_who_asks_after_the_line_and_before_the_mark_is_gone_does_not_tell(store, mark):
    # Given a teller that is killed between line and mark
    class Killed(BaseException):
        pass

    def step(name, path):
        if name == "unlink":
            raise Killed

    assert marks.begin(store, mark, 30) == 1
    store.disk.step = step
    with pytest.raises(Killed):
        marks.record(store, mark, ok=True)
    # When another looks, Then the line tells him, whatever marks stand
    after = Store(store.root, host="host-b")
    assert marks.is_told(history.events(after, mark.key), mark)
