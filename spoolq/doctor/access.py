"""The tree: every directory is there, has the mode that `init` gave it, and can be moved into; the settings parse."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from dataclasses import replace
from pathlib import Path

from spoolq.create import create, drop_boxes, shared_mode
from spoolq.doctor.finding import Finding, count, fault, note, ok, some, warning
from spoolq.doctor.patient import Patient
from spoolq.errors import SpoolqError
from spoolq.layout import PROBE
from spoolq.names import token

_OPEN = stat.S_IWGRP | stat.S_IWOTH


def check_directories(patient: Patient) -> list[Finding]:
    """Every directory of the tree is there and is one."""
    missing = patient.missing
    if not missing:
        return [ok("directories", f"all {len(patient.layout.directories())} are there")]
    names = [patient.layout.relative(path) for path in missing]
    found = fault(
        "directories",
        f"missing, or no directory: {some(names, 9)}",
        "No verb opens the spool; runners look again each second.",
        f"`spoolq init --spool {patient.root}` makes them, and so does --fix.",
        missing=names,
    )

    def mend() -> str:
        made = create(patient.root)
        return f"made {some([patient.layout.relative(path) for path in made], 9)}"

    blocked = any(os.path.lexists(path) for path in missing)
    return [found if blocked else replace(found, mend=mend)]


def check_modes(patient: Patient) -> list[Finding]:
    """Owners, modes, sticky and setgid bits, as `init` or `init --shared` makes them."""
    there = [path for path in (patient.root, *patient.layout.directories()) if path.is_dir()]
    status = {path: path.stat() for path in there}
    root = status[patient.root]
    shared = any(path in status and status[path].st_mode & stat.S_ISVTX for path in drop_boxes(patient.layout))
    found = _shared_modes(patient, status) if shared else _private_modes(patient, status)
    foreign = [patient.layout.relative(path) for path in there if status[path].st_uid != root.st_uid]
    if foreign:
        found.append(
            warning(
                "owners",
                f"not of the spool's owner: {some(foreign)}",
                "The runner may be unable to move files there.",
                f"`chown {_user(root.st_uid)}` them.",
                foreign=foreign,
            )
        )
    return found or [ok("modes", _as_made(shared, root))]


def _as_made(shared: bool, root: os.stat_result) -> str:
    owner = f"owner {_user(root.st_uid)}"
    return f"shared, {owner}, drop boxes sticky and setgid" if shared else f"private, {owner}, {_mode(root):04o}"


def _shared_modes(patient: Patient, status: dict[Path, os.stat_result]) -> list[Finding]:
    gid = status[patient.root].st_gid
    wrong = {
        path: shared_mode(patient.layout, path)
        for path, is_now in status.items()
        if _mode(is_now) != shared_mode(patient.layout, path) or is_now.st_gid != gid
    }
    if not wrong:
        return []
    serious = any(_lets_in(_mode(status[path]), mode) for path, mode in wrong.items())
    said = [
        f"{patient.layout.relative(path)} {_mode(status[path]):04o}, not {mode:04o}" for path, mode in wrong.items()
    ]
    found = (fault if serious else warning)(
        "modes",
        f"not as `init --shared` makes them: {some(said)}",
        "Without the sticky bit members take out, or replace, one another's files; without setgid, or with another "
        "group, what is made inside is not the group's.",
        "--fix restores them; the spool's owner must run it.",
        wrong={patient.layout.relative(path): f"{_mode(status[path]):04o}" for path in wrong},
    )

    def mend() -> str:
        for path, mode in wrong.items():
            os.chown(path, -1, gid)
            path.chmod(mode)
        return f"restored the mode of {some([patient.layout.relative(path) for path in wrong], 9)}"

    return [replace(found, mend=mend) if _may_change([status[path] for path in wrong]) else found]


def _lets_in(mode: int, wanted: int) -> bool:
    """Whether a mode gives rights that *wanted* does not, or lacks the sticky bit of a drop box."""
    return bool(mode & 0o022 & ~wanted or wanted & stat.S_ISVTX & ~mode)


def _private_modes(patient: Patient, status: dict[Path, os.stat_result]) -> list[Finding]:
    found = []
    closed = [path for path, is_now in status.items() if is_now.st_mode & stat.S_IRWXU != stat.S_IRWXU]
    if closed:
        names = [patient.layout.relative(path) for path in closed]
        short = fault(
            "modes",
            f"their owner may not read, write and enter {some(names)}",
            "Its jobs can be neither seen nor moved.",
            "`chmod u+rwx` them; --fix does.",
            closed=names,
        )

        def mend() -> str:
            for path in closed:
                path.chmod(_mode(status[path]) | stat.S_IRWXU)
            return f"gave their owner all rights to {some(names)}"

        found.append(replace(short, mend=mend) if _may_change([status[path] for path in closed]) else short)
    root = status[patient.root]
    reached = bool(root.st_mode & (stat.S_IXGRP | stat.S_IXOTH))
    opened = [path for path, is_now in status.items() if is_now.st_mode & _OPEN and (reached or path == patient.root)]
    if opened:
        names = [patient.layout.relative(path) for path in opened]
        step = f"`spoolq init --shared GROUP --spool {patient.root}` makes drop boxes; or `chmod go-w` them."
        breaks = "Whoever may write there takes out others' files, and puts in jobs."
        found.append(warning("open modes", f"writable by others: {some(names)}", breaks, step, opened=names))
    elif reached:
        found.append(note("modes", f"private, but others may look in ({_mode(root):04o})"))
    return found


def _mode(status: os.stat_result) -> int:
    return stat.S_IMODE(status.st_mode)


def _may_change(those: list[os.stat_result]) -> bool:
    return os.geteuid() == 0 or all(status.st_uid == os.geteuid() for status in those)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def check_writing(patient: Patient) -> list[Finding]:
    """A file of ours can be renamed from ``.tmp/`` into every directory, and back: rights, and one file system.

    Its name is hidden, so no admission and no runner sees it.
    """
    if patient.cannot_write:
        step = "Mount it read-write, make room, or run as the spool's owner."
        said = f"no file can be made in .tmp/: {patient.cannot_write}"
        return [fault("moves", said, "Nothing can be submitted or moved.", step)]
    refused: dict[str, str] = {}
    with patient.probe() as folder:
        probe = folder / "probe"
        owner = patient.disk.write_new(probe, b"").st_uid
        for directory in patient.layout.directories():
            target = directory / f"{PROBE}.{token(8)}"
            try:
                patient.disk.rename(probe, target)
                patient.disk.rename(target, probe)
            except OSError as error:
                refused[patient.layout.relative(directory)] = errno.errorcode.get(error.errno or 0, str(error))
                with contextlib.suppress(OSError):
                    target.unlink(missing_ok=True)
    found = [_squashed(owner)] if owner != os.geteuid() else []
    return found + judge_writing(refused, patient.member, {path.name for path in drop_boxes(patient.layout)})


def _squashed(owner: int) -> Finding:
    return fault(
        "owner of new files",
        f"files that user {os.geteuid()} makes belong to user {owner}",
        "Root is squashed: what users drop cannot be moved, and every submitter counts as that user.",
        "Run as the user who owns the spool.",
        owner=owner,
    )


def judge_writing(refused: dict[str, str], member: bool, boxes: set[str]) -> list[Finding]:
    """What refused renames mean: a member of a shared spool needs only its drop boxes."""
    if member and not refused.keys() & boxes:
        return [note("moves", "you may submit and ask; moving jobs is the operator's", refused=refused)]
    if not refused:
        return [ok("moves", "every directory can be moved into and out of")]
    if "EXDEV" in refused.values():
        apart = [name for name, code in refused.items() if code == "EXDEV"]
        return [
            fault(
                "moves",
                f"on another file system or mount: {some(apart)}",
                "Every transition is a rename, which cannot leave its mount.",
                "Keep the whole tree on one mount, without links inside.",
                refused=refused,
            )
        ]
    said = some([f"{name} {code}" for name, code in refused.items()])
    step = "Run as the spool's owner, and give that user the rights (EROFS: mount read-write)."
    return [fault("moves", f"refused: {said}", "Jobs cannot be moved there.", step, refused=refused)]


def check_settings(patient: Patient) -> list[Finding]:
    """`spoolq.toml` parses, its recipes load, and what it names exists."""
    name = "settings"
    if patient.settings_fault:
        return [
            fault(
                name,
                patient.settings_fault,
                "Every verb but this ends with exit code 5.",
                "See Settings in docs/protocol.md.",
            )
        ]
    from spoolq.recipes import find

    for recipe in patient.settings.recipes:
        try:
            find(recipe, patient.settings)
        except SpoolqError as error:
            return [fault(name, str(error), "`spoolq run` does not start.", "Mend the recipe.")]
    absent = [path for path in patient.settings.output_roots if not Path(path).is_dir()]
    unknown = [user for user in patient.settings.trusted if isinstance(user, str) and not _is_user(user)]
    found = []
    if absent:
        step = "Make them, or take them out of output_roots."
        breaks = "Requests that name an output_dir there are refused or fail."
        found.append(warning(name, f"output_roots that do not exist here: {some(absent)}", breaks, step))
    if unknown:
        breaks = "Their jobs are not trusted here."
        found.append(note("trusted users", f"nobody on this host is called {some(unknown)}", breaks))
    written = patient.layout.settings.exists()
    return found or [ok(name, f"spoolq.toml parses, {_own(patient)}" if written else "none: every default holds")]


def _own(patient: Patient) -> str:
    return f"{count(len(patient.settings.recipes), 'recipe')} of its own"


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
