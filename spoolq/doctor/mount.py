"""The file system and its mount options: what each breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from spoolq.doctor.finding import Finding, Verdict, fault, note, ok, warning
from spoolq.doctor.patient import Patient
from spoolq.mounts import Mount, is_network_type
from spoolq.settings import Settings

#: Local file systems that the protocol was made on, or that keep the same promises.
_SOUND = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "xfs", "zfs"}
_OWNERLESS = {"exfat", "msdos", "ntfs", "ntfs3", "vfat"}
#: Type -> how bad, what it breaks, what to do.
_KINDS: dict[str, tuple[Verdict, str, str]] = {
    **dict.fromkeys(
        ("tmpfs", "ramfs"),
        (
            Verdict.WARNING,
            "It is memory: jobs, logs and records are gone at the next reboot, whatever `durability` says.",
            "Put the spool on a disk, unless it is for trying things out.",
        ),
    ),
    "overlay": (
        Verdict.WARNING,
        "It goes when its container goes, jobs and records with it; and what is changed below it is not heard, only "
        "found by the timer.",
        "Mount a volume for the spool.",
    ),
    "9p": (
        Verdict.WARNING,
        "Its server may keep locks to this side and caches listings; inotify hears this side only. Not run on this "
        "code.",
        "Use NFS or a local disk; else prove two sides with `spoolq doctor --hosts 2`.",
    ),
    **dict.fromkeys(
        ("cifs", "smb3", "smbfs"),
        (
            Verdict.WARNING,
            "Owners and modes are the mount's, so the submitter of a dropped file is not told by its owner; a file "
            "that somebody holds open may refuse its rename. Not run on this code.",
            "Use NFS or a local disk; else prove two sides with `spoolq doctor --hosts 2`.",
        ),
    ),
    **dict.fromkeys(
        _OWNERLESS,
        (
            Verdict.WARNING,
            "It has no owners and no modes: everybody's job counts as that of one user.",
            "Use ext4 or xfs.",
        ),
    ),
}
_FUSE = (
    Verdict.WARNING,
    "Its program decides: listings may be old, and locks this host's only (sshfs: both). Not run on this code.",
    "Use what lies under it; else prove two sides with `spoolq doctor --hosts 2`.",
)
_OTHER_NETWORK = (
    Verdict.NOTE,
    "Not run on this code; what stands below was tried on this mount, from this host.",
    "Prove two sides with `spoolq doctor --hosts 2`, started on both.",
)
_UNKNOWN = (
    Verdict.NOTE,
    "Not known to spoolq: it is taken for a local disk, so the timer is slow (30 s).",
    "If other hosts write here, set poll, settle, and heartbeat_timeout to 180 s or more.",
)


def check_kind(patient: Patient) -> list[Finding]:
    """The type of the file system."""
    mount = patient.mount
    if mount is None:
        return [note("file system", "unknown: mountinfo cannot be read", _UNKNOWN[1], _UNKNOWN[2])]
    return [judge_kind(mount)]


def judge_kind(mount: Mount) -> Finding:
    """What a type of file system means for a spool."""
    where = f"{mount.kind} on {mount.point}" + (f" from {mount.source}" if is_network_type(mount.kind) else "")
    numbers = {"type": mount.kind, "point": mount.point, "source": mount.source, "options": dict(mount.options)}
    if mount.kind in ("nfs", "nfs4"):
        return replace(_nfs(mount, where), numbers=numbers)
    if mount.kind in _SOUND:
        return replace(ok("file system", f"{where}, local"), numbers=numbers)
    fallback = _OTHER_NETWORK if is_network_type(mount.kind) else _UNKNOWN
    verdict, breaks, step = _KINDS.get(mount.kind, _FUSE if mount.kind.startswith("fuse") else fallback)
    return Finding("file system", verdict, where, breaks, step, numbers)


def _nfs(mount: Mount, where: str) -> Finding:
    version = mount.options.get("vers", "3" if mount.kind == "nfs" else "4")
    if version in ("3", "2"):
        return warning(
            "file system",
            f"{where}, version {version}",
            "Replies that a restarted server loses: a retry or a new priority says that the job has just moved on, "
            "although it was done.",
            "Mount with vers=4.1 or later.",
        )
    if version in ("4", "4.0"):
        return note(
            "file system",
            f"{where}, version {version}",
            "A broken connection loses replies like a restarted server.",
            "Mount with vers=4.1 or later.",
        )
    return ok("file system", f"{where}, version {version}")


def check_options(patient: Patient) -> list[Finding]:
    """The mount options: one finding for each that breaks something."""
    mount = patient.mount
    return judge_options(mount, patient.settings) if mount else []


def judge_options(mount: Mount, settings: Settings) -> list[Finding]:
    """What a mount's options break."""
    found = [finding for rule in _RULES if (finding := rule(mount, settings))]
    if found:
        return found
    return [ok("mount options", "none that breaks anything")]


