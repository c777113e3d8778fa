"""Run hooks, a few at a time: each in a session of its own, for so long and no longer, and nothing of it stays."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from spoolq import process
from spoolq.names import token

#: So much of what a hook prints is kept, its end, in bytes; the rest is read and dropped.
_KEPT = 4096
#: How long what a hook has started is killed for, in seconds, before it is left to itself: it may hang in a driver.
_KILL_S = 5.0
#: What finds it: a variable in the environment of all that a hook starts.
_MARK = "SPOOLQ_NOTICE"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One run of a hook: program, stdin, what its environment has besides, limit in seconds."""

    argv: list[str]
    stdin: bytes
    env: Mapping[str, str]
    timeout: float


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: exit code (negative: by that signal; None: it never ran), its last words, seconds."""

    exit: int | None
    timed_out: bool
    said: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the hook says that all went well."""
        return self.exit == 0 and not self.timed_out


@dataclass(slots=True)
class _Run:
    number: int
    mark: str
    process: subprocess.Popen[bytes]
    began: float
    until: float
    output: bytearray = field(default_factory=bytearray)
    pidfd: int = -1


def deliver(deliveries: Iterable[Delivery], at_once: int) -> Iterator[tuple[int, Result]]:
    """Run them, at most *at_once* together; the number of each, and what came of it, in the order in which they end.

    One is asked for only when there is room for it. Hooks die with this process, which must have one thread.
    """
    waiting = enumerate(deliveries)
    running: list[_Run] = []
    with selectors.DefaultSelector() as selector:
        while True:
            while len(running) < at_once and (pair := next(waiting, None)) is not None:
                try:
                    running.append(_start(*pair, selector))
                except (OSError, ValueError) as error:
                    yield pair[0], Result(None, False, _cause(error), 0.0)
            if not running:
                return
            _listen(selector, max(0.0, min(run.until for run in running) - time.monotonic()))
            for run in [run for run in running if run.process.poll() is not None or time.monotonic() >= run.until]:
                running.remove(run)
                yield run.number, _end(run, selector)


def _start(number: int, delivery: Delivery, selector: selectors.BaseSelector) -> _Run:
    mark, parent = token(8), os.getpid()
    stdin = os.memfd_create("notice", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(stdin), "wb") as file:
            file.write(delivery.stdin)
        os.lseek(stdin, 0, os.SEEK_SET)
        began = time.monotonic()
        child = subprocess.Popen(
            delivery.argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**os.environ, **delivery.env, _MARK: mark},
            start_new_session=True,
            preexec_fn=lambda: process.die_with_parent(parent),
        )
    finally:
        os.close(stdin)
    run = _Run(number, mark, child, began, began + delivery.timeout, pidfd=os.pidfd_open(child.pid))
    assert child.stdout is not None
    os.set_blocking(child.stdout.fileno(), False)
    selector.register(child.stdout, selectors.EVENT_READ, run)
    selector.register(run.pidfd, selectors.EVENT_READ, run)
    return run


def _listen(selector: selectors.BaseSelector, patience: float) -> None:
    """Wait until one prints something or ends, and take what it printed; a pipe that is closed is not asked again."""
    for key, _ in selector.select(patience):
        run: _Run = key.data
        if key.fd != run.pidfd and not _read(run):
            selector.unregister(key.fileobj)


def _read(run: _Run) -> bool:
    """Take one piece of what a hook printed; False when there will be no more."""
    assert run.process.stdout is not None
    try:
        piece = os.read(run.process.stdout.fileno(), 1 << 16)
    except BlockingIOError:
        return True
    run.output += piece
    del run.output[:-_KEPT]
    return bool(piece)


def _end(run: _Run, selector: selectors.BaseSelector) -> Result:
    """Kill what is left of a hook, daemons too, and say what came of it."""
    timed_out = run.process.poll() is None
    seconds = time.monotonic() - run.began
    process.signal_group(run.process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.wait(_KILL_S)
    _kill_rest(run)
    assert run.process.stdout is not None
    _read(run)
    for fd in (run.process.stdout, run.pidfd):
        with contextlib.suppress(KeyError):  # the pipe of one that closed it is not there any more
            selector.unregister(fd)
    run.process.stdout.close()
    os.close(run.pidfd)
    said = bytes(run.output).decode("utf-8", "replace").strip().rpartition("\n")[2]
    return Result(run.process.returncode, timed_out, said, seconds)


def _kill_rest(run: _Run) -> None:
    """What left the hook's session still has the mark. An orphan of it is ours to bury, once its parents are dead."""
    until = time.monotonic() + _KILL_S
    mark = f"{_MARK}={run.mark}"
    while (pids := process.marked(mark, None, None)) and time.monotonic() < until:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _cause(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {os.fsdecode(error.filename)}" if error.filename else error.strerror
    return str(error)
