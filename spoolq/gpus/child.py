"""Ask a program of a few moments: a driver that is wedged blocks whoever calls it, so we never call it ourselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

from spoolq.gpus import DriverSilent, NoDriver

#: Programs that outlived their time limit. One that the kernel cannot kill stays here until it ends.
_left: list[subprocess.Popen[str]] = []


def ask(argv: Sequence[str], timeout: float) -> str:
    """The standard output of *argv*; raises DriverSilent when it fails or takes longer, NoDriver when it is not there.

    CRASH: a kill of ours leaves the program, which ends by itself, or not, as the driver does; it holds nothing.
    """
    name = f"python -m {argv[2]}" if argv[1] == "-m" else argv[0]
    _left[:] = [process for process in _left if process.poll() is None]
    if _left:  # a process in the kernel's hands cannot be killed: a second one would hang beside it
        raise DriverSilent(f"cannot list GPUs: the last look, process {_left[0].pid}, still hangs. See `dmesg`.")
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise NoDriver(f"cannot list GPUs: there is no {name}. Install it, or set `provider` in [gpus].") from None
    except OSError as error:
        raise DriverSilent(f"cannot list GPUs by {name}: {error.strerror}. Mend that.") from None
    try:
        said, complained = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _abandon(process)
        raise DriverSilent(
            f"cannot list GPUs: {name} did not answer within {timeout:g} s. The driver may hang; see `dmesg`."
        ) from None
    if process.returncode:
        last = (complained or said).strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise DriverSilent(f"cannot list GPUs by {name}: {last[0]}. Run it by hand.")
    return said


def _abandon(process: subprocess.Popen[str]) -> None:
    """Kill it and wait for a moment only."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        _left.append(process)
