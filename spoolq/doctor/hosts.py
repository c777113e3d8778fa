"""Between hosts: the same command on each, racing for the same files and trying one another's lock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from spoolq.doctor.exclusion import judge_exclusion
from spoolq.doctor.finding import Finding, fault, note, ok, warning
from spoolq.doctor.meeting import ANSWER_S, FILES, Meeting, NobodyCame, PeerGone, gathered
from spoolq.doctor.patient import Patient
from spoolq.doctor.race import Outcome, Try, by_creation, by_rename, verdict_of
from spoolq.errors import SpoolUnusable
from spoolq.files import names_in
from spoolq.lock import try_lock
from spoolq.process import boot_id

#: How often the ball goes to and fro, and how often one looks for it, in seconds.
_ROUNDS, _LOOK_S = 10, 0.002
#: In how many heats the names are raced for, and after how many seconds no other heat is begun.
_HEATS, LIMIT_S = 20, 10.0
#: A rename that another host sees later than this, in seconds, is told.
LATE_S = 1.0


def meet(patient: Patient, hosts: int, timeout: float) -> list[Finding]:
    """Meet the doctors of other hosts, and try the file system with them."""
    found: list[Finding] = []
    try:
        with gathered(patient, hosts, timeout) as meeting:
            names = _introduce(patient, meeting, found)
            steps: tuple[Callable[[Patient, Meeting, dict[str, str]], Finding], ...] = (
                _race_renames, _race_creations, _try_locks, _play_ball, _compare_clocks,
            )  # fmt: skip
            for step in steps:
                found.append(step(patient, meeting, names))
            meeting.say("bye")
            if meeting.leads:
                meeting.hear("bye")
    except NobodyCame as error:
        found.append(
            fault(
                "hosts",
                str(error),
                "Nothing is proved between hosts.",
                f"Start `spoolq doctor --hosts {hosts}` on each within that time, with the same spool.",
            )
        )
    except (PeerGone, FileNotFoundError) as error:
        found.append(
            fault("hosts", f"the meeting broke off: {error}", "The rest is not proved.", "Start it again on each.")
        )
    return found


def _introduce(patient: Patient, meeting: Meeting, found: list[Finding]) -> dict[str, str]:
    """Nonce -> the host's name. Two hosts of one name are a fault."""
    said = meeting.ask("hello", f"{patient.host}={boot_id()[:8]}")
    names = {nonce: value.partition("=")[0] for nonce, value in said.items()}
    if len(set(names.values())) < len(names):
        found.append(
            fault(
                "hosts",
                f"two hosts are both called {patient.host!r}",
                "Each takes the other's live claims for a dead runner's of its own: jobs run twice.",
                "Give each host a name of its own.",
            )
        )
    else:
        found.append(ok("hosts", f"met: {', '.join(sorted(names.values()))}", hosts=sorted(names.values())))
    return names


def _race_renames(patient: Patient, meeting: Meeting, names: dict[str, str]) -> Finding:
    heats = _heats(patient, meeting, by_rename, 0)
    mine = set(heats.won)
    # Each checks its own wins: those that the listing lacks it tells the others as untrue.
    listed = names_in(meeting.folder / "won") if meeting.ask("renamed", len(mine)) else []
    shown = {int(name.partition("@")[0]) for name in listed if name.endswith(f"@{meeting.mine}")}
    verdicts = meeting.ask("untrue", f"{len(mine - shown)}={len(shown - mine)}")
    untrue, unreported = (sum(int(value.split("=")[n]) for value in verdicts.values()) for n in (0, 1))
    numbers = {name.partition("@")[0] for name in listed}
    twice = len(listed) - len(numbers)
    won = {1: len(numbers) - twice, **({2: twice} if twice else {})}
    outcome = Outcome(heats.raced, won, len(numbers), untrue, unreported, heats.seconds)
    counted = {host: sum(name.endswith(f"@{nonce}") for name in listed) for nonce, host in names.items()}
    shares = ", ".join(f"{host} {number}" for host, number in sorted(counted.items()))
    breaks = "Two hosts may run one job: nothing else excludes them."
    return verdict_of("rename race, hosts", outcome, breaks, f"{len(names)} hosts ({shares})")


@dataclass(frozen=True, slots=True)
class _Heats:
    """What a race was for us: how many names were raced for, which we believe to have won, seconds."""

    raced: int
    won: list[int]
    seconds: float


