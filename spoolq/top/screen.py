"""The live view's life: look, draw, listen; and whatever happens, the terminal is given back."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console, ConsoleDimensions
from rich.live import Live

from spoolq.errors import SpoolqError
from spoolq.plain import one_line
from spoolq.store import Store
from spoolq.top import moves
from spoolq.top.frame import View, frame
from spoolq.top.picture import Looker, Picture
from spoolq.top.terminal import Terminal
from spoolq.transitions import State
from spoolq.watch import Watch

#: Seconds between two looks when nothing is heard, and at least between two looks when much is.
_LOOK_S, _LEAST_S = 1.0, 0.1
#: Looking may cost this share of the time.
_SHARE = 0.2
#: Lines of a log that are shown of what was before one follows it.
_LOG_LINES = 200
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SELECT = {"up": -1, "k": -1, "down": 1, "j": 1, "page_up": -10, "page_down": 10, "home": -1000, "end": 1000}


class Screen:
    """One view of *store* on the terminal of this process; `run` returns the signal that ended it, None for `q`."""

    def __init__(self, store: Store, console: Console) -> None:
        self.store, self.console = store, console
        self.view = View()
        self.looker = Looker(store)
        self.picture = Picture({}, [])
        self._ask: Callable[[], str] | None = None
        self._row = 0
        self._live: Live | None = None
        self._heard = False
        self._looked_at, self._cost = float("-inf"), 0.0

    def run(self) -> signal.Signals | None:
        """Show the view until it is left; raises SpoolUnusable when the spool is gone."""
        with Terminal() as self.terminal, contextlib.ExitStack() as left:
            left.callback(self._leave)
            watch = Watch([self.store.layout.state(state) for state in State] + [self.store.layout.control], self._hear)
            left.callback(watch.stop)
            watch.start()  # without it, it is the timer alone
            self._look()
            self._enter()
            while True:
                self._draw()
                keys, signals = self.terminal.wait(self._due())
                if ending := [one for one in signals if one in _ENDS]:
                    return ending[0]
                if "q" in [self._press(key) for key in keys]:
                    return None
                self._obey(signals)
                if self._due() <= 0:
                    self._look()

    def _hear(self, _path: str) -> None:
        """Something has moved; called in the watch's thread."""
        self._heard = True
        self.terminal.wake()

    def _due(self) -> float:
        """Seconds until the next look."""
        pause = max(_LEAST_S if self._heard else _LOOK_S, self._cost / _SHARE)
        return self._looked_at + pause - time.monotonic()

    def _look(self) -> None:
        began = time.monotonic()
        self._heard = False
        self.picture = self.looker.look()
        self._looked_at = time.monotonic()
        self._cost = self._looked_at - began
        jobs = [record["job_id"] for record in self.picture.jobs]
        if self.view.selected in jobs:
            self._row = jobs.index(self.view.selected)
        else:  # it has moved out of sight: the selection stays at its place
            self._select(0)

    def _select(self, by: int) -> None:
        jobs = self.picture.jobs
        self._row = max(0, min(self._row + by, len(jobs) - 1))
        self.view.selected = jobs[self._row]["job_id"] if jobs else None

    def _draw(self) -> None:
        if self._live is not None:
            width, height = self.terminal.size
            self.console.size = ConsoleDimensions(width, height)
            self._live.update(frame(self.picture, self.view, width, height), refresh=True)

    def _enter(self) -> None:
        self._live = Live(
            console=self.console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def _leave(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError):  # it has been hung up
                live.stop()

    def _obey(self, signals: Sequence[signal.Signals]) -> None:
        """Ctrl-Z gives the terminal back and stops; who goes on, in whatever way it was stopped, draws anew."""
        if signal.SIGTSTP in signals:
            self._leave()
            self.terminal.stop()
            self._enter()
        elif signal.SIGCONT in signals:
            self._leave()
            self.terminal.take()
            self._enter()

    def _press(self, key: str) -> str:
        """Do what a key is for; returns the key."""
        if self._ask is not None:
            asked, self._ask = self._ask, None
            self._say("not done") if key not in ("y", "Y") else self._try(asked)
            return ""
        self._say("")
        record = self._selected()
        if key in _SELECT:
            self._select(_SELECT[key])
        elif key == "p":
            paused = bool(self.picture.seen["paused"])
            self._try(lambda: moves.pause_or_resume(self.store, paused))
        elif record is not None:
            self._act(key, record)
        return key

    def _act(self, key: str, record: dict[str, Any]) -> None:
        if key == "c" and moves.may_cancel(record):
            self._ask = lambda: moves.cancel(self.store, record)
            self._say(f"cancel {record['job_id'][:8]} ({record['status']})? y cancels it, any other key does not", True)
        elif key == "c":
            self._say(f"{record['job_id'][:8]} has ended")
        elif key in ("+", "="):
            self._try(lambda: moves.shift(self.store, record, -1))
        elif key == "-":
            self._try(lambda: moves.shift(self.store, record, 1))
        elif key in ("l", "enter"):
            self._follow(record)

    def _selected(self) -> dict[str, Any] | None:
        jobs = self.picture.jobs
        return next((record for record in jobs if record["job_id"] == self.view.selected), None)

    def _say(self, text: str, urgent: bool = False) -> None:
        self.view.message, self.view.urgent = text, urgent

    def _try(self, move: Callable[[], str]) -> None:
        """Make a move, say what became of it, and look at once."""
        try:
            self._say(move())
        except (SpoolqError, OSError) as error:
            self._say(one_line(error), True)
        self._look()

    def _follow(self, record: dict[str, Any]) -> None:
        """Follow a job's log on the terminal's own screen, until `q`, Ctrl-C, or a key after its end."""
        self._leave()
        self._print(f"the log of {record['job_id'][:8]} (q or Ctrl-C goes back)")
        words = ["logs", "-f", "--lines", str(_LOG_LINES), record["job_id"], "--spool", str(self.store.root)]
        # It reads no keys, and in a session of its own it hears no Ctrl-C or Ctrl-Z: those are for us.
        command = [sys.executable, "-m", "spoolq", *words]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            self._until_back(child)
        finally:
            child.terminate()
            child.wait()
        self._enter()
        self._look()

    def _until_back(self, child: subprocess.Popen[bytes]) -> None:
        ended = False
        while True:
            keys, signals = self.terminal.wait(0.2)
            if signal.SIGTSTP in signals:
                child.send_signal(signal.SIGSTOP)
                self.terminal.stop()
                child.send_signal(signal.SIGCONT)
            elif signal.SIGCONT in signals:
                self.terminal.take()
            for one in signals:
                if one in _ENDS and one is not signal.SIGINT:
                    signal.raise_signal(one)  # for the loop outside
                    return
            if signal.SIGINT in signals or "q" in keys or (ended and keys):
                return
            if not ended and child.poll() is not None:
                ended = True
                self._print("press a key to go back")

    def _print(self, text: str) -> None:
        sys.stdout.write(f"\n-- {text} --\n")
        sys.stdout.flush()
