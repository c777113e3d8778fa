"""The terminal of a live view: keys unbuffered, signals as events, and as it was before whenever we leave it."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType
from typing import Any

from spoolq.errors import EXIT_USAGE, SpoolqError
from spoolq.top.keys import Keys

_HEARD = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH),
)
#: Seconds within which the rest of an escape sequence comes, over any network worth the name.
_SEQUENCE_S = 0.05


class NoTerminal(SpoolqError):
    """There is no terminal to draw on and to read keys from."""

    exit_code = EXIT_USAGE


def insist() -> None:
    """Raises NoTerminal where stdin or stdout is none, or it can only print."""
    names = [name for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout)) if not stream.isatty()]
    if names:
        cause = f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} no terminal"
    elif os.environ.get("TERM", "dumb") == "dumb":
        cause = "the terminal (TERM) can only print"
    else:
        return
    raise NoTerminal(f"cannot show a live view: {cause}. Use `spoolq status`, or `spoolq top --once` for one picture.")


class Terminal:
    """Holds the terminal between `with`; *wait* gives what was typed and which signals came.

    However it is left, its settings, the signals and what they do are as they were.
    """

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._keys = Keys()
        self._signals: list[signal.Signals] = []

    def __enter__(self) -> Terminal:
        self._settings = termios.tcgetattr(self._fd)
        self._woken, self._wake = os.pipe()
        for fd in (self._woken, self._wake):
            os.set_blocking(fd, False)
        self._before: dict[signal.Signals, Any] = {one: signal.signal(one, self._note) for one in _HEARD}
        self._wakeup = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give()
        signal.set_wakeup_fd(self._wakeup)
        for one, action in self._before.items():
            signal.signal(one, action)
        os.close(self._woken)
        os.close(self._wake)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(signal.Signals(number))

    def take(self) -> None:
        """Keys come one by one and are not echoed; Ctrl-C and Ctrl-Z stay signals.

        In the background this stops the process (SIGTTOU) until it is in the foreground.
        """
        while True:
            try:
                tty.setcbreak(self._fd, termios.TCSADRAIN)
            except termios.error as error:
                if error.args[0] == errno.EINTR:  # stopped, and gone on
                    continue
                raise
            return

    def give(self) -> None:
        """The terminal's settings are what they were; in the background it is somebody else's, and left alone."""
        with contextlib.suppress(termios.error, OSError):  # it has been hung up
            if os.tcgetpgrp(self._fd) == os.getpgrp():
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._settings)

    def stop(self) -> None:
        """Stop this process as Ctrl-Z does, having given the terminal back; returns when it goes on."""
        self.give()
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        self.take()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines now."""
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        return columns, lines

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        with contextlib.suppress(OSError):  # a pipe that is full wakes as well
            os.write(self._wake, b"\0")

    def wait(self, seconds: float) -> tuple[list[str], list[signal.Signals]]:
        """The keys and signals of the next so many *seconds*, or until there are some, or somebody calls `wake`.

        A terminal that is gone is a SIGHUP.
        """
        ready, _, _ = select.select([self._fd, self._woken], [], [], max(0.0, seconds))
        keys: list[str] = []
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
        if self._fd in ready:
            keys = self._typed()
        came, self._signals = self._signals, []
        return keys, came

    def _typed(self) -> list[str]:
        try:
            data = os.read(self._fd, 4096)
        except OSError:  # EIO: hung up
            data = b""
        if not data:
            self._signals.append(signal.SIGHUP)
            return []
        keys = self._keys.feed(data)
        if not select.select([self._fd], [], [], _SEQUENCE_S)[0]:
            keys += self._keys.rest()
        return keys
