"""Run something as a user who may not: a forked child, without root if we are root."""

import os
import subprocess
import sys
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

import spoolq

NOBODY = 65534

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")


def without_rights(function: Callable[[], object]) -> str:
    """What *function* gives when no superuser calls it: ``ok: VALUE`` or ``ERROR: MESSAGE``."""
    return as_user(NOBODY, function, [NOBODY])


def as_user(uid: int, function: Callable[[], object], groups: Sequence[int]) -> str:
    """What *function* gives when *uid* calls it, if we are root: ``ok: VALUE`` or ``ERROR: MESSAGE``."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.getuid() == 0:
                os.setgroups(groups)
                os.setgid(groups[0])
                os.setuid(uid)
            said = f"ok: {function()}"
        except BaseException as error:
            traceback.print_exc()
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return said


@cache
def public_python() -> tuple[str, dict[str, str]] | None:
    """A Python that every user of this host may run spoolq with, and the environment that it needs; None without."""
    packages = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    env = {"PYTHONPATH": os.pathsep.join([str(Path(spoolq.__file__).parent.parent), *dict.fromkeys(packages)])}
    for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        command = [python, "-c", "import spoolq.cli, spoolq.models, spoolq.watcher"]
        try:
            subprocess.run(
                command, user=NOBODY, group=NOBODY, extra_groups=[], env={**os.environ, **env}, cwd="/", check=True,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, env
    return None


def close(folder: Path) -> None:
    """Take the right to write away from a folder and all folders in it, from its owner too; readable by everybody."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            Path(path, name).chmod(0o755)
        Path(path).chmod(0o555)


def in_child(function: Callable[[], object]) -> int:
    """The exit status of *function* in a forked child: 0, what it `os._exit`s with, or 70 for an exception."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
