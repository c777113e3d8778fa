"""A server, a runner, and a package in place of the harness: an evaluation from the request to its results."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from spoolq.client import EvalClient
from tests.server.stand_in import StandIn

if TYPE_CHECKING:
    from tests.server.conftest import Served

SETTINGS = "grace = 1\npoll = 0.2\n"


class Lab:
    """A spool with a server and a runner, and the stand-in that its evaluations are."""

    def __init__(self, served: Served, harness: StandIn) -> None:
        self.served, self.harness = served, harness
        self.env = {**harness.env, "SPOOLQ_LOCK_DIR": str(served.root / "locks")}
        self.runner: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Start `spoolq run`."""
        argv = [sys.executable, "-m", "spoolq", "run", "--spool", str(self.served.path)]
        with (self.served.root / "run.log").open("ab") as log:
            env = {**os.environ, **self.env, "STAND_IN_GATE": str(self.harness.gate)}
            self.runner = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def stop(self) -> None:
        """End it: drain, then stop what runs."""
        if self.runner is not None:
            for number in (signal.SIGTERM, signal.SIGTERM):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.runner.send_signal(number)
                    self.runner.wait(5)
            self.runner.kill()
            self.runner.wait(10)
            self.runner = None

    def client(self) -> EvalClient:
        """spoolq's own client of the dialect."""
        return EvalClient(self.served.base, timeout=30)
