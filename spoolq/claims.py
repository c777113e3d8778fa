"""Claim, requeue, reclaim and adopt: the moves into and out of ``running/`` that do not end a job.

The claim's nonce is in the target's name, so whether a rename happened is read from a listing, whatever it returned.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from spoolq import history
from spoolq.errors import ClaimLost, Immovable
from spoolq.files import GONE, names_in, read_regular, revalidate
from spoolq.names import Running, Stem, new_claim, parse_running
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State

Warn = Callable[[str], None]
#: In a shared spool a second link has the owner of the first, who never put it there.
SECOND_LINK = "it has a second link, so its owner need not be who dropped it; drop a copy"
#: What is refused for one entry while others can be moved: an immutable file, a mount point, another user's folder.
ONE_ONLY = (errno.EPERM, errno.EACCES, errno.EBUSY)
#: The largest claimed file that is read, in bytes: a retried record is larger than the request in it.
MAX_CLAIMED = 4 << 20


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed job: its name, the bytes read once after the claim, its owner's uid, and when it was claimed.

    *since* is that moment in POSIX seconds of the file server: the file's ctime, which the claiming rename set.
    *asked* is the moment before the claim on this host's monotonic clock (infinite for one that was read later).
    *fault* says why the file cannot be a job (no regular file, too large, a second one of that name); *data* is then
    empty.
    """

    running: Running
    data: bytes
    uid: int
    since: float
    fault: str | None = None
    asked: float = float("inf")


def claim(store: Store, stem: Stem, slot: str, warn: Warn | None = None, *, host: str | None = None) -> Claimed | None:
    """Try to claim a queued job for *slot* of this host (or of *host*); None when it was gone.

    Raises Immovable for an entry that cannot be moved while others can, OSError when the disk refuses.
    CRASH: after the rename the claim stands under our slot's name; the next holder of the slot recovers it.
    """
    running = Running(stem, new_claim(host or store.host, slot))
    asked = time.monotonic()
    try:
        with store.locked(insist=False, warn=warn):
            store.disk.rename(store.layout.queued(stem), store.layout.running(running))
    except OSError as error:
        # RACE: an NFS client may report ENOENT for a rename that the server did; only a fresh listing tells.
        if not stands(store, running):
            if error.errno in GONE:
                return None
            if error.errno in ONE_ONLY and _may_move(store):  # it must not hold up those behind it
                raise Immovable(f"cannot claim {stem}.json: {error.strerror}. It stays; others go on.") from None
            raise
    try:
        store.disk.sync_directory(store.layout.state(State.RUNNING), store.layout.state(State.QUEUED))
    except OSError:
        back(store, running, warn)  # nothing was started: what may not be durable is not run
        raise
    return replace(read_claimed(store, running), asked=asked)


def _may_move(store: Store) -> bool:
    """Whether the directories let us move files: then it is the one entry that does not."""
    return all(os.access(store.layout.state(state), os.W_OK | os.X_OK) for state in (State.QUEUED, State.RUNNING))


def read_claimed(store: Store, running: Running, *, opened: bool = False) -> Claimed:
    """Read a claimed file once; raises ClaimLost when the claim is gone.

    *opened* says that its attempt had begun: then it was alone, and a second of its KEY is the one to go.
    """
    path = store.layout.running(running)
    uid, since, data, fault = os.getuid(), 0.0, b"", None
    try:
        status = path.lstat()
        uid, since = status.st_uid, status.st_ctime
        if stat.S_ISREG(status.st_mode):
            data, _ = read_regular(path, MAX_CLAIMED)
            if status.st_nlink > 1 and store.shared:
                fault = SECOND_LINK
        else:
            fault = f"it is a {_kind(status.st_mode)}, not a regular file"
    except OSError as error:
        if error.errno in GONE and not stands(store, running):
            raise ClaimLost(f"the claim of {running.stem.key} was taken away") from None
        fault = f"it cannot be read: {error.strerror}"
    if len(data) > MAX_CLAIMED:
        fault = f"it is larger than {MAX_CLAIMED} bytes"
    fault = fault or (None if opened else _double(store, running))
    return Claimed(running, b"" if fault else data, uid, since, fault)


