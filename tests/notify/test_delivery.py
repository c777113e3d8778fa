"""Hooks are run with limits: in time, in number, in what they print."""

import sys
import time

import psutil
import pytest

from spoolq.notify import delivery
from spoolq.notify.delivery import Delivery, deliver
from tests.spooltest.waiting import gone


def python(text, *words, stdin=b"", timeout=20.0, **env):
    return Delivery([sys.executable, "-c", text, *words], stdin, env, timeout)


def one(delivery):
    ((number, result),) = deliver([delivery], 4)
    assert number == 0
    return result


def test_what_comes_of_a_hook(tmp_path):
    # Given hooks that end well, badly, and by a signal
    well = one(python("print('first'); print('last')"))
    badly = one(python("import sys; sys.exit(3)"))
    killed = one(python("import os; os.kill(os.getpid(), 15)"))
    # Then each says so
    assert (well.ok, well.exit, well.said) == (True, 0, "last")
    assert (badly.ok, badly.exit, killed.exit) == (False, 3, -15)
    assert 0 < well.seconds < 20


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["/nowhere/x"], "No such file or directory: /nowhere/x"), (["/etc/passwd"], "Permission denied: /etc/passwd"),
     (["a\0b"], "null byte")],
)  # fmt: skip
def test_a_hook_that_cannot_run(argv, said):
    result = one(Delivery(argv, b"", {}, 5))
    assert not result.ok and result.exit is None and said in result.said


def test_stdin_is_read_or_not_and_may_be_large():
    # Given an input larger than any pipe, When a hook reads it, or does not, Then both end well
    large = b"x" * (4 << 20)
    assert one(python("import sys; print(len(sys.stdin.read()))", stdin=large)).said == str(4 << 20)
    assert one(python("pass", stdin=large)).ok


def test_the_environment_has_what_it_is_given():
    text = "import os; print(os.environ['SPOOLQ_EVENT'], os.getcwd(), os.getsid(0) == os.getpid())"
    assert one(python(text, SPOOLQ_EVENT="failed")).said == "failed / True"


def test_of_a_flood_the_end_is_kept():
    text = "import os\nfor _ in range(200): os.write(1, b'y' * 65536)\nprint(); print('the end')"
    assert one(python(text)).said == "the end"


def test_of_a_flood_on_one_line_no_more_is_kept():
    assert len(one(python("import os\nfor _ in range(50): os.write(1, b'y' * 65536)")).said) <= 4096


def test_a_hook_that_closes_its_output_is_waited_for(monkeypatch):
    # Given a hook that closes its output and works on
    began = time.monotonic()
    looks, listen = [], delivery._listen
    monkeypatch.setattr(delivery, "_listen", lambda *given: looks.append(0) or listen(*given))
    result = one(python("import os, time; os.close(1); os.close(2); time.sleep(1.5)"))
    # Then it is not asked again and again for what it prints
    assert result.ok and time.monotonic() - began >= 1.5
    assert len(looks) < 20


def test_one_that_takes_too_long_is_killed_while_another_goes_on():
    # Given two hooks together, one of which hangs deaf
    hangs = python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('in', flush=True); time.sleep(99)",
        timeout=1.0,
    )
    results = dict(deliver([hangs, python("import time; time.sleep(2); print('done')")], 4))
    # Then it is killed at its limit
    assert results[0].timed_out and results[0].exit == -9 and not results[0].ok
    assert 0.9 < results[0].seconds < 6
    assert results[1].said == "done" and results[1].ok


def test_no_more_run_at_once_than_may(tmp_path):
    # Given nine hooks that say when they begin and end
    path = tmp_path / "times"
    text = (
        "import os, sys, time\nfd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "os.write(fd, b'+\\n'); time.sleep(0.1); os.write(fd, b'-\\n')"
    )
    # When they are run three at a time
    results = list(deliver([python(text, str(path)) for _ in range(9)], 3))
    # Then there were never more, and all have run
    level, most = 0, 0
    for row in path.read_text().split():
        level += 1 if row == "+" else -1
        most = max(most, level)
    assert sorted(number for number, _ in results) == list(range(9)) and 1 < most <= 3


def test_one_is_asked_for_only_when_there_is_room(tmp_path):
    # Given hooks that are made one by one
    made = []

    def making():
        for number in range(4):
            made.append(number)
            yield python("pass")

    # When the first has ended, Then no more than may run have been made
    results = deliver(making(), 2)
    next(results)
    assert made == [0, 1]
    assert len(list(results)) == 3


def test_a_child_that_keeps_the_output_open_does_not_hold_it_up(tmp_path):
    # Given a hook that leaves a child with its output in a session of its own
    path = tmp_path / "pid"
    text = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "open(sys.argv[1], 'w').write(str(child.pid))"
    )
    began = time.monotonic()
    result = one(python(text, str(path)))
    # Then it has ended when the hook has, and the child is gone
    assert result.ok and time.monotonic() - began < 10
    try:
        assert gone(psutil.Process(int(path.read_text())))
    except psutil.NoSuchProcess:
        pass
