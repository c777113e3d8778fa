"""A program on a terminal of its own, of which a test reads the screen and types the keys."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping
from types import TracebackType

import pyte

from tests.spooltest.waiting import wait_for


class OnTerminal:
    """*argv* with a pseudo-terminal as its controlling one; killed when the `with` is left."""

    def __init__(
        self, argv: list[str], columns: int = 80, lines: int = 24, env: Mapping[str, str] | None = None
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        #: The terminal as it was before the program.
        self.settings = termios.tcgetattr(theirs)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        #: All that the program wrote.
        self.written = b""
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_control_terminal,
            env={**kept, "TERM": "xterm-256color", **(env or {})},
        )
        self._theirs = theirs  # open, so that its settings can be read when the program has gone
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "OnTerminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._theirs)
        self._reader.join(5)
        os.close(self._ours)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: the last who had it open has closed it
            while chunk := os.read(self._ours, 65536):
                with self._lock:
                    self.written += chunk
                    self._stream.feed(chunk)

    def type(self, keys: str) -> None:
        """Type *keys*, all at once."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Another size, of which the program is told."""
        with self._lock:
            self._screen.resize(lines, columns)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def lines(self) -> list[str]:
        """The screen now, without the blanks at the ends of lines."""
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)

    @property
    def colours(self) -> set[str]:
        """The colours of the text that is on the screen."""
        with self._lock:
            cells = [cell for row in self._screen.buffer.values() for cell in row.values() if cell.data.strip()]
        return {cell.fg for cell in cells} | {cell.bg for cell in cells}

    def shows(self, text: str, timeout: float = 20) -> None:
        """Wait until *text* is on the screen."""
        wait_for(lambda: text in self.text, timeout, f"{text!r} on this screen:\n{self.text}")

    @property
    def is_as_before(self) -> bool:
        """Whether settings, cursor and screen are those from before the program."""
        shown = self.written.rfind(b"\x1b[?25h") >= self.written.rfind(b"\x1b[?25l")
        return termios.tcgetattr(self._theirs) == self.settings and not self.is_full_screen and shown

    @property
    def is_full_screen(self) -> bool:
        """Whether the program has the screen that is thrown away when it leaves it; pyte knows only one."""
        return self.written.rfind(b"\x1b[?1049h") > self.written.rfind(b"\x1b[?1049l")

    def comes_back(self) -> bool:
        """Whether it is as before once all that was printed has been read; no end of a program waits for that."""
        wait_for(lambda: self.is_as_before, 10, "the terminal as it was before")
        return True

    def end(self, timeout: float = 20) -> int:
        """Wait for the program's end; returns its code, negative for a signal."""
        return self.process.wait(timeout)


def _control_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
