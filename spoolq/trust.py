"""Who may run what: the file system is the authentication, the owner of a job's file its submitter."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import Any

from spoolq.errors import RequestInvalid
from spoolq.settings import Settings


def submitter(document: Mapping[str, Any], uid: int, settings: Settings, operator: int | None = None) -> int:
    """The uid that a job is judged by: its file's owner, or `submitted_by` of a record that the trusted own.

    A finished job's file is the runner's; by a retry a refused command must not become the runner's own. *operator* is
    who owns the spool, whose word counts too when somebody else looks.
    """
    claimed = document.get("submitted_by")
    if (
        (uid == operator or is_trusted(settings, uid))
        and "outcome" in document
        and isinstance(claimed, int)
        and not isinstance(claimed, bool)
    ):
        return claimed
    return uid


def check(settings: Settings, uid: int, recipe: str) -> None:
    """Raise RequestInvalid unless a job of *uid* may use *recipe* here.

    The runner's own user and root may use all, `trusted` users too, everybody else what `open_recipes` lists.
    """
    if recipe in settings.open_recipes or is_trusted(settings, uid):
        return
    raise RequestInvalid(
        f"field `recipe`: {recipe!r} is not open to user {uid} in this spool; the operator may list it in "
        "`open_recipes`, or you in `trusted`",
        "recipe",
    )


def check_priority(settings: Settings, uid: int, level: str) -> None:
    """Raise RequestInvalid unless *uid* may choose the priority *level* here: as with recipes, by `open_priorities`."""
    if level in settings.open_priorities or is_trusted(settings, uid):
        return
    raise RequestInvalid(
        f"field `priority`: {level!r} is not open to user {uid} in this spool; the operator may list it in "
        "`open_priorities`, or raise this job",
        "priority",
    )


def is_trusted(settings: Settings, uid: int) -> bool:
    """Whether *uid* may do all that the runner's own user may: that user, root, and the `trusted`."""
    return uid in (os.getuid(), 0) or uid in _trusted(settings)


def _trusted(settings: Settings) -> set[int]:
    found = set()
    for user in settings.trusted:
        if isinstance(user, int):
            found.add(user)
        else:
            try:
                found.add(pwd.getpwnam(user).pw_uid)
            except KeyError:
                continue  # a user of another host; nobody here has that name
    return found
