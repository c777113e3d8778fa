"""Run `spoolq` as a person would: in this process for speed, as a program for exit codes and pipes, on a terminal."""

import contextlib
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from spoolq.cli import main

PROGRAM = [sys.executable, "-m", "spoolq"]


@dataclass(frozen=True)
class Ran:
    """How one command line ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON document on stdout; fails when there is none, or something beside it."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def spoolq(*argv: object, stdin: str | bytes = "", ok: bool = True) -> Ran:
    """Run a command line in this process. *ok*: it must end with 0 and, unless it talks, silently."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    out, err = io.BytesIO(), io.BytesIO()
    with contextlib.ExitStack() as stack:
        streams = {"stdin": io.BytesIO(data), "stdout": out, "stderr": err}
        for name, stream in streams.items():
            text = io.TextIOWrapper(stream, encoding="utf-8", write_through=True)
            stack.callback(text.detach)
            stack.enter_context(mock.patch.object(sys, name, text))
        try:
            main([str(word) for word in argv])
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
    ran = Ran(code, out.getvalue().decode(), err.getvalue().decode())
    assert not ok or ran.code == 0, f"spoolq {' '.join(map(str, argv))} ended with {ran.code}: {ran.err}"
    return ran


def spoolq_program(
    *argv: object, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None, **more: Any
) -> Ran:
    """Run a command line as a program of its own."""
    ran = subprocess.run(
        [*PROGRAM, *map(str, argv)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
        **more,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def spoolq_on_terminal(*argv: object, columns: int = 80, env: Mapping[str, str] | None = None) -> Ran:
    """Run a command line on a terminal so wide; what it shows is all in `out`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, argv)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color", **(env or {})},
    )
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # EIO: the last writer has gone
        while chunk := screen.read(65536):
            shown += chunk
    return Ran(process.wait(30), shown.decode().replace("\r\n", "\n"), "")
