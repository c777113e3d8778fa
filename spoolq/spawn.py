"""Start an evaluation: a child is forked ahead of its order, so that the start itself is one exec.

A fork of a Python process costs a millisecond or two; it is paid while the last evaluation runs, or while idle.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import struct
import time
from dataclasses import dataclass, field
from typing import NoReturn

from spoolq.process import die_with_parent

#: What Python ignores, and a program would inherit; what has a handler is reset by the exec.
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
#: Where a start failed, as the child reports it.
_AT_LOG, _AT_CWD, _AT_EXEC = range(3)


class TooLate(Exception):
    """The evaluation may not be started any more: its deadline has passed."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: in *cwd*, its stdout and stderr appended to *log*, both absolute.

    Its environment is the caller's without the names *unset*, and with *env*.
    """

    argv: list[str]
    cwd: str
    log: str
    env: dict[str, str] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)


def like_a_login_shell() -> None:
    """Ignore and block no signal that a program would then find ignored or blocked, as SIGINT under `nohup` or `&`."""
    for number in signal.valid_signals() - set(_IGNORED):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


class Ready:
    """A child in a session of its own, stdin empty, that dies with its parent and waits to be told what to run.

    The caller must be single-threaded, and have its signals `like_a_login_shell`. What it has open stays open in the
    child until the exec: a slot's lock is held by it as long as no evaluation can be told by its environment.
    """

    def __init__(self) -> None:
        parent = os.getpid()
        orders, self._orders = os.pipe2(os.O_CLOEXEC)
        self._reports, reports = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._orders)
            os.close(self._reports)
            _await_order(orders, reports, parent)
        os.close(orders)
        os.close(reports)

    def start(self, program: Program, deadline: float = float("inf")) -> int:
        """Run *program*; returns its pid once it runs.

        Raises OSError, with the path at fault, when it could not be started; TooLate when the monotonic clock was past
        *deadline* before it could be; BrokenPipeError when the child was killed meanwhile. Can be called once.
        """
        try:
            self._send(program, deadline)
            report = os.read(self._reports, 4096)
        finally:
            os.close(self._reports)
        if not report:
            return self.pid
        os.waitpid(self.pid, 0)
        code, where = struct.unpack("ii", report)
        if code == errno.ETIME:
            raise TooLate
        raise OSError(code, os.strerror(code), (program.log, program.cwd, program.argv[0])[where])

    def _send(self, program: Program, deadline: float) -> None:
        order = [program.argv, program.cwd, program.log, program.env, program.unset, deadline]
        data = json.dumps(order).encode()
        try:
            while data:
                data = data[os.write(self._orders, data) :]
        finally:
            os.close(self._orders)

    def close(self) -> None:
        """Let it go without an order; the caller reaps it."""
        os.close(self._orders)
        os.close(self._reports)


def _await_order(orders: int, reports: int, parent: int) -> NoReturn:
    where = _AT_LOG
    try:
        os.setsid()
        die_with_parent(parent)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        base = _rehearse()
        text = _read_all(orders)
        if not text:  # the shim has ended, or needs us no longer
            os._exit(0)
        argv, cwd, path, env, unset, deadline = json.loads(text)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        where = _AT_CWD
        os.chdir(cwd)
        where = _AT_EXEC
        for name in unset:
            base.pop(name, None)
        base.update(env)
        if time.monotonic() >= deadline:  # RACE: a file system that hung until others may have the job
            raise OSError(errno.ETIME, os.strerror(errno.ETIME))
        execute = os.execve if "/" in argv[0] else os.execvpe
        execute(argv[0], argv, base)
    except OSError as error:
        os.write(reports, struct.pack("ii", error.errno or errno.EIO, where))
    except BaseException:
        os.write(reports, struct.pack("ii", errno.EINVAL, where))
    os._exit(127)


def _read_all(fd: int) -> bytes:
    chunks = []
    while chunk := os.read(fd, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def _rehearse() -> dict[str, str]:
    """Do once what an order will need, so that the pages that it writes are copied now: that halves the start.

    Returns the environment of this process.
    """
    base = dict(os.environ)
    json.loads(json.dumps([["-"], {"-": "-"}, 0.5]))
    with contextlib.suppress(OSError):
        os.execve(os.devnull, ["-"], base)
    time.monotonic()
    return base
