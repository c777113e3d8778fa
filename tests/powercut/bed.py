"""Disks, and the machine that they are in: it is booted, does something, loses its power, and is booted again."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.spooltest.guest import Guest, python

#: How a disk is made. Sparse files: ext4 takes 0.3 MB of memory then, xfs 0.2 MB when its log is zeros.
MAKE = {
    "ext4": ("64M", ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"]),
    "xfs": ("320M", ["mkfs.xfs", "-q", "-f"]),
}
PROGRAMS = ("mkfs.ext4", "mkfs.xfs", "fallocate")
#: A guest has no more disks.
MOST = 16

#: No file system commits by itself, so what is on disk is what somebody synced. Or: each commits its journal every
#: second, but no file's data is written unless it was synced, so names come before contents.
WHEN = {
    "at once": {"ext4": "commit=300", "xfs": "defaults", "xfssyncd": 720000},
    "later": {"ext4": "commit=1", "xfs": "defaults", "xfssyncd": 100},
}
#: After so many seconds of "later" both file systems have committed what was done before.
LATER_S = 2.5

_HEAD = """\
echo 0 > /proc/sys/vm/dirty_writeback_centisecs; echo 360000 > /proc/sys/vm/dirty_expire_centisecs
echo {xfssyncd} > /proc/sys/fs/xfs/xfssyncd_centisecs
"""
_MOUNT = (
    "mkdir /mnt/{number} && mount -t {kind} -o {options} /dev/ubd{letter} /mnt/{number} || {{ echo HALT; halt -f; }}\n"
)


class Bed:
    """A machine with a disk for each of *kinds* (``ext4``, ``xfs``), mounted as /mnt/0 and so on.

    *when* says how lazy its kernel is, see WHEN. Consoles and papers are in *folder*; the disks are in memory, and gone
    after the ``with``.
    """

    def __init__(self, folder: Path, kinds: Sequence[str], when: str = "at once") -> None:
        assert len(kinds) <= MOST
        self.folder, self.kinds, self.when = folder, kinds, when
        self.boots = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.case = Path(tempfile.mkdtemp(prefix="powercut-", dir="/dev/shm"))
        self.disks = [self.case / f"disk{number}" for number in range(len(kinds))]
        for disk, kind in zip(self.disks, kinds, strict=True):
            size, argv = MAKE[kind]
            subprocess.run(["truncate", "-s", size, str(disk)], check=True)
            subprocess.run([*argv, str(disk)], check=True)
            subprocess.run(["fallocate", "--dig-holes", str(disk)], check=True)

    def __enter__(self) -> Bed:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.case, ignore_errors=True)

    def boot(self, verb: str, spec: Any, module: str = "inside") -> Guest:
        """Switch it on: the file systems replay their journals, then *module* of this package does *verb*."""
        self.boots += 1
        paper = self.folder / f"{self.boots}.json"
        paper.write_text(json.dumps(spec), encoding="utf-8")
        options = WHEN[self.when]
        script = _HEAD.format(**options)
        for number, kind in enumerate(self.kinds):
            letter = chr(ord("a") + number)
            script += _MOUNT.format(number=number, kind=kind, options=options[kind], letter=letter)
        script += python("-m", f"tests.powercut.{module}", verb, str(paper))
        return Guest(self.folder / f"boot{self.boots}", script, name="machine", disks=self.disks)
