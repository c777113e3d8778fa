"""Warm parents by their shim: what is forked from one, what it may be, and that a job never needs it. All real."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from spoolq.orders import Link, Order
from tests.spooltest import tiny
from tests.spooltest.waiting import gone, wait_for


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """The folder of the harness, which every shim of this test has on its path."""
    folder = tmp_path / "modules"
    monkeypatch.setenv("PYTHONPATH", tiny.install(folder))
    return folder


@pytest.fixture
def shim(tmp_path, modules):
    """A shim that holds a lock, and tells the operator what it has to say in the file `said`."""
    lock = os.open(tmp_path / "slot.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    ours, said = os.dup(2), os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 2)
    link = Link(lock)
    os.dup2(ours, 2)
    for fd in (lock, ours, said):
        os.close(fd)
    link.sock.settimeout(30)
    yield link
    with contextlib.suppress(ProcessLookupError):
        os.kill(link.pid, signal.SIGKILL)  # one that is let go would see a job to its end
    link.close()


class Orders:
    """Orders to one shim, and what became of them."""

    def __init__(self, link: Link, folder: Path) -> None:
        self.link, self.folder, self.count = link, folder, 0
        self.said: list[dict] = []

    def start(self, text: str, *, preload=("tiny.heavy",), key="k", entry="tiny.__main__:main", env=None, **limits):
        """Order *text* from the shim; its order."""
        self.count += 1
        run = self.folder / "runs" / f"KEY{self.count}"
        run.mkdir(parents=True)
        mark = f"SPOOLQ_CLAIM=claim-{self.count}"
        warm = {
            "key": key, "recipe": "tiny", "preload": list(preload), "entry": entry, "mark": mark, "idle": 60.0,
            "max_jobs": 100, "start_timeout": 10.0, "preload_timeout": 60.0,
        }  # fmt: skip
        order = {name: limits.pop(name) for name in ("timeout", "idle_timeout", "grace") if name in limits}
        made = Order(**{
            "nonce": f"{self.count:08x}", "argv": tiny.command(text), "cwd": str(run),
            "unset": ["HOME", *(name for name in os.environ if name.startswith("SPOOLQ_"))],
            "env": {"MINE": "m", "SPOOLQ_CLAIM": mark.partition("=")[2], **(env or {})}, "log": str(run / "log.txt"),
            "end": str(run / "end.json"), "running": str(run / "running.json"), "beat": str(run / "beat"),
            "timeout": None, "grace": 1.0, "stop_signal": signal.SIGTERM, "heartbeat": 30.0,
            "heartbeat_timeout": 300.0, "claimed": time.monotonic(), "warm": {**warm, **limits}, **order,
        })  # fmt: skip
        (run / "running.json").touch()
        self.link.send(do="start", order=made.document())
        return made

    def hear(self, event: str, order: Order) -> dict:
        """What the shim says of *order*."""
        while True:
            for message in self.said:
                if message["event"] == event and message["nonce"] == order.nonce:
                    return message
            self.said += self.link.receive()

    def run(self, text: str, **options) -> dict:
        """Order *text* and wait for its end."""
        return self.hear("ended", self.start(text, **options))

    def log(self, order: Order) -> str:
        return Path(order.log).read_text()

    def warm(self) -> psutil.Process | None:
        """The warm parent, if there is one."""
        found = [child for child in psutil.Process(self.link.pid).children() if "spoolq.forkserver" in argv(child)]
        return found[0] if found else None

    def warmed(self, **options) -> psutil.Process:
        """Have a warm parent for orders with these options."""
        first = self.start("import time; time.sleep(600)", **options)
        self.hear("started", first)
        self.link.send(do="warm", nonce=first.nonce)
        wait_for(self.warm)
        parent = self.warm()
        wait_for(lambda: is_waiting(parent))
        self.link.send(do="stop", nonce=first.nonce, why="cancel")
        self.hear("ended", first)
        return parent


def argv(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def is_waiting(parent: psutil.Process) -> bool:
    """Whether a warm parent has imported all and waits for its socket, or has ended."""
    try:
        return "unix_stream" in Path(f"/proc/{parent.pid}/wchan").read_text() or is_asleep(parent)
    except OSError:
        return True


def is_asleep(parent: psutil.Process) -> bool:
    """Without `wchan`: asleep and without any use of the processor for a moment."""
    before = parent.cpu_times()
    time.sleep(0.05)
    return parent.status() == psutil.STATUS_SLEEPING and parent.cpu_times() == before and before.user > 0


@pytest.fixture
def orders(shim, tmp_path):
    return Orders(shim, tmp_path)


FACTS = """
import os, sys, signal, json
print(json.dumps({
    "argv": sys.argv[:1], "path": sys.path, "cwd": os.getcwd(), "sid": os.getsid(0) == os.getpid(),
    "env": dict(os.environ), "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1],
    "stdin": os.readlink("/proc/self/fd/0"), "parent": os.getppid(), "umask": os.umask(0o22),
    "signals": [row.split() for row in open("/proc/self/status") if row[:6] in ("SigBlk", "SigIgn", "SigCgt")],
    "buffered": sys.stdout.line_buffering, "flags": list(sys.flags), "modules": "tiny.heavy" in sys.modules,
}))
print("to stderr", file=sys.stderr)
print("imported by", heavy.IMPORTED_BY != os.getpid())
"""


def test_a_fork_sees_what_a_program_sees(orders):
    # Given the same job as a program
    first = orders.start(FACTS)
    ended = orders.hear("ended", first)
    assert (ended["launch"], ended["warm_hit"], ended["exit_code"]) == ("exec", False, 0), orders.log(first)
    # When it is forked from a warm parent
    orders.warmed()
    second = orders.start(FACTS)
    ended = orders.hear("ended", second)
    assert (ended["launch"], ended["warm_hit"], ended["exit_code"]) == ("fork", True, 0), orders.log(second)
    # Then it was our own child in a session of its own, with the same log, directory, environment, signals and files
    logs = [orders.log(order).replace(order.cwd, "CWD").splitlines() for order in (first, second)]
    facts = [json.loads(next(row for row in rows if row.startswith("{"))) for rows in logs]
    for seen in facts:
        seen["env"].pop("SPOOLQ_CLAIM")
        assert seen["parent"] == orders.link.pid and seen["sid"]
    assert facts[0] == facts[1]
    # And its imports were those of its parent
    assert [row for row in logs[0] if row[0] != "{"] == ["to stderr", "imported by False"]
    assert sorted(row for row in logs[1] if row[0] != "{") == ["imported by True", "to stderr"]


@pytest.mark.parametrize(("text", "code", "number", "printed"), [
    ("raise SystemExit(7)", 7, None, ""),
    ("raise SystemExit('said')", 1, None, "said"),
    ("import sys; sys.exit(None)", 0, None, ""),
    ("raise SystemExit(256 + 3)", 3, None, ""),
    ("1 / 0", 1, None, "ZeroDivisionError: division by zero"),
    ("raise KeyboardInterrupt", None, signal.SIGINT, "KeyboardInterrupt"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", None, signal.SIGSEGV, ""),
    ("import atexit; atexit.register(print, 'at exit')", 0, None, "at exit"),
    ("import threading, time; t = threading.Thread(target=lambda: (time.sleep(.05), print('late'))); t.start()", 0,
     None, "late"),
])  # fmt: skip
def test_it_ends_as_a_program_would(orders, text, code, number, printed):
    # Given the job as a program, and forked
    first = orders.start(text)
    cold = orders.hear("ended", first)
    orders.warmed()
    second = orders.start(text)
    warm = orders.hear("ended", second)
    # Then both end alike, and say the same
    assert (cold["launch"], warm["launch"]) == ("exec", "fork")
    for ended, order in ((cold, first), (warm, second)):
        assert (ended["exit_code"], ended["signal"]) == (code, number)
        assert printed in orders.log(order)
        assert "forkserver" not in orders.log(order) and "spoolq" not in orders.log(order)


def test_what_was_left_open_is_written(orders):
    # Given a job that writes to a file and never closes it
    orders.warmed()
    text = "import builtins; builtins.kept = open('out', 'w'); kept.write('all of it'); kept2 = print('x', end='')"
    order = orders.start(text)
    # When it has ended, Then the file is whole
    assert orders.hear("ended", order)["launch"] == "fork"
    assert Path(order.cwd, "out").read_text() == "all of it" and orders.log(order) == "x"


def test_the_mark_is_in_the_environment_that_others_see(orders):
    # Given a forked job whose own child has left the session without executing anything
    orders.warmed()
    order = orders.start(
        "import os, time\nif os.fork() == 0:\n os.setsid(); open('up', 'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    pid = orders.hear("started", order)["pid"]
    up = Path(order.cwd, "up")
    wait_for(lambda: up.exists() and up.read_text())
    # Then both bear the mark of this claim, as programs would, and the warm parent bears none
    for marked in (pid, int(up.read_text())):
        assert psutil.Process(marked).environ()["SPOOLQ_CLAIM"] == "claim-2"
        laid = Path(f"/proc/{marked}/environ").read_bytes().split(b"\0")
        assert b"SPOOLQ_CLAIM=claim-2" in laid and laid[-1] == b"" and b"" not in laid[:-1]
    assert "SPOOLQ_CLAIM" not in orders.warm().environ()
    # And when it is stopped, its child is ended as a leftover, the warm parent is none
    orders.link.send(do="stop", nonce=order.nonce, why="cancel")
    ended = orders.hear("ended", order)
    assert (ended["stopped"], ended["signal"], ended["leftovers"]) == ("cancel", signal.SIGTERM, 1)
    assert orders.warm() is not None and orders.run("pass")["launch"] == "fork"


def test_a_time_limit_and_the_grace_hold(orders):
    # Given a forked job that is deaf to the stop signal
    orders.warmed()
    text = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    # When its time is over, Then it is killed after its grace
    order = orders.start(text, timeout=0.5, grace=0.2)
    ended = orders.hear("ended", order)
    assert (ended["launch"], ended["stopped"], ended["signal"]) == ("fork", "timeout", signal.SIGKILL)
    assert ended["peak_memory_mib"] > 1


@pytest.mark.parametrize(("module", "why"), [
    ("import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True, name='busy').start()",
     "started the thread 'busy'"),
    ("import _thread, time\n_thread.start_new_thread(time.sleep, (600,))", "started the thread"),
    ("import subprocess\nkept = subprocess.Popen(['sleep', '600'])", "started a process"),
    ("raise RuntimeError('no licence')", "failed: RuntimeError: no licence"),
    ("import sys, types\nsys.modules['torch'] = types.SimpleNamespace(cuda=types.SimpleNamespace("
     "is_initialized=lambda: True))", "initialised CUDA"),
    ("import os\nos._exit(3)", "its warm parent died"),
])  # fmt: skip
def test_a_preload_that_does_more_than_import_is_not_kept_and_said_once(modules, orders, tmp_path, module, why):
    # Given a module that does more than define things
    (modules / "busy.py").write_text(module)
    # When two jobs want it preloaded
    for _ in range(2):
        order = orders.start("import time; time.sleep(600)", preload=("busy",))
        orders.hear("started", order)
        orders.link.send(do="warm", nonce=order.nonce)
        wait_for(lambda: "is not kept warm" in (tmp_path / "said").read_text())
        wait_for(lambda: orders.warm() is None)
        orders.link.send(do="stop", nonce=order.nonce, why="cancel")
        # Then each runs as a program, nothing is left over, and the operator is told once
        ended = orders.hear("ended", order)
        assert (ended["launch"], ended["leftovers"]) == ("exec", 0)
    assert (tmp_path / "said").read_text().count(why) == 1


def test_an_optional_module_that_is_not_there_is_no_fault(orders):
    orders.warmed(preload=("tiny.heavy", "no_such_module?"))
    assert orders.run("pass", preload=("tiny.heavy", "no_such_module?"))["launch"] == "fork"


def test_a_warm_parent_that_was_killed_is_replaced_and_its_job_lives(orders):
    # Given a job that was forked
    parent = orders.warmed()
    order = orders.start("import time, os\nwhile not os.path.exists('go'): time.sleep(.01)\nprint('done')")
    orders.hear("started", order)
    # When its warm parent is killed
    parent.kill()
    wait_for(lambda: gone(parent))
    # Then the job goes on, and the next one is started as a program
    Path(order.cwd, "go").touch()
    ended = orders.hear("ended", order)
    assert (ended["launch"], ended["exit_code"], orders.log(order)) == ("fork", 0, "done\n")
    assert orders.run("pass")["launch"] == "exec"
    # And another warm parent can be had
    assert orders.warmed().pid != parent.pid and orders.run("pass")["launch"] == "fork"


def test_a_warm_parent_that_was_killed_before_an_order_means_a_program(orders):
    parent = orders.warmed()
    # Given that the shim cannot have noticed
    os.kill(orders.link.pid, signal.SIGSTOP)
    parent.kill()
    order = orders.start("print('ran')")
    os.kill(orders.link.pid, signal.SIGCONT)
    # Then the job is run all the same, once
    ended = orders.hear("ended", order)
    assert (ended["launch"], ended["exit_code"], orders.log(order)) == ("exec", 0, "ran\n")


def test_a_mute_warm_parent_means_a_program_and_is_ended(orders):
    # Given a warm parent that is stopped
    parent = orders.warmed(start_timeout=0.2)
    parent.suspend()
    # When a job comes
    order = orders.start("print('ran')", start_timeout=0.2)
    ended = orders.hear("ended", order)
    # Then it is run once, as a program, and the mute one is gone
    assert (ended["launch"], ended["exit_code"], orders.log(order)) == ("exec", 0, "ran\n")
    wait_for(lambda: gone(parent))


def test_one_that_is_killed_while_it_forks_costs_no_job(orders, modules):
    # Given a preload by which a fork takes long, so that it can be hit in the middle
    hang = "import os, time\nos.register_at_fork(before=lambda: time.sleep(0.3))\n"
    (modules / "slow.py").write_text(hang)
    parent = orders.warmed(preload=("slow",))
    # When it is killed at several moments of a fork
    order = orders.start("print('ran')", preload=("slow",))
    time.sleep(0.05)
    parent.kill()
    # Then the job has run once, and nothing else is left
    ended = orders.hear("ended", order)
    assert (ended["launch"], ended["exit_code"], orders.log(order)) == ("exec", 0, "ran\n")
    wait_for(lambda: len(psutil.Process(orders.link.pid).children(recursive=True)) == 1)


def test_a_child_that_dies_before_it_is_let_go_costs_no_job(orders, modules):
    # Given a preload whose forks die at birth
    (modules / "deadly.py").write_text("import os\nos.register_at_fork(after_in_child=lambda: os._exit(9))\n")
    orders.warmed(preload=("deadly",))
    order = orders.start("print('ran')", preload=("deadly",))
    # Then it runs as a program
    ended = orders.hear("ended", order)
    assert (ended["launch"], ended["exit_code"], orders.log(order)) == ("exec", 0, "ran\n")


def test_an_idle_warm_parent_ends_and_a_busy_one_does_not(orders):
    # Given a warm parent that may be idle for a moment only, and a job of its that takes longer
    parent = orders.warmed(idle=0.3)
    order = orders.start("import time; time.sleep(0.6)", idle=0.3)
    assert orders.hear("ended", order)["launch"] == "fork"
    assert not gone(parent)
    # When nothing comes, Then it ends
    wait_for(lambda: gone(parent))


def test_another_key_ends_it_and_so_do_its_jobs(orders):
    # Given a warm parent
    parent = orders.warmed()
    # When a job comes that it cannot serve
    assert orders.run("pass", key="other")["launch"] == "exec"
    wait_for(lambda: gone(parent))
    # And Given another with two jobs at most
    parent = orders.warmed(max_jobs=2)
    assert [orders.run("pass", max_jobs=2)["launch"] for _ in range(3)] == ["fork", "fork", "exec"]
    wait_for(lambda: gone(parent))


def test_what_was_imported_from_a_file_that_has_changed_is_not_used(orders, modules):
    # Given a warm parent, and a module of its that is edited
    orders.warmed()
    with (modules / "tiny" / "heavy.py").open("a") as source:
        source.write("NEW = 1\n")
    # When a job comes, Then it is a program, with the module as it is now
    order = orders.start("print(heavy.NEW)")
    assert orders.hear("ended", order)["launch"] == "exec" and orders.log(order) == "1\n"
    # And the next warm parent has it too
    orders.warmed()
    order = orders.start("print(heavy.NEW)")
    assert orders.hear("ended", order)["launch"] == "fork" and orders.log(order) == "1\n"


def test_it_holds_neither_the_slots_lock_nor_a_log(orders, tmp_path):
    # Given a warm parent that has served a job
    parent = orders.warmed()
    assert orders.run("print('x')")["launch"] == "fork"
    # Then it has only its socket and /dev/null open
    links = {str(fd.readlink()) for fd in Path(f"/proc/{parent.pid}/fd").iterdir()}
    assert all(link == "/dev/null" or link.startswith("socket:") for link in links), links
    assert not any(str(tmp_path) in link for link in links)


def test_a_job_cannot_be_forked_twice_from_one_state(orders):
    # Given two forks of one parent
    orders.warmed()
    logs = []
    for _ in range(2):
        order = orders.start("import random; print(random.random())")
        assert orders.hear("ended", order)["launch"] == "fork"
        logs.append(orders.log(order))
    # Then each draws numbers of its own
    assert logs[0] != logs[1]


def test_a_shim_that_is_let_go_takes_its_warm_parent_along(orders):
    parent = orders.warmed()
    orders.link.close()
    wait_for(lambda: gone(parent))


def test_a_killed_shim_takes_warm_parent_and_evaluation_along(orders):
    # Given a forked job
    parent = orders.warmed()
    order = orders.start("import time; time.sleep(600)")
    evaluation = psutil.Process(orders.hear("started", order)["pid"])
    # When the shim is killed, Then so are both
    os.kill(orders.link.pid, signal.SIGKILL)
    wait_for(lambda: gone(parent) and gone(evaluation))


@pytest.mark.parametrize("warm", [False, True])
def test_an_evaluation_that_prints_nothing_for_too_long_is_stopped(orders, warm):
    # Given one that prints for a while, and then not any more
    if warm:
        orders.warmed()
    text = "import time\nfor n in range(8): print(n, flush=True); time.sleep(.1)\ntime.sleep(600)"
    order = orders.start(text, idle_timeout=0.6)
    # Then it is stopped, and not while it printed
    ended = orders.hear("ended", order)
    assert (ended["stopped"], ended["signal"]) == ("idle", signal.SIGTERM)
    assert ended["launch"] == ("fork" if warm else "exec")
    assert orders.log(order).split() == [str(number) for number in range(8)]
