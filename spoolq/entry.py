"""Run a harness's entry in a forked child, as `python -m MODULE ARGUMENTS` would run it in a process of its own."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import io
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn


def leave_start_directory() -> None:
    """Forget the directory that we were started in: `python -m` has put it first on the path."""
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    os.chdir("/")


def take_place(cwd: str, log: str, env: Mapping[str, str]) -> None:
    """Take the evaluation's directory, its log as stdout and stderr, and the variables that are its own."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    os.chdir(cwd)
    os.environ.update(env)


def run(entry: str, argv: Sequence[str]) -> NoReturn:
    """Call *entry*, ``module:function``, with the command line *argv*, ``[PYTHON, "-m", MODULE, …]``, and end.

    Without an entry the module itself is run.
    """
    _draw_anew()
    module, _, function = entry.partition(":")
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, str(Path.cwd()))
    code: Any = None
    try:
        sys.argv = [_program(argv[2]), *argv[3:]]
        if function:
            code = getattr(importlib.import_module(module), function)()
        else:
            runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code
    except KeyboardInterrupt as error:
        _show(error)
        _finish()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        _show(error)
        code = 1
    if code is not None and not isinstance(code, int):  # as the interpreter does with sys.exit("text")
        print(code, file=sys.stderr)
        code = 1
    _finish()
    os._exit((code or 0) & 0xFF)


def _draw_anew() -> None:
    """Have this child draw numbers of its own. Python's `random` does so by itself at a fork; numpy does not."""
    drawing = getattr(sys.modules.get("numpy"), "random", None)
    if drawing is not None:
        drawing.seed()


def _program(module: str) -> str:
    """What `python -m` *module* has as sys.argv[0]: the file that it runs."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
    return (spec.origin if spec is not None else None) or module


def _show(error: BaseException) -> None:
    """Print the traceback, without the frame that is ours."""
    below: TracebackType | None = error.__traceback__.tb_next if error.__traceback__ else None
    traceback.print_exception(type(error), error, below)


def _finish() -> None:
    """What the interpreter does at its end and a bare `_exit` does not: threads, exit functions, open files.

    Not done: taking every module apart, which copies each page that is shared with the warm parent.
    """
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    opened = [found for found in gc.get_objects() if isinstance(found, io.TextIOWrapper | io.BufferedWriter)]
    for stream in sorted(opened, key=lambda found: isinstance(found, io.BufferedWriter)):  # texts first, into these
        with contextlib.suppress(Exception):
            stream.flush()
    for output in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            output.flush()
