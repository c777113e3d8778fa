"""What kind of file system a path lies on; decides the timer, because inotify never hears another host."""

from __future__ import annotations

import os
import re
from pathlib import Path

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "orangefs", "overlay_nfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs",
}  # fmt: skip


def file_system(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str:
    """The file system type under *path* (``ext4``, ``nfs4``, ``fuse.sshfs``), ``unknown`` without mountinfo.

    Reads proc(5)'s mountinfo: field 5 is the mount point, octal escapes in it; the type follows `` - ``.
    """
    try:
        rows = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return "unknown"
    real = os.path.realpath(path)
    best, kind = "", "unknown"
    for row in rows:
        left, _, right = row.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), left.split(" ")[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind


def is_network(path: Path) -> bool:
    """Whether other hosts may change what lies under *path* (FUSE counts: most of it is remote)."""
    kind = file_system(path)
    return kind in _NETWORK or kind.startswith("fuse.")
