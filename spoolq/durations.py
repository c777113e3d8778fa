"""Durations and sizes as people write them: ``90``, ``15m``, ``2h30m``, ``7d``; ``40GiB``, ``512 MiB``."""

from __future__ import annotations

import re

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
#: What is as long as this is no duration, in seconds.
_LIMIT_S = 1e10
_LIMIT_MIB = 1e12
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MGT]i?B)?", re.IGNORECASE)
_MEBIBYTES = {"mib": 1.0, "gib": 2.0**10, "tib": 2.0**20, "mb": 1e6 / 2**20, "gb": 1e9 / 2**20, "tb": 1e12 / 2**20}
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+")


def parse_duration(value: str | float | int) -> float:
    """Seconds of *value*: a number of seconds, or units ``d h m s ms`` one after another; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{_shown(value)} is no duration; write 90, 15m, 2h30m or 7d")
    if isinstance(value, int | float):
        seconds = float(value) if abs(value) < _LIMIT_S else _LIMIT_S  # float() of a huge integer raises
    else:
        text = value.strip().lower()
        if re.fullmatch(r"\d+(?:\.\d+)?", text):
            seconds = float(text)
        elif _WHOLE.fullmatch(text):
            seconds = sum(
                float(number) * (0.001 if unit == "ms" else _UNITS[unit]) for number, unit in _PART.findall(text)
            )
        else:
            raise ValueError(f"{_shown(value)} is no duration; write 90, 15m, 2h30m or 7d")
    if not 0 <= seconds < _LIMIT_S:
        raise ValueError(f"{_shown(value)} is out of range; a duration is 0 s or more, and finite")
    return seconds


def parse_mebibytes(value: str | float | int) -> float:
    """MiB of *value*: a number of MiB, or with a unit ``MiB``, ``GiB``, ``TiB``, or ``MB``, ``GB``, ``TB`` of 1000s.

    Raises ValueError.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        size = float(value) if abs(value) < _LIMIT_MIB else _LIMIT_MIB
    else:
        found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"{_shown(value)} is no size; write 40GiB, 512MiB or a number of MiB")
        size = float(found[1]) * _MEBIBYTES[(found[2] or "mib").lower()]
    if not 0 <= size < _LIMIT_MIB:
        raise ValueError(f"{_shown(value)} is out of range; a size is 0 or more, and finite")
    return size


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def format_duration(seconds: float) -> str:
    """A short form for people: ``0.4s``, ``12s``, ``3m05s``, ``2h10m``, ``3d4h``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"
