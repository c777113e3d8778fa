"""The runner: one process a slot. It claims, has its shim run the evaluation, and finishes; again and again.

`python -m spoolq.runner` is started by the watcher, which wakes it over a socket. It works on without its watcher: when
the socket closes it finishes the job in hand and ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from spoolq import control, history
from spoolq.attempt import Attempt, accept, conclude, end_from, open_attempt, order, owner, reject
from spoolq.claims import Claimed, back
from spoolq.errors import ClaimLost, RequestInvalid, SpoolqError
from spoolq.follow import Following
from spoolq.gates import of
from spoolq.gpus.lease import Lease
from spoolq.lock import holder, lock_directory, try_lock
from spoolq.orders import End, Link
from spoolq.orphans import end_orphan
from spoolq.plain import one_line
from spoolq.recover import recover, stop_orphans
from spoolq.requests import Job
from spoolq.store import Store
from spoolq.upcoming import Upcoming

#: How often a slot that somebody holds is asked for, in seconds.
_LOCK_POLL_S = 0.25
#: What a runner says to its watcher when the queue is empty for it.
IDLE = b"i"


class Runner:
    """The loop of one slot. *watcher* is the socket to the watcher, *devices* the slot's GPUs (None: as inherited)."""

    def __init__(self, store: Store, slot: str, devices: str | None, watcher: socket.socket) -> None:
        self.store, self.slot = store, slot
        store.disk.group = True
        self.watcher: socket.socket | None = watcher
        watcher.setblocking(False)
        self.gpus = Lease(store, slot, devices, self.say)
        self.upcoming = Upcoming(store, slot, self.say, gates=of(store, self.gpus.admission))
        self.heard, self.stops, self.last_said = b"", 0, ""
        self.recover_at = float("inf")
        self.link: Link | None = None
        self.owner: dict[str, Any] = {}
        self.slot_lock = -1
        self.woken, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)

    def _on_stop(self, _number: int, _frame: object) -> None:
        self.stops += 1

    def say(self, line: str) -> None:
        """One line for the operator, once while it is the same; a closed terminal is no reason to stop."""
        if line == self.last_said:
            return
        self.last_said = line
        with contextlib.suppress(OSError):
            os.write(2, f"{time.strftime('%H:%M:%S')} {self.slot}: {one_line(line)}\n".encode())

    def run(self) -> None:
        """Take the slot, recover what its last holder left, then serve until told to stop."""
        if not self._take_slot():
            return
        self._start_shim()
        self._recover()
        while not self.stops and self.watcher is not None:
            try:
                if not self._turn():
                    self._sync_owed()
                    self._tell_idle()
                    self._wait(min(self.store.poll, self.upcoming.patience()))
            except EOFError:
                self._replace_shim()
        self._sync_owed()
        if self.link is not None:
            self.link.close()

    def _sync_owed(self) -> None:
        """Put the end of the last job on disk: no claim follows that would do it."""
        try:
            self.store.disk.sync_directory()
        except OSError as error:
            self.say(
                f"cannot sync {self.store.root}: {error.strerror or error}. Its last end may not survive a power cut."
            )

    def _start_shim(self) -> None:
        self.link = Link(self.slot_lock)
        self.owner = owner(self.link.pid)

    def _recover(self) -> None:
        """Recover this slot's claims; what the disk refused now is tried again a second later."""
        self.upcoming.clear()  # what goes back has its old place, before those that we have read ahead
        self.recover_at = time.monotonic() + 1.0 if recover(self.store, self.slot, self.say) else float("inf")

    def _take_slot(self) -> bool:
        """Hold the slot's lock for life; while somebody else has it, wait, and pass cancels on to an orphaned shim."""
        path = lock_directory(self.store.settings.lock_dir) / f"{self.slot}.lock"
        said = False
        while (fd := try_lock(path)) is None:
            if not said:
                self.say(f"slot {self.slot} is held by {holder(path)}; waiting for it")
                said = True
            self._tell_idle()
            self._wait(_LOCK_POLL_S)
            if self.stops or self.watcher is None:
                return False
            with contextlib.suppress(OSError):
                stop_orphans(self.store, self.slot)
        self.slot_lock = fd
        return True

    def _tell_idle(self) -> None:
        if self.watcher is not None:
            with contextlib.suppress(OSError):
                self.watcher.send(IDLE)

    def _wait(self, timeout: float) -> list[dict[str, Any]]:
        """Sleep until woken by the watcher, the shim, a signal or the timer; returns what the shim said."""
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        if self.watcher is not None:
            poll.register(self.watcher, select.POLLIN)
        if self.link is not None:
            poll.register(self.link.sock, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(timeout * 1000)}
        if self.woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.woken, 4096)
        if self.watcher is not None and self.watcher.fileno() in ready:
            self._hear_watcher(self.watcher)
        if self.link is not None and self.link.sock.fileno() in ready:
            return self.link.receive()
        if not ready:
            self.upcoming.stale = True  # the timer: the scan is the truth
        return []

    def _hear_watcher(self, watcher: socket.socket) -> None:
        try:
            said = watcher.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            watcher.close()
            self.watcher = None
        self.upcoming.stale = True
        *names, self.heard = (self.heard + said).split(b"\0")
        for name in names:
            self.upcoming.hint(name.decode("ascii", "replace"))

    def _turn(self) -> bool:
        """Claim and run one job; False when there is nothing to claim."""
        if time.monotonic() >= self.recover_at:
            self._recover()
        try:
            claimed = None if control.read(self.store).paused else self.upcoming.claim()
        except (OSError, SpoolqError) as error:
            cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self.say(f"cannot claim from {self.store.root}: {cause}. Trying again.")
            self.recover_at = time.monotonic()  # a claim whose fsync failed stands, and is ours to give back
            self._wait(1.0)
            return True
        if claimed is None:
            return False
        self._run(claimed)
        return True

    def _run(self, claimed: Claimed) -> None:
        try:
            if claimed.fault is not None:
                raise RequestInvalid(claimed.fault)
            job = accept(self.store, claimed)
        except RequestInvalid as error:
            reject(self.store, claimed, str(error), self.say)
            return
        given_back = self.upcoming.left(claimed.running, job)
        if given_back is None and (held := self.gpus.take(claimed.running.stem, job)):
            given_back = self.upcoming.put_off(claimed.running, *held)
        if given_back is not None:
            self.recover_at = min(self.recover_at, given_back)
            return
        if self._ends_without_parents(claimed, job):
            return
        attempt = self._open(claimed, job)
        if attempt is None:
            return
        if why := self.gpus.refusal:
            self._conclude(attempt, End(attempt.origin, self.store.now(), could_not_start=why))
            return
        try:
            ordered = order(self.store, attempt, self.gpus.devices)
        except Exception as error:  # a recipe's own fault ends its job, not the queue
            reject(self.store, claimed, f"the recipe {job.recipe.name!r} broke: {error}", self.say)
            return
        assert self.link is not None
        try:
            self.link.send(do="start", order=ordered.document())
            self.say(f"started {attempt.short} {job.recipe.name} (attempt {attempt.number})")
            self.upcoming.affine = self.upcoming.affine if ordered.warm is None else job.recipe.name
            following = Following(self.store, attempt, ordered, self.link, self.say)
            end = following.end(lambda: self._wait(self.store.poll if self.watcher else 1.0), lambda: self.stops)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._replace_shim()
            return
        self._conclude(attempt, end_from(end))
        while self.stops < 2 and (pause := self.gpus.settle()):
            self._wait(pause)

    def _conclude(self, attempt: Attempt, end: End) -> None:
        verdict = conclude(self.store, attempt, end, self.say, lambda: bool(self.stops))
        if verdict is None:
            self.upcoming.clear()
        else:
            self.say(f"{verdict.state} {attempt.short}: {verdict.outcome}")
            self.upcoming.finished()

    def _ends_without_parents(self, claimed: Claimed, job: Job) -> bool:
        """Whether the job can never run, and so has ended, or will when the disk takes it."""
        try:
            if not end_orphan(self.store, claimed.running, job, self.say):
                return False
            self.upcoming.finished()
        except OSError as error:
            self.say(f"cannot end {claimed.running.stem.uuid[:8]}: {error.strerror or error}. Trying again.")
            self.recover_at = time.monotonic() + 1.0
        return True

    def _open(self, claimed: Claimed, job: Job) -> Attempt | None:
        """Make the claim an attempt; None when the disk refused, and the job went back."""
        assert self.link is not None
        try:
            return open_attempt(self.store, claimed, job, self.owner | self.gpus.facts)
        except OSError as error:
            self.say(f"cannot start {claimed.running.stem.uuid[:8]}: {error.strerror or error}. It goes back.")
        with contextlib.suppress(OSError):  # a disk that refused the claim's line has none to take back either
            nonce = claimed.running.claim.nonce
            history.record(self.store, claimed.running.stem.key, "requeued", nonce=nonce, started=False)
        back(self.store, claimed.running, self.say)
        self.upcoming.clear()
        self._wait(1.0)
        return None

    def _replace_shim(self) -> None:
        """The shim was killed: its evaluation died with it; end what is left, take the job back, fork another."""
        assert self.link is not None
        self.say("the shim was killed; recovering its job")
        self.link.close()
        self.link = None
        self._recover()
        self._start_shim()


def main(argv: list[str]) -> int:
    """`python -m spoolq.runner SPOOL SLOT DEVICES FD`; DEVICES `-` leaves CUDA_VISIBLE_DEVICES alone."""
    root, slot, devices, fd = argv
    watcher = socket.socket(fileno=int(fd))
    try:
        Runner(Store(Path(root)), slot, None if devices == "-" else devices, watcher).run()
    except ClaimLost:
        return 0
    except SpoolqError as error:
        print(f"spoolq: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
