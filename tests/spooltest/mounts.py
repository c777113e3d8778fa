"""Small file systems of a test's own, in a mount namespace that ends with this process."""

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

_CLONE_NEWNS = 0x20000


@cache
def _private() -> str:
    """Leave the host's mounts: what is mounted from now on only our children see. Why that cannot be, or nothing."""
    if os.getuid():
        return "only root can mount"
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    ran = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True, check=False)
    return ran.stderr.strip()


def need(cause: str) -> None:
    """Skip with *cause*, or fail where this suite must not be skipped; nothing without a cause."""
    if cause and os.environ.get("SPOOLQ_REQUIRE_HOSTILE"):
        pytest.fail(f"{cause}, and this run must have it")
    if cause:
        pytest.skip(cause)


def mount(kind: str, point: Path, *, mib: int = 16, inodes: int = 200) -> None:
    """Mount a fresh *kind* (``tmpfs``, ``ext4``) at *point*."""
    need(_private())
    point.mkdir(exist_ok=True)
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,nr_inodes={inodes}", "none", str(point)]
    else:
        image = point.with_suffix(".img")
        with image.open("wb") as file:
            file.truncate(mib << 20)
        make = ["mkfs.ext4", "-q", "-N", str(inodes), "-m", "0", str(image)]
        need(subprocess.run(make, capture_output=True, text=True, check=False).stderr.strip())
        command = ["mount", "-o", "loop", str(image), str(point)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    need(ran.stderr.strip() if ran.returncode else "")


def unmount(point: Path) -> None:
    """Take it away, whoever is in it."""
    subprocess.run(["umount", "-l", str(point)], check=False, capture_output=True)


def fill(folder: Path, what: str) -> list[Path]:
    """Use up all ``room`` or all ``inodes`` of the file system of *folder*; what to remove to have it back."""
    made: list[Path] = []
    try:
        while True:
            path = folder / f"filler.{what}.{len(made)}"
            if what == "inodes":
                path.touch()
                made.append(path)
                continue
            with path.open("wb", buffering=0) as file:
                made.append(path)
                size = 1 << 20
                while size:
                    try:
                        file.write(b"x" * size)
                    except OSError:
                        size //= 2
            return made
    except OSError:
        return made
