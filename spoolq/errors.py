"""Every error a caller can react to, one class each.

A message reads *cannot VERB THING: CAUSE. NEXT STEP.* ``exit_code`` is what the command line ends with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

#: The verb did what was asked.
EXIT_OK = 0
#: The job, or one of the jobs, did not complete; or `doctor` has found a fault.
EXIT_JOB_FAILED = 1
#: The command line or a request is wrong.
EXIT_USAGE = 2
#: There is no such job.
EXIT_NOT_FOUND = 3
#: The job's state, or the caller's rights, do not allow it.
EXIT_NOT_ALLOWED = 4
#: The spool is missing, incomplete or cannot be written.
EXIT_SPOOL_UNUSABLE = 5
#: Somebody holds the lock; the same command may work a moment later (EX_TEMPFAIL of sysexits.h).
EXIT_TRY_AGAIN = 75

#: The longest message about a request, in characters.
_ROOM = 2000


class SpoolqError(Exception):
    """The base of all errors that spoolq raises on purpose."""

    exit_code = EXIT_JOB_FAILED


class SpoolUnusable(SpoolqError):
    """The spool is missing, is none, or the file system refuses what the protocol needs."""

    exit_code = EXIT_SPOOL_UNUSABLE


class SettingsInvalid(SpoolqError):
    """``spoolq.toml`` cannot be read or holds a value that does not fit; the message names line or key."""

    exit_code = EXIT_SPOOL_UNUSABLE


class PlotUnavailable(SpoolqError):
    """What draws is not installed, or there is nothing to draw."""

    exit_code = EXIT_USAGE


class LockTimeout(SpoolqError):
    """``.lock`` stayed with somebody else for ``lock_timeout`` seconds."""

    exit_code = EXIT_TRY_AGAIN


class RequestInvalid(SpoolqError):
    """A request is no JSON object, or its recipe cannot take it; ``field`` is the culprit, if there is one.

    The message is cut in the middle where it would be longer than a screen: a key, or the number of keys, is whatever a
    stranger wrote, and the message goes into the record and onto the operator's terminal.
    """

    exit_code = EXIT_USAGE

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message if len(message) <= _ROOM else f"{message[: _ROOM // 2]} … {message[-_ROOM // 2 :]}")
        self.field = field


class JobNotFound(SpoolqError):
    """No job of the spool answers to that id, prefix or file name."""

    exit_code = EXIT_NOT_FOUND

    def __init__(self, job: str, root: Path) -> None:
        super().__init__(f"cannot find job {job!r}: no job in {root} has that id. See `spoolq list`.")
        self.job = job


class GroupNotFound(JobNotFound):
    """No job of the spool is of that group."""

    def __init__(self, group: str, root: Path) -> None:
        SpoolqError.__init__(
            self, f"cannot find group {group!r}: no job in {root} that could be meant is of it. See `spoolq list`."
        )
        self.job = group


class JobAmbiguous(SpoolqError):
    """A prefix fits more than one job; ``candidates`` are their ids."""

    exit_code = EXIT_NOT_FOUND

    def __init__(self, job: str, candidates: Sequence[str]) -> None:
        shown = ", ".join(candidates[:5]) + (", …" if len(candidates) > 5 else "")
        super().__init__(
            f"cannot tell which job {job!r} is: {len(candidates)} ids begin so ({shown}). Give more digits."
        )
        self.candidates = list(candidates)


class NotAllowed(SpoolqError):
    """The job's state, or the caller's rights, do not allow the transition."""

    exit_code = EXIT_NOT_ALLOWED


class EndUnderWay(NotAllowed):
    """The job's end is being written this moment; the same verb will be allowed when it is."""

    exit_code = EXIT_TRY_AGAIN


class ClaimLost(SpoolqError):
    """A claim was taken away (reclaimed or finished by somebody else): stop, and write nothing."""


class Immovable(SpoolqError):
    """One entry of the queue cannot be moved while others can: an immutable file, or another user's folder."""


class PoolUnknown(SpoolqError):
    """There are no resources of that type."""

    exit_code = EXIT_NOT_FOUND

    def __init__(self, kind: str) -> None:
        super().__init__(f"cannot find resources of type {kind!r}: there are none. Add some with `spoolq pool add`.")
        self.kind = kind


class NoneFree(SpoolqError):
    """Every resource of that type is leased, or the type is being drained."""

    exit_code = EXIT_TRY_AGAIN

    def __init__(self, kind: str) -> None:
        super().__init__(f"cannot lease a resource of type {kind!r}: none is free. Try again, or wait longer.")


class LeaseLost(SpoolqError):
    """There is no such lease: it was never had, was given back, or its holder was silent for too long."""

    exit_code = EXIT_NOT_ALLOWED


class NoResults(SpoolqError):
    """A run that exited 0 left no fresh results that parse."""


class WaitTimeout(SpoolqError):
    """The jobs waited for had not all ended within the time given."""

    exit_code = EXIT_TRY_AGAIN
