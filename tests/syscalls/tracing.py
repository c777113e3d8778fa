"""Run a program under strace, to see its file system calls or to cut it short at one of them."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "openat", "write", "pwrite64",
    "fsync", "fdatasync", "close", "mkdir", "mkdirat", "utimensat",
)  # fmt: skip
KILL = "KILL"
#: What a call is made to fail with; it is not carried out. (A lost reply, done and refused, strace cannot make.)
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "ESTALE", "ENOENT")
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")


@dataclass(frozen=True, order=True)
class Point:
    """The *number*th *call* of a process (from 1, counted by name), and what happens there."""

    call: str
    number: int
    what: str

    @property
    def injection(self) -> str:
        how = "signal=KILL" if self.what == KILL else f"error={self.what}"
        return f"{self.call}:{how}:when={self.number}"

    def __str__(self) -> str:
        return f"{self.call} {self.number} {self.what}"


def tracer(log: Path, point: Point | None, *options: str) -> list[str]:
    """The strace command that writes what it sees to *log*. Never with --seccomp-bpf, which would inject nothing."""
    argv = ["strace", "-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *options]
    return [*argv, "-e", f"inject={point.injection}"] if point else argv


def wrapper(path: Path, python: str, log: Path, point: Point | None) -> str:
    """A script that is *python*, whose first process is traced, and no later one. Children are not followed.

    With -D the process itself stays its parent's child, and gets its signals.
    """
    traced, plain = (shlex.join(argv) for argv in ([*tracer(log, point, "-D"), python], [python]))
    path.write_text(f'#!/bin/sh\nif mkdir {shlex.quote(str(path))}.first 2>&-; then exec {traced} "$@"; fi\n')
    with path.open("a") as script:
        script.write(f'exec {plain} "$@"\n')
    path.chmod(0o755)
    return str(path)


def lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def points(seen: Sequence[str], spool: Path) -> list[Point]:
    """Every point of a traced run that touches *spool*: a kill and each error at each call but plain reading."""
    counts: Counter[str] = Counter()
    found = []
    for line in seen:
        match = _LINE.match(line)
        if not match:
            continue
        counts[match[1]] += 1
        if _touches(match[1], match[2], spool):
            found += [Point(match[1], counts[match[1]], what) for what in (KILL, *ERRORS)]
    return found


def _touches(call: str, arguments: str, spool: Path) -> bool:
    if call == "openat":
        return f'"{spool}/' in arguments and "O_CREAT" in arguments
    return f"<{spool}/" in arguments.partition(",")[0] or f'"{spool}/' in arguments


def struck(seen: Sequence[str], point: Point, spool: Path) -> bool:
    """Whether *point* was reached, and was a call on *spool*: only then was anything tried."""
    if point.what == KILL:
        if not any("+++ killed by SIGKILL +++" in line for line in seen):
            return False
        calls = [match for line in seen if (match := _LINE.match(line))]
        return bool(calls) and calls[-1][1] == point.call and _touches(calls[-1][1], calls[-1][2], spool)
    injected = [match for line in seen if "(INJECTED)" in line and (match := _LINE.match(line))]
    return len(injected) == 1 and _touches(injected[0][1], injected[0][2], spool)


def works() -> str | None:
    """Why nothing can be traced here; None if it can."""
    try:
        ran = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        return "strace is not installed (apt-get install strace)"
    return None if ran.returncode == 0 else f"strace may not trace here: {ran.stderr.strip()}"