def _heats(patient: Patient, meeting: Meeting, attempt: Try, first: int) -> _Heats:
    """Race for FILES names from *first* on, in heats: else whoever hears the start first has won them all."""
    won: list[int] = []
    meeting.ask(attempt.__name__)
    began = time.monotonic()
    raced, size = 0, FILES // _HEATS
    for number in range(first, first + FILES, size):
        late = raced > 0 and time.monotonic() - began > LIMIT_S
        if not meeting.pace(number // size, over=late):
            break
        raced += size
        won += [n for n in range(number, number + size) if attempt(patient.disk, meeting.folder, n, meeting.mine)]
    return _Heats(raced, won, time.monotonic() - began)


def _race_creations(patient: Patient, meeting: Meeting, names: dict[str, str]) -> Finding:
    """In the same folder, under names that begin where those of the first race end."""
    heats = _heats(patient, meeting, by_creation, FILES)
    counts = [int(value) for value in meeting.ask("created", len(heats.won)).values()]
    found = sum(name.isdigit() for name in names_in(meeting.folder / "won"))
    surplus = max(0, sum(counts) - heats.raced)
    won = {1: heats.raced - surplus, **({2: surplus} if surplus else {})}
    outcome = Outcome(heats.raced, won, found, surplus, max(0, heats.raced - sum(counts)), heats.seconds)
    breaks = "Two hosts may write into one file."
    return verdict_of("create race, hosts", outcome, breaks, f"{len(names)} hosts")


def _try_locks(_patient: Patient, meeting: Meeting, _names: dict[str, str]) -> Finding:
    """The leader holds a lock, the others try it; then it lets go, and they take it."""
    path = meeting.folder / "lock"
    fd: int | None = None
    try:
        refusal = ""
        try:
            fd = try_lock(path) if meeting.leads else None
        except SpoolUnusable as error:
            refusal = str(error)
        held = meeting.ask("locked", "1" if fd is not None else "0")
        if held[meeting.members[0]] == "0":
            return fault(
                "lock, hosts",
                refusal or "the leading host could not lock",
                "Verbs that move jobs end with exit code 5.",
                "Mount with locks.",
            )
        excluded = meeting.leads or _try_once(path) is None
        answers = meeting.ask("tried", int(excluded))
    finally:
        if fd is not None:
            os.close(fd)
    meeting.ask("freed")
    waited = 0.0 if meeting.leads else _until_had(path)
    free = [float(value) for value in meeting.ask("had", f"{waited:.4f}").values()]
    longest = None if min(free) < 0 else max(free)
    return judge_exclusion("lock, hosts", "0" not in answers.values(), longest, "hosts")


def _try_once(path: os.PathLike[str]) -> int | None:
    """None when it is held elsewhere; whoever gets it has proved that it excludes nobody, and lets go."""
    from pathlib import Path

    fd = try_lock(Path(path))
    if fd is not None:
        os.close(fd)
    return fd


def _until_had(path: os.PathLike[str]) -> float:
    """Seconds until the lock could be had; -1 when not within half of what the others wait for us."""
    began = time.monotonic()
    while _try_once(path) is None:
        if time.monotonic() - began > ANSWER_S / 2:
            return -1.0
        time.sleep(_LOOK_S)
    return time.monotonic() - began


def _play_ball(patient: Patient, meeting: Meeting, _names: dict[str, str]) -> Finding:
    """How late a rename is seen: the leader and the next rename a file in turns. No clocks are compared."""
    meeting.ask("ball")
    rounds: list[float] = []
    if meeting.mine in meeting.members[:2]:
        offset = 0 if meeting.leads else 1
        for turn in range(_ROUNDS):
            number = 2 * turn + offset
            _catch(meeting, number)
            began = time.monotonic()
            patient.disk.rename(meeting.folder / f"ball@{number}", meeting.folder / f"ball@{number + 1}")
            if meeting.leads:
                _catch(meeting, number + 2)
                rounds.append(time.monotonic() - began)
    said = meeting.ask("seen", "=".join(f"{seconds:.4f}" for seconds in rounds))
    halves = sorted(float(value) / 2 for value in said[meeting.members[0]].split("="))
    return judge_delay(halves[len(halves) // 2], halves[-1])


def _catch(meeting: Meeting, number: int) -> None:
    deadline = time.monotonic() + ANSWER_S * 0.9
    while f"ball@{number}" not in names_in(meeting.folder):
        if time.monotonic() > deadline:
            raise PeerGone(f"a rename was not seen for {ANSWER_S * 0.9:g} s")
        time.sleep(_LOOK_S)


def judge_delay(middle: float, longest: float) -> Finding:
    """What the time means after which a rename is seen elsewhere, in seconds: half of a round trip."""
    said = f"seen after {middle * 1000:.0f} ms, {longest * 1000:.0f} ms at most"
    numbers = {"median_s": round(middle, 4), "max_s": round(longest, 4)}
    if longest > LATE_S:
        return warning(
            "renames seen",
            said,
            "Jobs are found late, and a lost reply of the server may be misread: listings are not fresh.",
            "Mount without nocto; look at the attribute cache (lookupcache, actimeo).",
            **numbers,
        )
    return ok("renames seen", said, **numbers)


def _compare_clocks(patient: Patient, meeting: Meeting, names: dict[str, str]) -> Finding:
    """Each against the file server's, so that no message's way is in it."""
    before = patient.clock()
    server = patient.store.server_time()
    skew = (before + patient.clock()) / 2 - server
    skews = {names[nonce]: float(value) for nonce, value in meeting.ask("clock", f"{skew:.3f}").items()}
    return judge_clocks(skews)


def judge_clocks(skews: dict[str, float]) -> Finding:
    """What the clocks of hosts mean, each given by its lead on the file server's, in seconds."""
    apart = max(skews.values()) - min(skews.values())
    said = f"{apart:.2f} s apart ({', '.join(f'{host} {skew:+.2f}' for host, skew in sorted(skews.items()))})"
    numbers = {"apart_s": round(apart, 3), "skews_s": skews}
    if apart <= 1.0:
        return ok("clocks, hosts", said, **numbers)
    breaks = "Jobs of two hosts are served up to a second out of order; times in records differ by that."
    step = "Run an NTP client on each."
    if apart <= 60.0:
        return note("clocks, hosts", said, breaks, step, **numbers)
    return warning("clocks, hosts", said, breaks, step, **numbers)