def _double(store: Store, running: Running) -> str | None:
    """Say where another job of the same KEY is; both would share a run folder and a terminal name."""
    key = running.stem.key
    for state in TERMINAL:
        if store.network:
            revalidate(store.layout.state(state))
        if os.path.lexists(store.layout.terminal(state, key)):
            return f"there is a job of that name in {state} already; submit it under a name of its own"
    for name in store.names(State.RUNNING):
        other = parse_running(name)
        if other and other.stem.key == key and other.claim != running.claim:
            return "there is a job of that name running already; submit it under a name of its own"
    return None


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "directory", stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def stands(store: Store, running: Running) -> bool:
    """Whether the claim is still there, by a fresh listing."""
    return f"{running}.json" in names_in(store.layout.state(State.RUNNING))


def requeue(
    store: Store, running: Running, reason: str, *, nonce: str, started: bool, warn: Warn | None = None
) -> None:
    """Give a claim back to its place in the queue; raises ClaimLost when it was taken away.

    *nonce* is the claim's that the attempt began under. *started* False: nothing was run, so no attempt is burnt.
    """
    history.record(store, running.stem.key, "requeued", nonce=nonce, reason=reason, started=started, sync=True)
    back(store, running, warn)


def reclaim(
    store: Store,
    running: Running,
    reason: str,
    *,
    nonce: str,
    attempt: int,
    due: str | None = None,
    warn: Warn | None = None,
) -> None:
    """Take a job back into the queue after an attempt that failed or was lost; the attempt is burnt.

    *due* is the moment before which it is not run again (ISO 8601, of the file server).
    """
    facts = {"nonce": nonce, "worker": running.claim.worker, "attempt": attempt, "reason": reason}
    facts |= {"due": due} if due else {}
    history.record(store, running.stem.key, "reclaimed", sync=True, **facts)
    back(store, running, warn)


def back(store: Store, running: Running, warn: Warn | None = None) -> None:
    """``running/`` to ``queued/``, same STEM, so same place; the beat goes too."""
    source, target = store.layout.running(running), store.layout.queued(running.stem)
    try:
        with store.locked(insist=False, warn=warn):
            try:
                store.disk.rename_new(source, target)
            except FileExistsError:
                if os.path.samestat(source.lstat(), target.lstat()):
                    store.disk.unlink(source)  # CRASH: a power cut kept the new name and the old one
                    return
                # A stranger copied the running file here. Under a name that is no STEM it is a drop, and gets its own.
                store.disk.rename(target, store.layout.drop(f"copy-{running.claim.nonce}.json"))
                store.disk.rename_new(source, target)
    except OSError as error:
        if error.errno not in GONE:
            raise
        if not stands(store, running) and target.name not in names_in(target.parent):
            raise ClaimLost(f"the claim of {running.stem.key} was taken away") from None
    store.disk.sync_directory(target.parent, source.parent)
    store.disk.unlink(store.layout.beat(running))


def adopt(store: Store, running: Running, slot: str, warn: Warn | None = None) -> Running:
    """Put a dead owner's claim under a nonce of our own, so that only one adopter goes on; raises ClaimLost."""
    mine = Running(running.stem, new_claim(store.host, slot))
    # CRASH: the line first, so that whoever recovers *mine* finds the end record, which has the first nonce.
    history.record(store, running.stem.key, "adopted", sync=True, nonce=mine.claim.nonce, of=running.claim.nonce)
    try:
        with store.locked(insist=False, warn=warn):
            store.disk.rename(store.layout.running(running), store.layout.running(mine))
    except OSError as error:
        if not stands(store, mine):
            if error.errno in GONE:
                raise ClaimLost(f"somebody else adopted {running.stem.key}") from None
            raise
    store.disk.sync_directory(store.layout.state(State.RUNNING))
    store.disk.unlink(store.layout.beat(running))
    return mine
