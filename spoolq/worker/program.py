"""The worker: lanes that take one job after another, each under a name of its own, until there is nothing to do.

A name is new with each job. So nobody keeps alive what was given to a worker that is dead, or that the answer did not
reach: it goes back into the queue after the server's time-out.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass

from spoolq.errors import EXIT_JOB_FAILED, EXIT_OK, EXIT_TRY_AGAIN, NotAllowed, SpoolqError
from spoolq.names import token
from spoolq.plain import one_line
from spoolq.worker.job import Command, Job, Outcome
from spoolq.worker.patience import FIRST_S, MOST_S, insist
from spoolq.worker.server import Offer, Server, Unreachable

#: For how long a server is asked to hold back the answer that there is no job, in seconds; as long may a stop take.
_HOLD_S = 3.0
#: Between two questions to a server that does not hold it back, in seconds.
_IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a worker is told; times in seconds. *wait* None: for ever."""

    url: str
    name: str
    command: Command
    once: bool = False
    wait: float | None = None
    heartbeat: float = 30.0
    lanes: int = 1
    token: str | None = None


def default_name() -> str:
    """USER, and the Slurm job or the host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in a container
        user = str(os.getuid())
    return f"{user}-{os.environ.get('SLURM_JOB_ID') or socket.gethostname().partition('.')[0]}"


class Worker:
    """Runs until told to stop, or out of jobs. SIGTERM or SIGINT: finish what is in hand; a second one: stop it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.draining, self.ended = threading.Event(), threading.Semaphore(0)
        self._stops = 0
        self._lock = threading.Lock()
        self._in_hand: dict[int, Job] = {}
        self._outcomes: list[Outcome] = []
        self._fault: SpoolqError | None = None

    def run(self) -> int:
        """Work; returns the exit code. Raises Unreachable or Refused when that is why there was no job.

        Raises NotAllowed on another system than Linux, before it takes any.
        """
        if sys.platform != "linux":
            raise NotAllowed("cannot run commands here: the guard needs Linux. Take jobs by the routes themselves.")
        before = {number: signal.signal(number, self._on_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        lanes = [threading.Thread(target=self._lane, args=(number,)) for number in range(self.options.lanes)]
        try:
            for lane in lanes:
                lane.start()
            for _ in lanes:
                self.ended.acquire()  # which a signal interrupts, as joining a thread may not
            for lane in lanes:
                lane.join()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._verdict()

    def _verdict(self) -> int:
        if self._fault is not None and not self.draining.is_set():
            raise self._fault
        bad = {Outcome.NO_COMMAND} | ({Outcome.FAILED, Outcome.LOST} if self.options.once else set())
        if bad.intersection(self._outcomes):
            return EXIT_JOB_FAILED
        return EXIT_TRY_AGAIN if Outcome.STOPPED in self._outcomes else EXIT_OK

    def _on_stop(self, _number: int, _frame: object) -> None:
        # Runs in the main thread, which holds none of our locks.
        self._stops += 1
        self.draining.set()
        if self._stops > 1:
            with self._lock:
                jobs = list(self._in_hand.values())
            for job in jobs:
                job.stop()

    def _lane(self, number: int) -> None:
        try:
            name = self.options.name if self.options.lanes == 1 else f"{self.options.name}-{number + 1}"
            while not self.draining.is_set():
                server = Server(self.options.url, f"{name}-{token(4)}", self.options.token)
                offer = self._claim(server)
                if offer is None or not self._work(number, server, offer) or self.options.once:
                    return
        except SpoolqError as error:
            self._fault = error
        finally:
            self.ended.release()

    def _claim(self, server: Server) -> Offer | None:
        """A job; None once we are stopped, or there was none for as long as we wait. Raises Unreachable, Refused."""
        wait, pause, complained = self.options.wait, FIRST_S, False
        deadline = None if wait is None else time.monotonic() + wait
        while not self.draining.is_set():
            left = float("inf") if deadline is None else deadline - time.monotonic()
            began = time.monotonic()
            try:
                offer = server.claim(max(0.0, min(_HOLD_S, left)))
                if offer is not None:
                    return offer
                pause, complained = FIRST_S, False
                distance = _IDLE_S * random.uniform(0.5, 1.0) if time.monotonic() - began < _IDLE_S else 0.0
            except Unreachable as error:
                # The server may have given us a job, and nobody was told: under another name nothing keeps it from
                # going back.
                server.worker = f"{server.worker[:-8]}{token(4)}"
                if left <= 0:
                    raise
                if not complained:
                    self.say(f"{error} Trying again.")
                complained = True
                distance, pause = pause * random.uniform(1.0, 1.5), min(2 * pause, MOST_S)
            left = float("inf") if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return None
            self.draining.wait(min(distance, left))
        return None

    def _work(self, lane: int, server: Server, offer: Offer) -> bool:
        """Run a job; whether the lane may take another one."""
        if self.draining.is_set():  # RACE: told to stop while the server was looking for a job
            self.say(f"{offer.job} given back: we are stopped")
            insist(lambda: server.fail(offer.job, "its worker was stopped", None, "lost"), self.draining, self.say)
            return False
        self.say(f"{offer.job} taken ({offer.kind}) as {server.worker}")
        job = Job(server, offer, self.options.command, self.options.heartbeat, self.say, self.draining)
        with self._lock:
            self._in_hand[lane] = job
        if self._stops > 1:  # RACE: told so after the claim
            job.stop()
        outcome = job.run()
        with self._lock:
            del self._in_hand[lane]
        self._outcomes.append(outcome)
        return outcome is not Outcome.NO_COMMAND

    def say(self, line: str) -> None:
        """One line for the operator; a closed terminal is no reason to stop."""
        with contextlib.suppress(OSError):
            os.write(2, f"{time.strftime('%H:%M:%S')} worker: {one_line(line)}\n".encode())
