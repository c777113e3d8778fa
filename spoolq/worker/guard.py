"""The guard: the parent of one job's command. When the worker says so, or dies, it ends all that the command started.

`python -m spoolq.worker.guard GRACE REPORT -- COMMAND…` copies what the command prints to its own stdout, and at the
end writes a report to the descriptor REPORT. The end of its stdin says stop, and comes also when the worker is killed.
It is single-threaded, since it forks.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

from spoolq import process
from spoolq.spawn import like_a_login_shell

#: How much of what was printed last is kept for the report, in bytes.
TAIL = 16 << 10
_CHUNK = 1 << 16
#: How long what was printed last may wait for a reader who does not read, in seconds.
_PATIENCE_S = 5.0


class _Guard:
    def __init__(self, command: list[str], grace: float) -> None:
        process.become_subreaper()
        like_a_login_shell()
        self.grace = grace
        self.tail, self.unsaid = b"", b""
        self.told, self.mute = False, False
        self.kill_at: float | None = None
        self.status: int | None = None
        self.woken, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # the worker decides, not they
            signal.signal(number, lambda _number, _frame: None)
        output, printed = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(output, False)
        self.output: int | None = output
        parent = os.getpid()
        try:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, start_new_session=True,
                preexec_fn=lambda: process.die_with_parent(parent),
            )  # fmt: skip
        finally:
            os.close(printed)

    def watch(self) -> None:
        """Return when the command has ended, and nothing that it started lives."""
        while self.status is None:
            self._wait(None if self.kill_at is None else max(0.0, self.kill_at - time.monotonic()))
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                self.kill_at = None
                process.signal_group(self.child.pid, signal.SIGKILL)
                process.kill_all(self._alive)
            self._reap()
        process.kill_all(self._alive)
        deadline = time.monotonic() + _PATIENCE_S
        while (self.output is not None or self.unsaid) and time.monotonic() < deadline:
            self._wait(0.1)

    def _wait(self, patience: float | None) -> None:
        """Carry on with what is ready: an order, output, room for output, or a child's end."""
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        if not self.told:
            poll.register(0, select.POLLIN)
        if self.unsaid:  # what the reader does not take is not taken from the command either
            poll.register(1, select.POLLOUT)
        elif self.output is not None:
            poll.register(self.output, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(None if patience is None else patience * 1000 + 1)}
        if self.woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.woken, 4096)
        if 0 in ready:  # an order, or the worker's end: both say stop
            self._stop()
        if 1 in ready:
            self._say()
        if self.output in ready:
            self._hear(self.output)

    def _stop(self) -> None:
        self.told = True
        self.kill_at = time.monotonic() + self.grace
        process.signal_group(self.child.pid, signal.SIGTERM)

    def _hear(self, output: int) -> None:
        data = os.read(output, _CHUNK)
        self.tail = (self.tail + data)[-TAIL:]
        if not data:
            os.close(output)
            self.output = None
        elif not self.mute:
            self.unsaid = data

    def _say(self) -> None:
        """Print some of it, never waiting: a stop order must be heard though nobody reads what the command prints."""
        try:
            self.unsaid = self.unsaid[os.write(1, self.unsaid[: select.PIPE_BUF]) :]
        except OSError:  # our reader has gone; the job goes on
            self.unsaid, self.mute = b"", True

    def _alive(self) -> list[int]:
        self._reap()
        return process.children()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (dead := os.waitpid(-1, os.WNOHANG))[0]:
                if dead[0] == self.child.pid:
                    self.status = self.child.returncode = os.waitstatus_to_exitcode(dead[1])


def main(argv: list[str]) -> int:
    """Guard a command; its report is one JSON object."""
    grace, report = float(argv[0]), int(argv[1])
    os.set_inheritable(report, False)
    facts: dict[str, object] = {"status": None, "fault": None, "tail": ""}
    try:
        guard = _Guard(argv[3:], grace)
    except OSError as error:
        facts["fault"] = f"{error.filename or argv[3]}: {error.strerror}"
    else:
        guard.watch()
        facts |= {"status": guard.status, "tail": guard.tail.decode("utf-8", "replace")}
    with contextlib.suppress(BrokenPipeError), os.fdopen(report, "w") as pipe:  # the worker may be dead
        json.dump(facts, pipe)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
