"""`spoolq run`: watches the drop box, admits, sweeps, and keeps one runner a slot awake. Foreground, no pid-file."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spoolq import errands, jobqueue
from spoolq.admit import Admission
from spoolq.errors import SpoolqError
from spoolq.gpus.elsewhere import SLOTS
from spoolq.names import is_candidate, is_workers_claim
from spoolq.plain import one_line
from spoolq.remote import Foreign
from spoolq.store import Store
from spoolq.sweep import Sweep
from spoolq.transitions import State
from spoolq.watch import Watch
from spoolq.workers import Workers

if TYPE_CHECKING:
    from spoolq.notify.lookout import Lookout

#: A runner that dies is started again after this long, doubling up to the second figure, in seconds.
_RESTART_S, _RESTART_MAX_S = 0.1, 5.0
#: With --drain, how often the queue is looked at when nothing else wakes us (somebody else's runner may finish it).
_DRAIN_POLL_S = 0.5
#: How often to look when inotify cannot be had, or something is wrong.
_UNWATCHED_POLL_S = 1.0


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    sock: socket.socket
    began: float
    #: It has closed its end: its death is heard by SIGCHLD, and polling that socket would spin until then.
    gone: bool = False


def _lookout(store: Store, say: Callable[[str], None]) -> Lookout | None:
    """Who sees what hooks are to be told of; None without hooks, which then cost nothing."""
    if not store.settings.notify.hooks:
        return None
    from spoolq.notify.lookout import Lookout

    return Lookout(store, say)


class Watcher:
    """Runs *slots* (name -> devices, None: as inherited) of one spool until told to stop, or until drained."""

    def __init__(self, store: Store, slots: Mapping[str, str | None], *, drain: bool = False) -> None:
        self.store, self.slots, self.drain = store, dict(slots), drain
        self.woken, self.waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.watch = Watch([store.layout.state(State.QUEUED), store.layout.control], self._arrived)
        self.admission = Admission(store, self._check, self.say)
        self.sweep = Sweep(store, frozenset(slots), self.say)
        self.sweep_every = max(store.poll, 5.0)
        self.foreign = Foreign(store)
        # Of remote workers a server hears; we are there for a spool without one, and give it time to come back.
        self.jobqueue = jobqueue.Sweep(Workers(store, self.say), self.sweep_every, patience=2.0)
        self.children: dict[str, _Child] = {}
        self.restart_at: dict[str, float] = {}
        self.delays: dict[str, float] = {}
        self.stops = self.passed_on = 0
        self.sweep_at = 0.0
        self.drop_box = str(store.layout.state(State.QUEUED))
        #: Something arrived that the admission must look at; else it looks when `look_at` has come.
        self.strange = True
        self.look_at = 0.0
        self.missed = False
        self.fault = ""
        self.watch_fault: str | None = None
        self.watched = False
        self.lookout = _lookout(store, self.say)

    def _check(self, document: Mapping[str, Any], uid: int) -> None:
        from spoolq import requests  # pydantic is 15 MiB: only a spool with drops pays for it

        requests.accept(document, uid, self.store.settings)

    def say(self, line: str) -> None:
        """One line for the operator; a closed terminal is no reason to stop."""
        with contextlib.suppress(OSError):
            os.write(2, f"{time.strftime('%H:%M:%S')} {one_line(line)}\n".encode())

    def run(self) -> None:
        """Watch, then scan, then wait for an event or the timer; returns when every runner has ended."""
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._keep_watch()
        for slot in self.slots:
            self._start_runner(slot)
        while self._turn():
            self._wait()
        if self.lookout:
            self.lookout.finish(lambda: self.stops > 1)
        self.watch.stop()

    def _on_stop(self, _number: int, _frame: object) -> None:
        self.stops += 1

    def _arrived(self, path: str) -> None:
        """Wake the runners, and ourselves. RACE: this is the observer's thread: it sets a flag, sends, cannot raise.

        The runners hear the name here and not after our turn: what came under its STEM needs none.
        """
        directory, name = os.path.split(path)
        for child in tuple(self.children.values()):
            with contextlib.suppress(OSError):  # full: it is awake; closed: it is dead
                child.sock.send(os.fsencode(name) + b"\0")
        if directory == self.drop_box and self.admission.concerns(name):
            self.strange = True
        with contextlib.suppress(OSError):  # full: we are awake
            os.write(self.waker, b"w")

    def _keep_watch(self) -> None:
        """Start the watch, or another one when it has died; says so when that changes."""
        if self.watch.healthy() or self.stops:
            return
        fault = self.watch.start()
        if fault != self.watch_fault and fault:
            self.say(f"cannot watch {self.store.root}: {fault}. Looking every {_UNWATCHED_POLL_S:g} s instead.")
        elif fault is None and self.watched:
            self.say("the watch had died, or its directory was replaced; watching again")
        self.watch_fault, self.watched = fault, True
        self.strange = self.missed = True

    def _turn(self) -> bool:
        """Look at everything once; False when there is nobody left to wait for."""
        self._pass_on_stops()
        self._collect_children()
        self._keep_watch()
        self._wake_runners()
        if self.lookout:
            self.lookout.turn()
        try:
            self._look()
            self.fault = ""
        except (OSError, SpoolqError) as error:  # a full disk, a directory that is gone: said once, looked at again
            if str(error) != self.fault:
                self.fault = str(error)
                self.say(self.fault)
            self.strange = True
        return bool(self.children) or not self.stops

    def _look(self) -> None:
        errands.turn(self.store, self.say)
        if self.stops:
            return
        now = time.monotonic()
        if self.strange or now >= self.look_at:
            self.strange = False  # RACE: before the look, so that what arrives during it is looked at, too
            self.admission.turn()
            resting = self.admission.next_look()
            self.look_at = now + (self.store.poll if resting is None else min(resting, self.store.poll))
        if now >= self.sweep_at:
            self._sweep()
        if self.drain and self._drained():
            self.stops = 1
            self._pass_on_stops()

    def _sweep(self) -> None:
        self.sweep.turn()
        self.sweep_at = time.monotonic() + self.sweep_every
        self.jobqueue.turn()

    def _drained(self) -> bool:
        """Whether nothing but remote workers' jobs is queued, claimed or about to settle, also after one more sweep."""
        for _ in range(2):
            queued = filter(is_candidate, self.store.names(State.QUEUED))
            if self.admission.unsettled or not self.foreign.are_all(queued):
                return False
            if any(is_candidate(name) and not is_workers_claim(name) for name in self.store.names(State.RUNNING)):
                return False
            self._sweep()
        return True

    def _pass_on_stops(self) -> None:
        """The first signal lets runners finish the job in hand, the second stops and requeues it."""
        while self.passed_on < min(self.stops, 2):
            self.passed_on += 1
            if self.passed_on == 1 and not self.drain:
                self.say("stopping: the job in hand may finish; a second signal stops and requeues it")
            for child in self.children.values():
                child.process.send_signal(signal.SIGTERM)

    def _collect_children(self) -> None:
        now = time.monotonic()
        for slot, child in list(self.children.items()):
            code = child.process.poll()
            if code is None:
                continue
            child.sock.close()
            del self.children[slot]
            if not self.stops:
                delay = _RESTART_S if now - child.began > 60 else self.delays.get(slot, _RESTART_S)
                self.delays[slot] = min(2 * delay, _RESTART_MAX_S)
                self.restart_at[slot] = now + delay
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                self.say(f"the runner of {slot} ended ({how}); starting another in {delay:g} s")
        for slot, due in list(self.restart_at.items()):
            if now >= due and not self.stops:
                del self.restart_at[slot]
                self._start_runner(slot)

    def _start_runner(self, slot: str) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        devices = self.slots[slot]
        root = str(self.store.root.absolute())
        argv = [sys.executable, "-m", "spoolq.runner", root, slot, "-" if devices is None else devices]
        with theirs:
            # A session of its own: a Ctrl-C at the terminal is ours to pass on, not the runner's to die of.
            process = subprocess.Popen(
                [*argv, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                env={**os.environ, SLOTS: json.dumps(self.slots)},
            )
        self.children[slot] = _Child(process, ours, time.monotonic())

    def _wake_runners(self) -> None:
        """On the timer: what arrived was told when it did."""
        if not self.missed:
            return
        self.missed = False
        for child in self.children.values():
            with contextlib.suppress(OSError):  # full: it is awake; broken: it is dead, which the next turn sees
                child.sock.send(b"\0")

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        listening = {child.sock.fileno(): child for child in self.children.values() if not child.gone}
        for fd in listening:
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(self._patience() * 1000)]
        self.missed = self.missed or not ready
        if self.woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.woken, 65536)
        for child in (listening[fd] for fd in ready if fd in listening):
            try:
                child.gone = not child.sock.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                child.gone = True

    def _patience(self) -> float:
        """Seconds until something is due."""
        poll = min(self.store.poll, _UNWATCHED_POLL_S) if self.watch_fault or self.fault else self.store.poll
        due = [poll, max(0.0, self.sweep_at - time.monotonic())]
        due.append(max(0.0, self.look_at - time.monotonic()))
        due.extend(max(0.0, at - time.monotonic()) for at in self.restart_at.values())
        if self.lookout:
            due.append(self.lookout.patience())
        if self.drain or self.stops:
            due.append(_DRAIN_POLL_S)
        return min(due)
