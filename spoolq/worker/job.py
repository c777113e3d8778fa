"""One job from its offer to its end: the command under its guard, the heart, done or fail, the leases given back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from spoolq import process
from spoolq.documents import dump
from spoolq.errors import SpoolqError
from spoolq.worker.heart import Heart
from spoolq.worker.patience import Stopped, insist
from spoolq.worker.server import Offer, Server

Say = Callable[[str], None]
#: The longest error that is sent, in characters: it goes in an address.
_ERROR = 1000
#: How a command ends that was told to stop beside its worker.
_TOLD = (-signal.SIGTERM, -signal.SIGINT)
#: How long it is tried to give leases back; after that they run out by themselves, in seconds.
_RELEASE_S = 60.0


class Outcome(Enum):
    """What became of a job."""

    DONE = "done"
    FAILED = "failed"
    #: It was taken away from us; somebody else has it.
    LOST = "lost"
    #: We were stopped, and could not finish it.
    STOPPED = "stopped"
    #: The command could not be started, which no other job will change.
    NO_COMMAND = "no command"


@dataclass(frozen=True, slots=True)
class Command:
    """What is run for each job, and how it is ended: *grace* seconds from SIGTERM to SIGKILL."""

    argv: list[str]
    grace: float
    #: Where the command finds the server's token, if it needs one.
    token_file: str | None = None


class Job:
    """A job in hand. `run` it in a thread of its own; `stop` may be called from any.

    *draining* is set when the worker was told to stop. A batch system tells all of its processes at once: a command
    that dies of that has not failed.
    """

    def __init__(
        self, server: Server, offer: Offer, command: Command, heartbeat: float, say: Say, draining: threading.Event
    ) -> None:
        self.server, self.offer, self.command, self.say, self.draining = server, offer, command, say, draining
        self.heart = Heart(server, offer.job, heartbeat, self._on_lost, say)
        self.lost = False
        self.halted = threading.Event()
        self._lock = threading.Lock()
        self._guard: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """End the command and all that it started, and then the job."""
        self.halted.set()
        self._end_guard()

    def _on_lost(self) -> None:
        self.lost = True
        self.say(f"{self.offer.job} is not ours any more: stopping it")
        self._end_guard()

    def _end_guard(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._guard is not None and self._guard.stdin is not None:
                self._guard.stdin.close()

    def run(self) -> Outcome:
        """Run the command and tell the server how it ended, for as long as that takes."""
        self.heart.start()
        try:
            with tempfile.TemporaryDirectory(prefix="spoolq-worker-", ignore_cleanup_errors=True) as folder:
                payload = Path(folder, "payload.json")
                payload.write_bytes(dump(self.offer.payload))
                report = self._guarded(payload)
        except OSError as error:  # no room for the payload, or for another process
            report = {"status": None, "fault": str(error), "tail": ""}
        try:
            outcome = Outcome.LOST if self.lost else self._tell(report)
        except Stopped:
            outcome = Outcome.STOPPED
        finally:
            self.heart.stop()
        self._release()
        self.say(f"{self.offer.job} {outcome.value}")
        return outcome

    def _guarded(self, payload: Path) -> dict[str, Any]:
        """Run the command to its end; returns the guard's report."""
        reports, report = os.pipe()
        with os.fdopen(reports, "rb") as pipe:
            try:
                words = [sys.executable, "-m", "spoolq.worker.guard", f"{self.command.grace:g}", str(report), "--"]
                with self._lock:
                    self._guard = subprocess.Popen(
                        [*words, *self.command.argv], stdin=subprocess.PIPE, pass_fds=(report,),
                        start_new_session=True, env=self._environment(payload),
                    )  # fmt: skip
            finally:
                os.close(report)
            if self.lost or self.halted.is_set():  # RACE: told so before there was a guard
                self._end_guard()
            said = pipe.read()
        self._end_guard()
        code = self._guard.wait()
        if said:
            found: dict[str, Any] = json.loads(said)
            return found
        # The guard was killed, and its command died with it; what that has started is known by its worker's name.
        mark = f"SPOOLQ_WORKER={self.server.worker}"
        process.kill_all(lambda: process.marked(mark, None, None))
        fault = None if code < 0 else f"its guard ended with {code}"
        return {"status": code if code < 0 else None, "fault": fault, "tail": ""}

    def _environment(self, payload: Path) -> dict[str, str]:
        told = {
            "SPOOLQ_URL": self.server.url,
            "SPOOLQ_WORKER": self.server.worker,
            "SPOOLQ_JOB": self.offer.job,
            "SPOOLQ_RESOURCE_TYPE": self.offer.kind,
            "SPOOLQ_PAYLOAD": str(payload),
        }
        if self.command.token_file is not None:
            told["SPOOLQ_TOKEN_FILE"] = self.command.token_file
        return {**os.environ, **told}

    def _tell(self, report: dict[str, Any]) -> Outcome:
        status, job = report["status"], self.offer.job
        if report["fault"] is not None:
            outcome, error = Outcome.NO_COMMAND, f"the command could not be started: {report['fault']}"
        elif status != 0 and (self.halted.is_set() or (self.draining.is_set() and status in _TOLD)):
            outcome, error = Outcome.STOPPED, "its worker was stopped"
        elif status == 0:
            outcome, error = Outcome.DONE, ""
        else:
            how = f"ended by signal {-status}" if status < 0 else f"exited with {status}"
            outcome, error = Outcome.FAILED, f"the command {how}. Last lines:\n{_end_of(report['tail'])}"
        code = status if status is not None and status >= 0 else None

        def tell() -> bool:
            if outcome is Outcome.DONE:
                return self.server.done(job)
            return self.server.fail(job, error, code, "lost" if outcome is Outcome.STOPPED else "exit")

        if not insist(tell, self.halted, self.say):
            return Outcome.LOST
        return outcome

    def _release(self) -> None:
        """Give back what the command has acquired; it is gone, so nobody uses it."""

        def release() -> None:
            for kind in self.server.keep_leases():
                self.server.release(kind, self.offer.job)

        try:
            insist(release, self.halted, self.say, within=_RELEASE_S)
        except SpoolqError as error:
            self.say(f"cannot give back what {self.offer.job} had: {error} It comes free by itself.")


def _end_of(tail: str) -> str:
    """The last lines of what was printed, as long as an error may be."""
    return tail.replace("\r", "\n").strip()[-_ERROR:]
