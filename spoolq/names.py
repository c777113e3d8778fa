"""The file names of the protocol: build, parse and order them.

``KEY`` = ``YYYYMMDDTHHMMSS.ffffffZ-UUID4``, ``STEM`` = ``[PRIORITY-]KEY``, ``CLAIM`` = ``HOST.SLOT.NONCE``.
A queued file is ``STEM.json``, a running one ``STEM@CLAIM.json``, a terminal one ``KEY.json``. Plain string
order of queued names is the order of service, so nothing is opened to know it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

#: Priority names and the prefix that sorts them before or after the years.
PRIORITIES: dict[str, str] = {"urgent": "0-", "high": "1-", "normal": "", "low": "9-"}
_LEVELS = {prefix: level for level, prefix in PRIORITIES.items()}

#: A date that exists, so that nobody has to ask a calendar for each name of a listing; 29 February in leap years only.
_DATE = (
    r"(?:[2-8][0-9]{3}"
    r"(?:(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])(?:29|30)|(?:0[13578]|1[02])31)"
    r"|(?:[2-8][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[357][26])00)0229)"
)
_STAMP = rf"{_DATE}T(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]\.[0-9]{{6}}Z"
#: A job's id.
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_CLAIM = r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,63})\.(?P<slot>[a-z0-9_-]{1,32})\.(?P<nonce>[0-9a-f]{8})"
_SLOT = r"[a-z0-9_-]{1,32}"

_STEM_RE = re.compile(rf"((?:[019]-)?)({_STAMP})-({UUID})")

#: strftime form of the stamp in a KEY; microseconds, UTC.
STAMP_FORMAT = "%Y%m%dT%H%M%S.%fZ"
SUFFIX = ".json"
#: Slots in the claims of whoever rejects a drop, cancels a queued job, or takes over from a dead host, and of workers.
ADMIT_SLOT, CANCEL_SLOT, SWEEP_SLOT, WORKER_SLOT = RESERVED_SLOTS = ("admit", "cancel", "sweep", "worker")
#: A type of resources, which is the name of their folder too.
RESOURCE_TYPE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
#: What `is_slot` asks for, in words.
SLOT_RULE = f"a slot's name is 1 to 32 of a-z, 0-9, _ and -, and none of {', '.join(RESERVED_SLOTS)}"


@dataclass(frozen=True, slots=True)
class Stem:
    """A job's place in the queue and its identity; ``str()`` gives the name without ``.json``."""

    prefix: str
    stamp: str
    uuid: str

    def __str__(self) -> str:
        return f"{self.prefix}{self.stamp}-{self.uuid}"

    @property
    def key(self) -> str:
        """The name that the job keeps for life: the STEM without its priority."""
        return f"{self.stamp}-{self.uuid}"

    @property
    def priority(self) -> str:
        """``urgent``, ``high``, ``normal`` or ``low``."""
        return _LEVELS[self.prefix]

    def with_priority(self, level: str) -> Stem:
        """The same job at another priority; raises KeyError for a level that does not exist."""
        return Stem(PRIORITIES[level], self.stamp, self.uuid)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who runs a job: host, slot, and a nonce that makes this claim unlike any other."""

    host: str
    slot: str
    nonce: str

    def __str__(self) -> str:
        return f"{self.host}.{self.slot}.{self.nonce}"

    @property
    def worker(self) -> str:
        """``HOST.SLOT``: the claimant without the nonce."""
        return f"{self.host}.{self.slot}"

    @property
    def is_workers(self) -> bool:
        """Whether a remote worker made it: no process of ours stands behind it."""
        return self.slot == WORKER_SLOT


@dataclass(frozen=True, slots=True)
class Running:
    """The name of a claimed job; ``str()`` is ``STEM@CLAIM``."""

    stem: Stem
    claim: Claim

    def __str__(self) -> str:
        return f"{self.stem}@{self.claim}"


def token(size: int) -> str:
    """A random text of 2 x *size* hexadecimal digits, from the kernel: `secrets` and `uuid` cost 8 ms to import."""
    return os.urandom(size).hex()


def new_uuid() -> str:
    """A random UUID of version 4 (RFC 9562, section 5.4: four bits say the version, two the variant)."""
    bits = bytearray(os.urandom(16))
    bits[6] = bits[6] & 0x0F | 0x40
    bits[8] = bits[8] & 0x3F | 0x80
    text = bits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_stem(when: datetime, priority: str = "normal", uuid: str | None = None) -> Stem:
    """A fresh STEM with a random UUID4 (or *uuid*), stamped *when* (aware), at *priority*."""
    return Stem(PRIORITIES[priority], format_stamp(when), uuid or new_uuid())


def new_claim(host: str, slot: str) -> Claim:
    """A fresh claim of *slot* on *host*."""
    return Claim(host, slot, token(4))


def format_stamp(when: datetime) -> str:
    """The stamp of an aware datetime: UTC with microseconds, fixed width, so that it sorts."""
    return when.astimezone(UTC).strftime(STAMP_FORMAT)


def parse_stamp(stamp: str) -> datetime:
    """The aware UTC datetime of a stamp; raises ValueError for a day that does not exist."""
    return datetime.fromisoformat(stamp)


def _stem(text: str) -> Stem | None:
    match = _STEM_RE.fullmatch(text)
    return Stem(*match.groups()) if match else None


def parse_queued(name: str) -> Stem | None:
    """The STEM of a file name in ``queued/``, or None for what is no STEM (a drop, or no job at all)."""
    return _stem(name[:-5]) if name.endswith(SUFFIX) else None


def parse_running(name: str) -> Running | None:
    """The STEM and CLAIM of a file name in ``running/``, or None."""
    if not name.endswith(SUFFIX):
        return None
    job, _, claimed = name[:-5].partition("@")
    stem, match = _stem(job), re.fullmatch(_CLAIM, claimed)
    return Running(stem, Claim(*match.groups())) if stem and match else None


def parse_terminal(name: str) -> Stem | None:
    """The KEY (as a Stem of normal priority) of a file name in a terminal directory, or None."""
    return parse_key(name[:-5]) if name.endswith(SUFFIX) else None


def parse_key(text: str) -> Stem | None:
    """The Stem of normal priority for a bare KEY, or None."""
    stem = _stem(text)
    return stem if stem and not stem.prefix else None


def stem_names(names: Iterable[str]) -> list[str]:
    """Those of *names* that `parse_queued` takes. For whole listings: it makes no Stem of each."""
    is_stem = _STEM_RE.fullmatch
    return [name for name in names if name.endswith(SUFFIX) and is_stem(name, 0, len(name) - 5)]


def key_names(names: Iterable[str]) -> list[str]:
    """Those of *names* that `parse_terminal` takes, likewise."""
    return [name for name in stem_names(names) if name[1] != "-"]


def is_candidate(name: str) -> bool:
    """Whether a name may be a job at all: not hidden, ends in ``.json``."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def is_drop(name: str) -> bool:
    """Whether a name in ``queued/`` is a dropped file that waits for admission."""
    return is_candidate(name) and parse_queued(name) is None


def is_workers_claim(name: str) -> bool:
    """Whether a file name in ``running/`` is that of a remote worker's job."""
    running = parse_running(name)
    return running is not None and running.claim.is_workers


def is_slot(name: str) -> bool:
    """Whether *name* can be the SLOT of a runner; the names that other claimants use cannot."""
    return re.fullmatch(_SLOT, name) is not None and name not in RESERVED_SLOTS


def claim_host(hostname: str | None = None) -> str:
    """This host's name in the form that a CLAIM can carry: letters, digits, dots and dashes."""
    cleaned = re.sub(r"[^A-Za-z0-9.-]", "-", hostname or os.uname().nodename).strip(".-")
    return cleaned[:64] or "localhost"


def worker_host(worker: str) -> str:
    """What stands for HOST in the claim of a remote worker: as much of its id as a CLAIM can carry."""
    return claim_host(worker or "-")


def is_resource_type(text: str) -> bool:
    """Whether *text* can be a type of resources."""
    return re.fullmatch(RESOURCE_TYPE, text) is not None
