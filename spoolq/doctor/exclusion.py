"""Locks: whether one excludes another process, whether a killed holder lets go, and who holds them now."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from spoolq.doctor.finding import Finding, fault, note, ok, some, warning
from spoolq.doctor.patient import Patient
from spoolq.errors import LockTimeout, SpoolUnusable
from spoolq.layout import PROBE
from spoolq.lock import held, holder, is_held, lock_directory, try_lock
from spoolq.mounts import is_network_type, mount_of
from spoolq.names import token

#: How long a killed holder's lock may take to be free, and how long `.lock` is waited for here, in seconds.
_FREE_S, _BUSY_S = 5.0, 1.0
_POLL_S = 0.005


def try_exclusion(path: Path) -> tuple[bool, float | None]:
    """Have another process hold a lock at *path*, and be killed: whether it excluded us, and how long after we had it.

    None: not within 5 s. Raises SpoolUnusable where there is no flock.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(60)
            os.write(writer, b"+" if try_lock(path) is not None else b"-")
            signal.pause()
        except SpoolUnusable as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as stream:
        said = stream.read(4096) or b""
        mine = try_lock(path) if said == b"+" else None
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if said != b"+":
        raise SpoolUnusable(said.decode() if said not in (b"", b"-") else f"cannot lock {path}: it is held already")
    if mine is not None:
        os.close(mine)
    return mine is None, _until_free(path)


def _until_free(path: Path) -> float | None:
    began = time.monotonic()
    while (fd := try_lock(path)) is None:
        if time.monotonic() - began > _FREE_S:
            return None
        time.sleep(_POLL_S)
    os.close(fd)
    return time.monotonic() - began


def check_exclusion(patient: Patient) -> list[Finding]:
    """Whether flock excludes on the spool's file system."""
    with patient.probe() as folder:
        try:
            excluded, free_after = try_exclusion(folder / "lock")
        except SpoolUnusable as error:
            return [
                fault(
                    "lock exclusion",
                    str(error),
                    "Verbs that move jobs end with exit code 5; runners go on without the lock.",
                    "Use a file system with flock, or mount this one with locks.",
                )
            ]
    return [judge_exclusion("lock exclusion", excluded, free_after)]


def judge_exclusion(name: str, excluded: bool, free_after: float | None, between: str = "processes") -> Finding:
    """What a tried lock means."""
    numbers = {"excludes": excluded, "free_after_s": None if free_after is None else round(free_after, 4)}
    if not excluded:
        return fault(
            name,
            f"two {between} held one lock at once",
            "`.lock` keeps nobody out: a prune, retry or cancel may interleave with other moves. Claims stay "
            "exclusive.",
            "Mount with locks (not nolock, local_lock), or use another file system.",
            **numbers,
        )
    if free_after is None:
        return warning(
            name,
            f"excludes, but a killed holder's lock was not free within {_FREE_S:g} s",
            "Verbs wait for `lock_timeout` and end with exit code 75 after a kill.",
            "Look at the file server's lease time.",
            **numbers,
        )
    return ok(name, f"excludes; free {free_after * 1000:.0f} ms after its holder's end", **numbers)


def check_spool_lock(patient: Patient) -> list[Finding]:
    """Whether `.lock` can be had now."""
    path = patient.layout.lock
    if patient.member and not path.exists():
        return [note("the spool's lock", "nobody has needed it yet", "The operator's first move makes it.")]
    began = time.monotonic()
    try:
        with held(path, _BUSY_S):
            waited = time.monotonic() - began
    except LockTimeout:
        return [
            warning(
                "the spool's lock",
                f"{holder(path)} has held it for over {_BUSY_S:g} s",
                "Verbs that move jobs end with exit code 75; each move of a runner waits for `lock_timeout`.",
                "Wait, or end that process.",
            )
        ]
    except SpoolUnusable as error:
        return [fault("the spool's lock", str(error), "Verbs that move jobs end with exit code 5.", "Mend that.")]
    return [ok("the spool's lock", f"had in {waited * 1000:.0f} ms", waited_s=round(waited, 4))]


def check_slot_locks(patient: Patient) -> list[Finding]:
    """The directory of slot locks: usable, of this host, excluding; and which slots are held."""
    name = "slot locks"
    try:
        directory = lock_directory(patient.settings.lock_dir)
        probe = directory / f"{PROBE}.{token(8)}"
        try:
            excluded, free_after = try_exclusion(probe)
        finally:
            probe.unlink(missing_ok=True)
    except (SpoolUnusable, OSError) as error:
        return [fault(name, str(error), "No runner can start here.", "Set lock_dir to a directory of this host.")]
    mount = mount_of(directory, patient.mountinfo)
    if not excluded:
        step = "Set lock_dir to a local directory of this host."
        return [fault(name, f"{directory}: two held one", "Two runners may share a GPU.", step)]
    if mount and is_network_type(mount.kind):
        return [
            warning(
                name,
                f"{directory} lies on {mount.kind}, which other hosts may share",
                "Slots of one name on two hosts exclude each other, and a dead host's slot may stay locked.",
                "Set lock_dir to a local directory.",
            )
        ]
    return [_held(patient, directory, free_after), *_two_places(patient, directory)]


def _held(patient: Patient, directory: Path, free_after: float | None) -> Finding:
    taken = sorted(path.stem for path in directory.glob("*.lock") if is_held(path))
    wanted = [*patient.settings.slots] or ["all"]
    bad = [path.name for slot in wanted if (path := directory / f"{slot}.lock").exists() and not os.access(path, 6)]
    numbers = {"directory": str(directory), "held": taken, "free_after_s": free_after}
    if bad:
        return fault(
            "slot locks",
            f"{some(bad)} in {directory} may not be written",
            "No runner of that slot can start.",
            "Have its owner `chmod 666` it.",
            **numbers,
        )
    who = f"held: {some(taken)}" if taken else "none held"
    return ok("slot locks", f"exclude, in {directory}; {who}", **numbers)


def _two_places(patient: Patient, directory: Path) -> list[Finding]:
    chosen = patient.settings.lock_dir
    if not chosen or not os.environ.get("SPOOLQ_LOCK_DIR") or os.path.realpath(chosen) == os.path.realpath(directory):
        return []
    return [
        note(
            "lock directories",
            f"SPOOLQ_LOCK_DIR is {directory}, lock_dir {chosen}",
            "A runner without that variable locks elsewhere: two evaluations on one GPU.",
            "Use one of them for all.",
        )
    ]
