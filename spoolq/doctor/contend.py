"""Several real processes that do one thing at one moment, and what each of them says of it."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

from spoolq.errors import SpoolqError

#: A process that hangs in the file system is ended after so many seconds.
PATIENCE_S = 60


class ContenderDied(SpoolqError):
    """A process of a check ended without an answer."""


class Line:
    """Keeps contenders in step, by one byte of common memory each.

    A race in which one has won everything before the others have begun proves nothing.
    """

    def __init__(self, contenders: int, limit: float) -> None:
        self._steps = mmap.mmap(-1, contenders + 1)
        self._contenders = contenders
        self._deadline = time.monotonic() + limit

    def wait(self, who: int, step: int) -> bool:
        """Return once every contender is at *step* (2 to 254); False, to all of them alike, when the time is over."""
        if who == 0 and step > 2 and time.monotonic() > self._deadline:
            self._steps[self._contenders] = step  # before it is seen at this step, so that all see it there
        self._steps[who] = step
        while min(self._steps[: self._contenders]) < step:
            os.sched_yield()
        return self._steps[self._contenders] == 0

    def leave(self, who: int) -> None:
        """Keep nobody waiting any more."""
        self._steps[who] = 255


def contend(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Run *work* (0, 1, …) in that many processes, all let go at once; what each returned, which must be JSON.

    The caller must be single-threaded. Raises ContenderDied.
    """
    gate, opener = os.pipe2(os.O_CLOEXEC)
    started = [_start(gate, opener, work, who) for who in range(number)]
    os.close(gate)
    os.close(opener)  # the last copy of the writing end: every reader of the gate goes
    answers = []
    for pid, reader in started:
        with os.fdopen(reader, "rb") as stream:
            text = stream.read()
        os.waitpid(pid, 0)
        answers.append(json.loads(text) if text else None)
    values = []
    for answer in answers:
        if answer is None:
            raise ContenderDied(f"a process of the check was killed, or hung for {PATIENCE_S} s")
        if "error" in answer:
            raise ContenderDied(f"a process of the check failed: {answer['error']}")
        values.append(answer["value"])
    return values


def _start(gate: int, opener: int, work: Callable[[int], Any], who: int) -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(opener)
        os.close(reader)
        _run(gate, writer, work, who)
    os.close(writer)
    return pid, reader


def _run(gate: int, writer: int, work: Callable[[int], Any], who: int) -> NoReturn:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE_S)
    try:
        os.read(gate, 1)
        try:
            answer = {"value": work(who)}
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(OSError), os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(answer).encode())
    finally:
        os._exit(0)
