"""The names in a pool: a free resource is ``INDEX.json``, a leased one ``INDEX@WORKER.JOB.NONCE.json``.

WORKER and JOB are what a client calls itself and its job, in a form that a file name can carry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from spoolq.names import token

#: INDEX has so many digits, so that names sort as numbers.
_DIGITS = 6
#: The longest safe form of a worker's or job's name; of a longer one so much stands before its hash.
_MOST, _KEPT = 80, 60
_SAFE = r"[A-Za-z0-9_%~-]*"
_RESOURCE = re.compile(r"([0-9]{6,9})\.json")
_LEASE = re.compile(rf"(?P<index>[0-9]{{6,9}})@(?P<worker>{_SAFE})\.(?P<job>{_SAFE})\.(?P<nonce>[0-9a-f]{{8}})\.json")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has a resource: *worker* and *job* in their safe forms, and a nonce that makes this lease unlike others."""

    index: int
    worker: str
    job: str
    nonce: str

    @property
    def name(self) -> str:
        """The name of the resource's file while it is leased."""
        return f"{self.index:0{_DIGITS}d}@{self.worker}.{self.job}.{self.nonce}.json"

    @property
    def free_name(self) -> str:
        """Its name before and after."""
        return resource_name(self.index)

    def is_of(self, worker: str, job: str | None = None) -> bool:
        """Whether it is *worker*'s, for *job* if that is given."""
        return self.worker == safe(worker) and (job is None or self.job == safe(job))


def new_lease(index: int, worker: str, job: str) -> Lease:
    """A lease under a nonce of its own."""
    return Lease(index, safe(worker), safe(job), token(4))


def resource_name(index: int) -> str:
    """The name of a free resource."""
    return f"{index:0{_DIGITS}d}.json"


def parse_resource(name: str) -> int | None:
    """The index of a free resource's file name, or None."""
    match = _RESOURCE.fullmatch(name)
    return int(match[1]) if match else None


def parse_lease(name: str) -> Lease | None:
    """The lease in a file name, or None."""
    match = _LEASE.fullmatch(name)
    return Lease(int(match["index"]), match["worker"], match["job"], match["nonce"]) if match else None


def safe(text: str) -> str:
    """*text* as a file name can carry it: letters, digits, ``_`` and ``-`` stay, any other byte of it is ``%XX``.

    What gets too long is cut, and has ``~`` and a part of its SHA-256 behind it: unmistakable, but not reversible.
    """
    data = text.encode("utf-8", "surrogatepass")
    whole = re.sub(rb"[^A-Za-z0-9_-]", lambda byte: b"%%%02X" % byte[0][0], data).decode("ascii")
    if len(whole) <= _MOST:
        return whole
    import hashlib  # seldom needed, and slow to import

    return f"{whole[:_KEPT]}~{hashlib.sha256(data).hexdigest()[:16]}"


def shown(safe_form: str) -> str:
    """The text that *safe_form* was made of; of a long one its beginning and ``…``."""
    kept, cut, _ = safe_form.partition("~")
    data = re.sub(rb"%([0-9A-F]{2})", lambda code: bytes.fromhex(code[1].decode()), kept.encode("ascii"))
    return data.decode("utf-8", "replace") + ("…" if cut else "")
