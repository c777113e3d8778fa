"""Who else is on a GPU, in words: the reason that a job waits names them."""

from __future__ import annotations

from spoolq.gpus import Gpu, Process
from spoolq.gpus.need import size
from spoolq.plain import one_line

#: How many processes are named, and how much is shown of a command line: no more than what it runs, for the rest may
#: be secret, and a reason is shown to everybody who may look at the queue.
_NAMED, _COMMAND = 3, 60


def strangers(gpu: Gpu) -> str:
    """``process 4242 (python train.py) of alice with 67 GiB``, the largest first; "" when none is known."""
    held = sorted(gpu.processes or (), key=lambda process: -(process.used_mib or 0))
    words = [_named(process) for process in held[:_NAMED]]
    if len(held) > _NAMED:
        words.append(f"{len(held) - _NAMED} more")
    return ", ".join(words)


def _named(process: Process) -> str:
    """RACE: the process may end between any two questions. Of another pid namespace it cannot be seen at all."""
    import psutil

    amount = "" if process.used_mib is None else f" with {size(process.used_mib)}"
    try:
        seen = psutil.Process(process.pid)
        with seen.oneshot():
            user = seen.username()
            command = _command(seen)
    except psutil.Error:
        return f"process {process.pid} (of another container, or ended){amount}"
    return one_line(f"process {process.pid} ({command[:_COMMAND]}) of {user}{amount}")


def _command(seen: object) -> str:
    import psutil

    assert isinstance(seen, psutil.Process)
    try:
        words = seen.cmdline()
    except psutil.AccessDenied:
        words = []
    shown = words[:3] if words[1:2] == ["-m"] else words[:2]
    return " ".join(word for word in shown if word == "-m" or not word.startswith("-")) or seen.name()
