"""What kind of file system a path lies on; decides the timer, because inotify never hears another host."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Where the kernel lists the mounts that this process sees; proc(5).
MOUNTINFO = Path("/proc/self/mountinfo")
_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "orangefs", "overlay_nfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount: where, its type (``ext4``, ``nfs4``, ``fuse.sshfs``), what is mounted, and its options.

    *options* are those of the mount and those of the file system; one without a value has "".
    """

    point: str
    kind: str
    source: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def mount_of(path: Path, mountinfo: Path = MOUNTINFO) -> Mount | None:
    """The mount under *path*; None without mountinfo.

    Reads proc(5)'s mountinfo: field 5 is the mount point, octal escapes in it; type, source and the file system's
    options follow `` - ``.
    """
    try:
        rows = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = os.path.realpath(path)
    best, found = "", None
    for row in rows:
        left, _, right = row.partition(" - ")
        fields = left.split(" ")
        point = _unescaped(fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            kind, source, inner = (*right.split(" "), "", "", "")[:3]
            options = dict(_pairs(f"{fields[5]},{inner}"))
            best, found = point, Mount(point, kind, _unescaped(source), options)
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def _pairs(options: str) -> list[tuple[str, str]]:
    return [(name, value) for option in options.split(",") for name, _, value in [option.partition("=")] if name]


def file_system(path: Path, mountinfo: Path = MOUNTINFO) -> str:
    """The file system type under *path* (``ext4``, ``nfs4``, ``fuse.sshfs``), ``unknown`` without mountinfo."""
    mount = mount_of(path, mountinfo)
    return mount.kind if mount else "unknown"


def is_network(path: Path) -> bool:
    """Whether other hosts may change what lies under *path* (FUSE counts: most of it is remote)."""
    return is_network_type(file_system(path))


def is_network_type(kind: str) -> bool:
    """The same of a file system's type."""
    return kind in _NETWORK or kind.startswith("fuse.")
