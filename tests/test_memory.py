"""Out of memory is told apart: by the control group, or by what the log says."""

import signal

import pytest

from spoolq import memory
from spoolq.orders import End

KILLED = {"signal": signal.SIGKILL}


def end(**facts):
    return End("ab", "2026-01-01T00:00:00+00:00", **facts)


def groups(tmp_path, line, files):
    proc = tmp_path / "cgroup"
    proc.write_text(line)
    for name, text in files.items():
        path = tmp_path / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return memory.kills(proc, tmp_path / "sys")


EVENTS = "low 0\nhigh 0\nmax 4\noom 3\noom_kill 2\noom_group_kill 0\n"


@pytest.mark.parametrize(
    ("line", "files", "count"),
    [
        ("0::/a/b\n", {"a/b/memory.events": EVENTS}, 2),
        ("0::/\n", {"memory.events": EVENTS}, 2),
        ("0::/a\n", {}, None),
        ("0::/a\n", {"a/memory.events": "low 0\n"}, None),
        ("4:cpu:/x\n3:memory:/a\n0::/a\n", {"memory/a/memory.oom_control": "oom_kill_disable 0\noom_kill 7\n"}, 7),
        ("", {}, None),
    ],
)
def test_the_count_is_read_where_it_is(tmp_path, line, files, count):
    assert groups(tmp_path, line, files) == count


def test_a_host_that_tells_nothing(tmp_path):
    assert memory.kills(tmp_path / "no", tmp_path) is None


@pytest.mark.parametrize("facts", [KILLED, {"exit_code": 137}, {"exit_code": 247}])
def test_a_kill_that_was_counted_is_one_for_want_of_memory(facts):
    assert memory.why(end(**facts), "", 2, 3) == "the kernel killed it for want of memory"


@pytest.mark.parametrize(
    ("facts", "before", "now"),
    [(KILLED, 2, 2), (KILLED, None, 3), (KILLED, 2, None), ({"exit_code": 1}, 2, 3), ({"signal": 15}, 2, 3)],
)
def test_what_is_no_such_kill(facts, before, now):
    assert memory.why(end(**facts), "", before, now) is None


@pytest.mark.parametrize(
    "line",
    [
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
        "torch.OutOfMemoryError: HIP out of memory.",
        "RuntimeError: CUDA out of memory.",
        "MemoryError",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 3 TiB",
    ],
)
def test_a_log_that_says_so(line):
    assert memory.why(end(exit_code=1), f"x\n{line}\n", None, None).startswith("its log says")


@pytest.mark.parametrize("line", ["no_MemoryErrors here", "memoryerror", "out of memory cards", "MyMemoryErrorCount 3"])
def test_a_log_that_does_not(line):
    assert memory.why(end(exit_code=1), line, None, None) is None
