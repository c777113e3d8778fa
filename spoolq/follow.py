"""An evaluation in hand, as its runner sees it: what the shim says of it, and what the shim must be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spoolq import control, history
from spoolq.attempt import Attempt
from spoolq.orders import Link, Order
from spoolq.preload import Successor
from spoolq.store import Store


class Following:
    """The evaluation of *attempt*, which *link*'s shim was told to run by *order*."""

    def __init__(self, store: Store, attempt: Attempt, order: Order, link: Link, say: Callable[[str], None]) -> None:
        self.store, self.attempt, self.link, self.say = store, attempt, link, say
        self._successor = Successor(store, attempt.job.recipe.name) if order.warm is not None else None
        self._stuck: str | None = None
        self._asked = False

    def end(self, wait: Callable[[], list[dict[str, Any]]], stops: Callable[[], int]) -> dict[str, Any]:
        """Follow it to its end, as the shim tells it; *wait* sleeps and returns what the shim has said meanwhile.

        Passes on a cancel, and a stop that was asked for twice. Raises EOFError when the shim is dead.
        """
        while True:
            if self._successor is not None and self._successor.has_come():
                self.link.send(do="warm", nonce=self.attempt.running.claim.nonce)
            for message in wait():
                if message["event"] == "started":
                    self._write_started(message)
                elif message["event"] == "stuck":
                    self._say_stuck(message["error"])
                else:
                    return message
            why = self._why_stop(stops())
            if why and not self._asked:
                self._asked = True
                self.link.send(do="stop", nonce=self.attempt.running.claim.nonce, why=why)

    def _say_stuck(self, error: str) -> None:
        if error != self._stuck:  # it is said each second
            self._stuck = error
            self.say(f"cannot write the end of {self.attempt.short}: {error}. Trying again.")

    def _why_stop(self, stops: int) -> str | None:
        try:
            if control.read(self.store).cancels(self.attempt.running.stem.key, self.attempt.job.submitted_by):
                return "cancel"
        except OSError as error:
            self.say(f"cannot read {self.store.layout.control}: {error.strerror}. Trying again.")
        return "requeue" if stops > 1 else None

    def _write_started(self, message: dict[str, Any]) -> None:
        facts = {"pid": message["pid"], "start_time": message["start_time"]}
        attempt = self.attempt
        try:
            history.record(self.store, attempt.running.stem.key, "started", nonce=attempt.origin, **facts)
        except OSError as error:
            self.say(f"cannot write the history of {attempt.short}: {error.strerror}. It runs on.")
