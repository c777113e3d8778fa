"""How the shim starts an evaluation: as a fork of the warm parent if one is ready for it, else as a program."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from spoolq.orders import End, Order
from spoolq.process import children
from spoolq.spawn import Program, Ready
from spoolq.warm import WarmParent, Warmth


class Launcher:
    """The child that is ready to become a program, and the warm parent, if there is one. *say* tells the operator."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.ready: Ready | None = Ready()
        self.warm: WarmParent | None = None
        #: Warm parents that were ended and are not reaped yet.
        self._ended: list[int] = []
        #: Keys of which no evaluation can be forked; said once, not tried again.
        self._unfit: set[str] = set()

    def start(self, order: Order, end: End) -> int:
        """Start the evaluation; returns its pid, and notes in *end* how it went. Raises OSError and spawn.TooLate."""
        began = time.monotonic()
        deadline = order.claimed + order.heartbeat_timeout / 2
        pid = self._fork(order, deadline)
        end.launch = "fork" if pid is not None else "exec"
        end.warm_hit = None if order.warm is None else pid is not None
        if pid is None:
            pid = self._execute(order, deadline)
        end.setup_seconds = round(time.monotonic() - began, 4)
        return pid

    def _execute(self, order: Order, deadline: float) -> int:
        program = Program(order.argv, order.cwd, order.log, order.env, order.unset)
        ready, self.ready = self.ready or Ready(), None
        try:
            return ready.start(program, deadline)
        except BrokenPipeError:  # it was killed while it waited
            return Ready().start(program, deadline)

    def _fork(self, order: Order, deadline: float) -> int | None:
        if order.warm is None:
            return None
        warmth = Warmth(**order.warm)
        if self.warm is not None and self.warm.key != warmth.key:
            self.cool()
        self.hear()
        warm = self.warm
        if warm is None or not warm.ready:
            return None
        pid = warm.fork(order, warmth, deadline)
        if pid is None or warm.served >= warmth.max_jobs:
            self.cool()
        if pid is None:  # RACE: a child that was forked too late ends by itself; one that hangs must not run on
            for stray in children(self.own):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stray, 9)
        return pid

    def get_ready(self) -> None:
        """Have a child that is ready to become a program."""
        if self.ready is None:
            self.ready = Ready()

    def prepare(self, order: Order) -> None:
        """Have a warm parent for evaluations like *order*: there will be another. Not waited for."""
        if order.warm is None:
            return
        warmth = Warmth(**order.warm)
        if self.warm is not None or warmth.key in self._unfit:
            return
        with contextlib.suppress(OSError):  # the evaluations are started as programs
            self.warm = WarmParent(order, warmth)

    def hear(self) -> None:
        """Read what the warm parent says; one that nothing can be forked from is ended."""
        if self.warm is None:
            return
        self.warm.hear()
        if self.warm.fault is not None:
            self._give_up(self.warm, self.warm.fault)

    def _give_up(self, warm: WarmParent, fault: str) -> None:
        if not warm.ready:  # one that was ready and died may be replaced
            self._unfit.add(warm.key)
            self.say(f"recipe {warm.warmth.recipe} is not kept warm: {fault}. Its jobs start as programs.")
        self.cool()

    def cool(self) -> None:
        """End the warm parent, if there is one."""
        if self.warm is not None:
            self.warm.end()
            self._ended.append(self.warm.pid)
            self.warm = None

    def due(self, key: str | None) -> float:
        """When (`time.monotonic`) `turn` must be called; *key* is that of the evaluation in hand."""
        return self.warm.due(key == self.warm.key) if self.warm is not None else float("inf")

    def turn(self, key: str | None) -> None:
        """End a warm parent that was idle, or imported, for too long."""
        if self.warm is None or time.monotonic() < self.due(key):
            return
        if self.warm.ready:
            self.cool()
        else:
            self._give_up(self.warm, f"its preload took over {self.warm.warmth.preload_timeout:g} s")

    def used(self) -> None:
        """An evaluation has ended: the warm parent's idle time begins."""
        if self.warm is not None:
            self.warm.used = time.monotonic()

    def note(self, pid: int) -> bool:
        """Whether *pid*, which was reaped, was one of ours."""
        if self.ready is not None and pid == self.ready.pid:
            self.ready.close()
            self.ready = None
            return True
        if pid in self._ended:
            self._ended.remove(pid)
            return True
        if self.warm is not None and pid == self.warm.pid:
            self.hear()  # what it said last
            if self.warm is not None:
                self._give_up(self.warm, "its warm parent died")
            self._ended.remove(pid)
            return True
        return False

    @property
    def own(self) -> list[int]:
        """The children that are none of an evaluation's."""
        mine = [self.ready.pid] if self.ready is not None else []
        return [*mine, *self._ended, *([self.warm.pid] if self.warm is not None else [])]
