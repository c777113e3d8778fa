"""GPUs as JSON: what the probe prints, and what the file of the provider ``file`` holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spoolq.durations import parse_mebibytes
from spoolq.gpus import Gpu, Look, Process


def look_of(text: str) -> Look:
    """The look in ``{"gpus": [{"index": 0, "uuid": "GPU-…", "total": "80GiB", "free": 81000, …}], "faults": […]}``.

    Raises ValueError, saying what is wrong where.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("gpus"), list):
        raise ValueError("it must be an object with a list `gpus`")
    gpus = []
    for place, entry in enumerate(document["gpus"]):
        try:
            gpus.append(_gpu(entry))
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"`gpus.{place}`: {error}") from None
    return Look(tuple(gpus), tuple(map(str, document.get("faults") or [])))


def _gpu(entry: Any) -> Gpu:
    if not isinstance(entry, Mapping):
        raise ValueError("it must be an object")
    index, uuid = entry.get("index"), entry.get("uuid")
    if not (uuid is None or isinstance(uuid, str)) or not (index is None or (type(index) is int and index >= 0)):
        raise ValueError("`index` must be a whole number from 0, `uuid` a text")
    if index is None and not uuid:
        raise ValueError("it has neither `index` nor `uuid`")
    processes = entry.get("processes")
    return Gpu(
        index=index,
        uuid=uuid or None,
        name=str(entry.get("name") or ""),
        total_mib=_size(entry, "total"),
        free_mib=_size(entry, "free"),
        utilisation=None if entry.get("utilisation") is None else int(entry["utilisation"]),
        processes=None if processes is None else tuple(Process(int(p["pid"]), _size(p, "used")) for p in processes),
        parent=entry.get("parent"),
        instances=tuple(map(str, entry.get("instances") or ())),
    )


def _size(entry: Mapping[str, Any], key: str) -> float | None:
    return None if entry.get(key) is None else parse_mebibytes(entry[key])


def document_of(gpu: Gpu) -> dict[str, Any]:
    """A GPU as `look_of` reads it."""
    processes = None if gpu.processes is None else [{"pid": p.pid, "used": p.used_mib} for p in gpu.processes]
    return {
        "index": gpu.index,
        "uuid": gpu.uuid,
        "name": gpu.name,
        "total": gpu.total_mib,
        "free": gpu.free_mib,
        "utilisation": gpu.utilisation,
        "processes": processes,
        "parent": gpu.parent,
        "instances": list(gpu.instances),
    }
