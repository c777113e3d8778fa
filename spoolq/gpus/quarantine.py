"""GPUs that are not to be used for now: their memory did not come back after a job.

A file each, ``gpu-KEY.quarantine``, in the host-local directory of the slot locks, because a GPU is the host's and not
a spool's. Its presence is the quarantine. It goes when the memory is back, as any runner sees; or a person removes it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spoolq.files import Disk, names_in, read_regular
from spoolq.gpus import Gpu

_PREFIX, _SUFFIX = "gpu-", ".quarantine"
_LIMIT = 1 << 16
#: What the driver may keep of a GPU's memory, in MiB and as a share, and what counts as back all the same.
_SLACK_MIB, _SLACK_SHARE = 256.0, 0.01


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What is written about a GPU; a file that was torn by a full disk counts too, and says nothing more.

    *level_mib* is what may be in use of its memory for the quarantine to end.
    """

    path: Path
    key: str
    title: str = "a GPU"
    since: str = "?"
    why: str = "its file does not say"
    level_mib: float | None = None

    def is_over(self, gpu: Gpu) -> bool:
        """Whether the memory of *gpu* is back."""
        if self.level_mib is None or gpu.used_mib is None:
            return False
        return is_back(gpu, self.level_mib)


def is_back(gpu: Gpu, level_mib: float) -> bool:
    """Whether no more of its memory is in use than *level_mib*, but for what a driver keeps."""
    used = gpu.used_mib
    return used is None or used <= level_mib + max(_SLACK_MIB, _SLACK_SHARE * (gpu.total_mib or 0))


def impose(directory: Path, gpu: Gpu, why: str, level_mib: float) -> Quarantine:
    """Put *gpu* in quarantine; whoever was first is right. Raises OSError.

    CRASH: one write; a kill before it leaves an empty file, which is a quarantine without a reason.
    """
    path = directory / f"{_PREFIX}{_safe(gpu.key)}{_SUFFIX}"
    since = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"key": gpu.key, "title": gpu.title, "since": since, "why": why, "level_mib": level_mib}
    said["lift"] = f"It ends when no more than that is in use; or remove this file: rm {path}"
    with contextlib.suppress(FileExistsError):
        Disk(durable=False).write_new(path, json.dumps(said, indent=1).encode() + b"\n")
    return _read(path)


def standing(directory: Path) -> list[Quarantine]:
    """All quarantines of this host, by file name."""
    names = sorted(name for name in names_in(directory) if name.startswith(_PREFIX) and name.endswith(_SUFFIX))
    return [_read(directory / name) for name in names]


def among(found: Iterable[Quarantine], gpu: Gpu) -> Quarantine | None:
    """The quarantine of *gpu*, if it is in one."""
    return next((quarantine for quarantine in found if quarantine.key in (gpu.key, _safe(gpu.key))), None)


def lift(quarantine: Quarantine) -> bool:
    """Remove it; False when it is still there, or was gone.

    In a directory that is common to all, another user's stays: that one is over whenever its memory is back.
    """
    try:
        quarantine.path.unlink()
    except OSError:
        return False
    return True


def _read(path: Path) -> Quarantine:
    key = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    try:
        document: Any = json.loads(read_regular(path, _LIMIT)[0])
        level = document.get("level_mib")
        words = {name: str(document[name]) for name in ("title", "since", "why")}
        return Quarantine(path, str(document["key"]), **words, level_mib=None if level is None else float(level))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Quarantine(path, key)


def _safe(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", key)