def _has(options: Mapping[str, str], *names: str) -> str:
    """The first of *names* (``soft``, ``local_lock=all``) that is among the options."""
    for name in names:
        key, _, value = name.partition("=")
        if key in options and (not value or options[key] == value):
            return name
    return ""


def _read_only(mount: Mount, _settings: Settings) -> Finding | None:
    if "ro" not in mount.options:
        return None
    return fault("option ro", "read-only", "Nothing can be submitted or run.", "Mount it read-write.")


def _stale_listings(mount: Mount, _settings: Settings) -> Finding | None:
    if not (name := _has(mount.options, "nocto")):
        return None
    return fault(
        f"option {name}",
        "a listing may be up to 25 s old",
        "Jobs of other hosts are found late, and a lost reply of the server may be misread.",
        "Mount without nocto.",
    )


def _local_locks(mount: Mount, _settings: Settings) -> Finding | None:
    if not (name := _has(mount.options, "nolock", "local_lock=all", "local_lock=flock")):
        return None
    return warning(
        f"option {name}",
        "locks are this host's only, without an error",
        "`.lock` excludes nobody on other hosts: a prune, retry or cancel may interleave with their moves. Claims stay "
        "exclusive.",
        "Mount v4, or v3 with locks.",
    )


def _soft(mount: Mount, _settings: Settings) -> Finding | None:
    if not (name := _has(mount.options, "soft", "softerr")):
        return None
    return warning(
        f"option {name}",
        "calls fail in a short outage of the server",
        "An evaluation's own writes fail with EIO or ETIMEDOUT. What spoolq does is tried again.",
        "Mount with hard, the default.",
    )


def _old_attributes(mount: Mount, settings: Settings) -> Finding | None:
    longest = max((int(v) for o in ("actimeo", "acdirmax", "acregmax") if (v := _number(mount, o))), default=0)
    needed = 3.0 * longest
    if longest <= 60 or settings.heartbeat_timeout >= needed:
        return None
    return warning(
        "attribute cache",
        f"kept for up to {longest} s; heartbeat_timeout is {settings.heartbeat_timeout:g} s",
        "Heartbeats look as if they stood still: a living job of another host may be taken over.",
        f"Set heartbeat_timeout to {needed:g} s or more, or mount without actimeo, acregmax, acdirmax.",
    )


def _number(mount: Mount, option: str) -> str:
    value = mount.options.get(option, "")
    return value if value.isdigit() else ""


def _uncached(mount: Mount, _settings: Settings) -> Finding | None:
    if not (name := _has(mount.options, "noac", "sync", "lookupcache=none")):
        return None
    return note(f"option {name}", "calls go to the server more often", "Nothing: it is only slower.")


def _no_barriers(mount: Mount, _settings: Settings) -> Finding | None:
    if not (name := _has(mount.options, "nobarrier", "barrier=0")):
        return None
    return warning(
        f"option {name}",
        "fsync does not reach the platters",
        "A power cut may lose what was acknowledged, and leave an ended job without its record.",
        "Mount with barriers, the default.",
    )


def _export(mount: Mount, _settings: Settings) -> Finding | None:
    if mount.kind not in ("nfs", "nfs4"):
        return None
    return note(
        "NFS export",
        "`async` on the server cannot be seen from here",
        "With it, what was acknowledged is lost when the server crashes.",
        "See /etc/exports on the server: it should say sync.",
    )


_RULES: tuple[Callable[[Mount, Settings], Finding | None], ...] = (
    _read_only, _stale_listings, _local_locks, _soft, _old_attributes, _uncached, _no_barriers, _export,
)  # fmt: skip
