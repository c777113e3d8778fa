"""The heart of a job in hand: the server hears of us at once and then at every interval, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from spoolq.errors import SpoolqError
from spoolq.worker.server import Server

Say = Callable[[str], None]


class Heart:
    """Beats for *job* from `start` to `stop`; calls *lost*, once, when the server says that it is not ours any more.

    A server that does not answer is no reason to stop: it is asked again at the next beat.
    """

    def __init__(self, server: Server, job: str, interval: float, lost: Callable[[], None], say: Say) -> None:
        self.server, self.job, self.interval, self.lost, self.say = server, job, interval, lost, say
        self._over = threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._beat, name=f"heart of {job}", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating. A beat under way may still reach the server, which knows whose the job is."""
        self._over.set()

    def _beat(self) -> None:
        while True:
            if not self._one():
                self.lost()
                return
            if self._over.wait(self.interval):
                return

    def _one(self) -> bool:
        try:
            ours = self.server.keep(self.job)
            self.server.keep_leases()
        except SpoolqError as error:
            if not self._complained:
                self.say(f"no heartbeat: {error} The work goes on; trying again every {self.interval:g} s.")
            self._complained = True
            return True
        self._complained = False
        return ours or self._over.is_set()  # told of its end meanwhile: it is not ours any more, as it should be
