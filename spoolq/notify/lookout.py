"""The watcher's part: look for what hooks are to be told of, and hand it to a courier, one at a time.

Nothing here waits, and nothing here raises: a hook, or a courier, that hangs costs the watcher nothing.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict

from spoolq.errors import SpoolqError
from spoolq.notify.courier import Batch
from spoolq.notify.ends import Ends, is_idle
from spoolq.notify.hooks import ENDS, read_hooks
from spoolq.notify.standing import Standing
from spoolq.process import signal_group
from spoolq.store import Store

#: Between two looks, in seconds; longer where a look takes long: it may cost this share of the time.
_LOOK_S, _SHARE = 1.0, 0.05
#: After this long what could not be told is handed over again, in seconds.
_AGAIN_S = 15.0
#: What a courier is given besides the hooks' own limits, in seconds: to start, to read records, to wait for a disk.
_SLACK_S = 120.0


class Lookout:
    """Looks out in one spool. Raises SettingsInvalid for hooks that could never work."""

    def __init__(
        self,
        store: Store,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        again: float = _AGAIN_S,
    ) -> None:
        self.store, self.say, self.clock, self.again = store, say, clock, again
        self.hooks = read_hooks(store.settings)
        wanted = {word for hook in self.hooks for word in hook.on}
        self.wants_ends, self.wants_idle = bool(wanted & {*ENDS, "idle"}), "idle" in wanted
        self.ends = Ends(store, store.poll, clock)
        self.standing = Standing(store, store.settings.notify.quiet, clock) if "stuck" in wanted else None
        self.courier: subprocess.Popen[bytes] | None = None
        #: What the courier carries, and until when it may; what could not be told, and when it is tried again.
        self.carried, self.until = Batch(), 0.0
        self.left, self.again_at = Batch(), 0.0
        #: What has been seen and not been handed over.
        self.seen = Batch()
        self.look_at = 0.0
        self.fault = ""

    def turn(self) -> None:
        """See to the courier, look when it is time to, and send the next one."""
        try:
            self._see_to_courier()
            if self.clock() >= self.look_at:
                began = self.clock()
                self._look()
                self.look_at = self.clock() + max(_LOOK_S, (self.clock() - began) / _SHARE)
            self._send()
            self.fault = ""
        except (OSError, SpoolqError) as error:  # said once, looked at again
            self.look_at = self.clock() + _LOOK_S
            if str(error) != self.fault:
                self.fault = str(error)
                self.say(f"cannot look for what hooks are to be told: {error}")

    def patience(self) -> float:
        """Seconds until the next look is due. That a courier has ended is heard by SIGCHLD."""
        return max(0.0, self.look_at - self.clock())

    def finish(self, hurried: Callable[[], bool]) -> None:
        """At the watcher's end: one more look, and wait until all is told, at most until *hurried* says so.

        A courier is on its own: one that is left behind goes on. What could not be told is the next watcher's.
        """
        self.look_at = 0.0
        self.turn()
        while self.courier is not None and not hurried():
            self._await()
            self._see_to_courier()
            if self.courier is None and not self.fault:
                self._send()

    def _await(self) -> None:
        """Until the courier ends, or a moment has passed."""
        assert self.courier is not None
        fd = os.pidfd_open(self.courier.pid)
        try:
            select.select([fd], [], [], 0.2)
        finally:
            os.close(fd)

    def _look(self) -> None:
        # RACE: before the listings of what has ended: else a job that ends in between would be told twice to have been
        # the last.
        idle = self.wants_idle and is_idle(self.store)
        ended = self.ends.look() if self.wants_ends else []
        stuck = self.standing.look() if self.standing else []
        if ended or stuck:
            self.seen = Batch(self.seen.ended + ended, self.seen.stuck + stuck, idle)

    def _send(self) -> None:
        if self.courier is not None:
            return
        if self.clock() >= self.again_at and self.left != Batch():
            self.seen, self.left = _joined(self.left, self.seen), Batch()
        if not self.seen.ended and not self.seen.stuck:
            return
        # A file, not a pipe: a courier that does not read must not make us wait.
        with tempfile.TemporaryFile() as order:
            order.write(json.dumps(asdict(self.seen)).encode())
            order.seek(0)
            argv = [sys.executable, "-m", "spoolq.notify", str(self.store.root.absolute())]
            # A session of its own: a Ctrl-C at the terminal is the watcher's to hear.
            self.courier = subprocess.Popen(
                argv, stdin=order, stdout=subprocess.DEVNULL, start_new_session=True, cwd="/"
            )
        self.carried, self.seen = self.seen, Batch()
        rounds = (len(self.carried.ended) * 2 + len(self.carried.stuck)) * len(self.hooks)
        longest = max(hook.timeout for hook in self.hooks)
        self.until = self.clock() + _SLACK_S + longest * (1 + rounds / self.store.settings.notify.at_once)

    def _see_to_courier(self) -> None:
        """Bury a courier that has ended; one that has taken too long is killed, and its hooks die with it."""
        if self.courier is None:
            return
        if self.courier.poll() is None:
            if self.clock() >= self.until:
                self.say(f"the courier of notices (process {self.courier.pid}) has taken too long; killing it")
                signal_group(self.courier.pid, signal.SIGKILL)
                self.until = self.clock() + _SLACK_S
            return
        if self.courier.returncode != 0:
            # CRASH: what it had told has its line, so it can all be handed over again.
            self.left, self.again_at = _joined(self.left, self.carried), self.clock() + self.again
        self.courier, self.carried = None, Batch()


def _joined(first: Batch, second: Batch) -> Batch:
    idle = second.idle if second.ended else first.idle
    return Batch(first.ended + second.ended, first.stuck + second.stuck, idle)
