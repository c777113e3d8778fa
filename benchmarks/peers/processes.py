"""Processes that a peer needs: each in a session of its own, ended by pid."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil


def begin(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start *argv* in *folder*; what it prints goes to a file there."""
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            argv, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )


def end(process: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """End a process that `begin` started, with all its descendants: SIGTERM, then SIGKILL after *patience* seconds."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.kill()
    process.wait()
