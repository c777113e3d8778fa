"""The shim: one a slot, started by its runner, parent of its evaluations, which outlives a killed runner.

It holds the slot's lock, takes orders over a socket, starts the evaluation, keeps its time limit, beats its heart,
reaps all that it leaves, writes how it ended to ``runs/KEY/end.NONCE.json``, and tells the runner. It judges nothing.

It is single-threaded, since it forks. When its socket closes it sees the evaluation in hand to its end, then goes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from spoolq import process
from spoolq.beat import FENCED, QUIET, Beater
from spoolq.ends import write_end
from spoolq.launch import Launcher
from spoolq.orders import End, Order
from spoolq.spawn import TooLate, like_a_login_shell


@dataclass(slots=True)
class _Evaluation:
    order: Order
    end: End
    pid: int
    began: float
    beater: Beater | None = None
    last_beat: float = 0.0
    beat_from: float = 0.0
    kill_at: float | None = None
    beaters: list[int] = field(default_factory=list)

    @property
    def key(self) -> str | None:
        """That of the warm parent that it came from, or could have come from."""
        return self.order.warm["key"] if self.order.warm is not None else None


class _Shim:
    def __init__(self, sock: socket.socket) -> None:
        process.become_subreaper()
        self.sock: socket.socket | None = sock
        self.buffer = b""
        self.now: _Evaluation | None = None
        self.told_to_stop = False
        like_a_login_shell()
        self.woken, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._on_term)
        self.launcher = Launcher(_tell)

    def _on_term(self, _number: int, _frame: object) -> None:
        self.told_to_stop = True

    def serve(self) -> NoReturn:
        while self.sock is not None or self.now is not None:
            self._wait()
            if self.told_to_stop:
                self.told_to_stop = False
                self._stop("signal")
            if self.now is not None:
                self._limits(self.now)
            self._reap()
            self.launcher.turn(self.now.key if self.now is not None else None)
            if self.now is None:
                self.launcher.get_ready()
        os._exit(0)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        if self.sock is not None:
            poll.register(self.sock, select.POLLIN)
        if self.now is not None and self.now.beater is not None:
            poll.register(self.now.beater.reader, select.POLLIN)
        if self.launcher.warm is not None:
            poll.register(self.launcher.warm.sock, select.POLLIN)
        ready = dict(poll.poll(self._patience()))
        if self.woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.woken, 4096)
        self.launcher.hear()
        if self.sock is not None and self.sock.fileno() in ready:
            self._listen(self.sock)

    def _patience(self) -> float | None:
        """Milliseconds until something is due; None while idle."""
        due = [self.launcher.due(self.now.key if self.now is not None else None)]
        if self.now is not None:
            due.append(self.now.beat_from if self.now.beater is None else self._fence_at(self.now))
            if self.now.kill_at is not None:
                due.append(self.now.kill_at)
            elif self.now.order.timeout is not None:
                due.append(self.now.began + self.now.order.timeout)
        soonest = min(due)
        return None if soonest == float("inf") else max(0.0, soonest - time.monotonic()) * 1000 + 1

    def _listen(self, sock: socket.socket) -> None:
        try:
            chunk = sock.recv(1 << 16)
        except ConnectionResetError:
            chunk = b""
        if not chunk:  # the runner is dead, or has let us go
            sock.close()
            self.sock = None
            return
        *lines, self.buffer = (self.buffer + chunk).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["do"] == "start":
                self._start(Order(**message["order"]))
            elif self.now is not None and message["nonce"] == self.now.order.nonce:
                if message["do"] == "warm":
                    self.launcher.prepare(self.now.order)
                else:
                    self._stop(message["why"])

    def _start(self, order: Order) -> None:
        end = End(order.nonce, started_at=_utc_now())
        try:
            pid = self.launcher.start(order, end)
        except TooLate:
            end.stopped = "fenced"
            self._finish(order, end, None)
        except OSError as error:
            end.could_not_start = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            self._finish(order, end, None)
        else:
            # The heart counts from the claim, as others do: the start may have hung in a dead file system.
            beat_from = order.claimed + order.heartbeat if order.idle_timeout is None else time.monotonic()
            self.now = _Evaluation(order, end, pid, time.monotonic(), last_beat=order.claimed, beat_from=beat_from)
            self._say(event="started", nonce=order.nonce, pid=pid, start_time=process.start_time(pid))

    def _say(self, **message: Any) -> None:
        if self.sock is not None:
            with contextlib.suppress(OSError):  # a runner that is dead learns of it by the end record
                self.sock.sendall(json.dumps(message).encode() + b"\n")

    def _fence_at(self, now: _Evaluation) -> float:
        return now.last_beat + now.order.heartbeat_timeout / 2

    def _limits(self, now: _Evaluation) -> None:
        clock, order = time.monotonic(), now.order
        if now.beater is not None:  # RACE: if we were stopped for a while, beats lie unread
            self._hear(now, now.beater)
        if now.beater is None and clock >= now.beat_from:
            now.beater = Beater(Path(order.running), Path(order.beat), order.heartbeat, order.log, order.idle_timeout)
            now.beaters.append(now.beater.pid)
        if clock >= self._fence_at(now):
            self._fence(now)
        elif now.kill_at is not None and clock >= now.kill_at:
            self._kill(now)
        elif now.kill_at is None and order.timeout is not None and clock >= now.began + order.timeout:
            self._stop("timeout")

    def _hear(self, now: _Evaluation, beater: Beater) -> None:
        try:
            said = beater.read()
        except EOFError:  # it was killed; another is started
            beater.stop()
            now.beater = None
            return
        if FENCED in said:
            self._fence(now)
            return
        if QUIET in said:
            self._stop("idle")
        now.last_beat = max([now.last_beat, *said])

    def _fence(self, now: _Evaluation) -> None:
        """Stop at once, write nothing: the claim is gone, or others must soon believe that we are."""
        now.end.stopped = "fenced"
        self._kill(now)

    def _stop(self, why: str) -> None:
        """Send the stop signal to the evaluation's group; SIGKILL follows after the grace."""
        now = self.now
        if now is None or now.kill_at is not None:
            return
        now.end.stopped = now.end.stopped or why
        now.kill_at = time.monotonic() + now.order.grace
        process.signal_group(now.pid, signal.Signals(now.order.stop_signal))

    def _kill(self, now: _Evaluation) -> None:
        now.kill_at = float("inf")
        process.signal_group(now.pid, signal.SIGKILL)
        process.kill_all(self._leftovers)

    def _reap(self) -> None:
        """Collect the dead; when the evaluation itself is among them, end all that it left behind."""
        self._collect()
        now = self.now
        if now is None or (now.end.exit_code is None and now.end.signal is None):
            return
        now.end.leftovers = process.kill_all(self._leftovers)
        self.now = None
        self._finish(now.order, now.end, now.beater)

    def _leftovers(self) -> list[int]:
        """What the evaluation left alive: as the subreaper we are the parent of all of it."""
        self._collect()
        return process.children(self._spared())

    def _collect(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (dead := os.wait4(-1, os.WNOHANG))[0]:
                self._note(*dead)

    def _note(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        now = self.now
        if self.launcher.note(pid):
            return
        if now is not None and now.beater is not None and pid == now.beater.pid:
            now.beater.alive = False
        elif now is not None and pid == now.pid:
            code = os.waitstatus_to_exitcode(status)
            now.end.exit_code, now.end.signal = (code, None) if code >= 0 else (None, -code)
            now.end.peak_memory_mib = round(usage.ru_maxrss / 1024, 1)

    def _spared(self) -> list[int]:
        """Our own children, which are none of the evaluation's."""
        return [*(self.now.beaters if self.now else []), *self.launcher.own]

    def _finish(self, order: Order, end: End, beater: Beater | None) -> None:
        end.ended_at = _utc_now()
        self.launcher.used()
        if end.stopped != "fenced":
            stuck = partial(self._say, event="stuck", nonce=order.nonce)
            beater = write_end(
                order, end, beater, durable=lambda: self.sock is None, stuck=lambda error: stuck(error=error)
            )
        if beater is not None:  # only now: until the end is on disk nobody may take us for dead
            beater.stop()
        self._say(event="ended", **end.document())


def _tell(text: str) -> None:
    """One line for the operator; a closed terminal is no reason to stop."""
    with contextlib.suppress(OSError):
        os.write(2, f"spoolq: {text}\n".encode("utf-8", "replace"))


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


if sys.platform != "linux":  # pragma: no cover
    raise ImportError("spoolq runs evaluations on Linux only: it needs subreapers and /proc. Submit from anywhere.")


def main(argv: list[str]) -> NoReturn:
    """`python -m spoolq.shim SOCKET SLOT_LOCK`: two descriptors; the lock is held by being open."""
    sock, slot_lock = map(int, argv)
    for fd in (sock, slot_lock):
        os.set_inheritable(fd, False)
    gc.freeze()
    gc.disable()  # a collection writes to every page, which each fork would then copy; what we make is no cycle
    try:
        _Shim(socket.socket(fileno=sock)).serve()
    except BaseException as error:
        os.write(2, f"spoolq: the shim died: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(70)


if __name__ == "__main__":
    main(sys.argv[1:])
