"""The warm parent: it has imported a harness, and forks a child of itself for each evaluation.

`python -m spoolq.forkserver SOCKET SHIM PRELOAD`: the socket to the shim, the shim's pid, and module names as JSON. It
only imports: what it has must be right for every evaluation that is forked from it. So it says "unfit" where an import
started a thread or a process or opened a GPU, and "stale" once a file that it imported has changed. The evaluation is
a child of the shim, not of this process, and outlives it.

Its words: one line ``{"ready": …}`` or ``{"unfit": …}`` on the socket; then for each byte that comes with a descriptor
a child, which reads its order there, answers ``{"pid": …}``, and waits to be let go.
"""

from __future__ import annotations

import _thread
import contextlib
import gc
import importlib
import json
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from spoolq import entry
from spoolq.process import die_with_parent
from spoolq.room import Room

#: Device files of a GPU's driver: a process that has one open has spoken to the driver, and its forks cannot.
_GPU_FILES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/")


def main(argv: Sequence[str]) -> NoReturn:
    """Import, tell, and fork until the shim hangs up."""
    fd, shim, preload = int(argv[0]), int(argv[1]), json.loads(argv[2])
    die_with_parent(shim)
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    entry.leave_start_directory()
    room = Room.reserved()
    fault = "its environment cannot be marked" if room is None else _fault_of(preload)
    if room is None or fault is not None:
        sock.sendall(json.dumps({"unfit": fault}).encode() + b"\n")
        sock.recv(1)  # to be ended by the shim, with all that the preload has started
        os._exit(0)
    gc.collect()
    gc.freeze()  # a collection in a child then leaves the pages alone that it shares with us
    files = _stamps()
    sock.sendall(json.dumps({"ready": len(os.listdir("/proc/self/task"))}).encode() + b"\n")
    while True:
        asked, fds, _, _ = socket.recv_fds(sock, 1, 1)
        if not asked:
            os._exit(0)
        with socket.socket(fileno=fds[0]) as line:
            line.set_inheritable(False)
            if (changed := next((path for path in files if _stamp(path) != files[path]), None)) is not None:
                line.sendall(json.dumps({"stale": changed}).encode() + b"\n")
                continue
            _fork(line, shim, room, sock)


def _fault_of(preload: Sequence[str]) -> str | None:
    """Import all of *preload*; why no evaluation may be forked from this process, None if any may."""
    try:
        for name in preload:
            with contextlib.suppress(*([ImportError] if name.endswith("?") else [])):
                importlib.import_module(name.removesuffix("?"))
    except BaseException as error:
        return f"its preload of {name} failed: {type(error).__name__}: {error}"
    time.sleep(0.02)  # RACE: a thread is counted once it runs
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others or _thread._count():
        return f"its preload started the thread {others[0] if others else 'of _thread'!r}"
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:  # the listing's own
            continue
        if target.startswith(_GPU_FILES):
            return f"its preload opened {target}, so a fork could not use the GPU"
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        return "its preload initialised CUDA, so a fork could not use the GPU"
    if Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").strip():
        return "its preload started a process"
    return None


def _stamps() -> dict[str, tuple[int, int] | None]:
    """Every file that a module came from, as it is now."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {path: _stamp(path) for path in files if isinstance(path, str)}


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _fork(line: socket.socket, shim: int, room: Room, sock: socket.socket) -> None:
    """Fork twice: the second child's parent ends at once, and the shim, as the subreaper, becomes its parent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # native threads, as numeric libraries keep them, are none of Python's
        first = os.fork()
        if first:
            os.waitpid(first, 0)
            return
        try:
            between = os.getpid()
            if os.fork() == 0:
                sock.close()
                _evaluate(line, shim, between, room)
        finally:
            os._exit(0)


def _evaluate(line: socket.socket, shim: int, between: int, room: Room) -> NoReturn:
    """Be the evaluation. Nothing of the job is touched before the shim is our parent and we bear its mark.

    CRASH: whoever dies before we are let go, we end without having run anything: the shim starts it as a program.
    """
    while os.getppid() == between:
        time.sleep(0.0005)
    die_with_parent(shim)  # RACE: when it is not our parent, it has died, and we end here
    os.setsid()
    reader = line.makefile("rb")
    text = reader.readline()
    if not text.endswith(b"\n"):
        os._exit(127)
    order: dict[str, Any] = json.loads(text)
    room.write(order["mark"])
    entry.take_place(order["cwd"], order["log"], order["env"])
    if time.monotonic() >= order["deadline"]:
        os._exit(127)
    line.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
    if reader.read(1) != b"g":
        os._exit(127)
    reader.close()
    line.close()
    entry.run(order["entry"], order["argv"])


if __name__ == "__main__":
    main(sys.argv[1:])
