"""`after`: the jobs that must have completed before another one runs, where they are, and what becomes of the other.

A parent that failed, was cancelled or is nowhere fails its child; jobs that wait for each other are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spoolq.claims import MAX_CLAIMED
from spoolq.documents import MAX_DEPTH, parse_object
from spoolq.errors import JobAmbiguous, JobNotFound, RequestInvalid, SpoolqError
from spoolq.files import read_regular
from spoolq.find import find
from spoolq.gate import Gate
from spoolq.names import Stem, key_names, parse_queued, parse_running, stem_names
from spoolq.store import Store
from spoolq.transitions import TERMINAL, State

#: How soon a runner looks again, in seconds, at jobs that wait for others: these may end on another slot or host.
_LOOK_S = 1.0
#: Looks before a parent is said to be nowhere.
_LOOKS = 3
#: How many jobs' parents are remembered.
_REMEMBERED = 65536


class After(Gate):
    """The gate: open when all parents have completed, and when one never will, for then the child must end."""

    keys = ("after",)

    def __init__(self, store: Store) -> None:
        self.store = store
        self._family = Family(store)

    def refresh(self) -> None:
        """Jobs may have ended."""
        self._family.refresh()

    def why_not(self, stem: Stem, document: Mapping[str, Any]) -> str | None:
        """`after 1b4e28ba (running)`, `after 1b4e28ba (queued) and 3 more`."""
        parents = parents_in(document)
        try:
            pending = self._family.pending(parents)
            if not pending or self._family.doom(parents) or self._family.is_circular(stem.uuid, parents):
                return None
        except (OSError, SpoolqError):  # a directory that cannot be listed: nothing can be claimed either
            return "its parents cannot be looked for"
        first, *rest = pending
        more = f" and {len(rest)} more" if rest else ""
        place = self._family.places.get(first)
        return f"after {first[:8]}{f' ({place[0]})' if place else ''}{more}"

    def patience(self, stem: Stem, document: Mapping[str, Any]) -> float:  # noqa: ARG002
        """They may end where nobody tells this runner."""
        return _LOOK_S


def parents_in(document: Mapping[str, Any]) -> Sequence[str]:
    """The ids in `after`; none when it is no list of texts, which the claim refuses."""
    listed = document.get("after")
    return listed if isinstance(listed, list) and all(isinstance(one, str) for one in listed) else ()


def parents_of(data: bytes) -> Sequence[str]:
    """The ids in the `after` of a job's file; none for what is no envelope."""
    if b"after" not in data and b"\\u" not in data:
        return ()
    try:
        document = parse_object(data, "the job's file", limit=MAX_CLAIMED, depth=MAX_DEPTH + 1)
    except RequestInvalid:
        return ()
    return parents_in(document) if isinstance(document.get("request"), dict) else ()


def wanted(store: Store) -> set[str]:
    """The ids of all jobs that a queued or running job is to come after. Reads every file of both states."""
    family = Family(store)
    return {parent for uuid, (state, _) in family.places.items() if not is_ended(state) for parent in family.of(uuid)}


def refuse_circle(store: Store, stem: Stem, parents: Sequence[str]) -> None:
    """Raise RequestInvalid when the job *stem* comes after itself, which only files that name themselves can."""
    try:
        circular = Family(store).is_circular(stem.uuid, parents)
    except (OSError, SpoolqError):  # a directory that cannot be listed: then its gate holds it
        return
    if circular:
        raise RequestInvalid(
            "field `after`: the job comes, through those that it names, after itself; leave one of them out", "after"
        )


def require(store: Store, parents: Sequence[str] | None) -> None:
    """Raise RequestInvalid for one of *parents*, whole ids, that is no job of the spool."""
    for one in parents or ():
        _named(store, one)


def resolve(store: Store, document: Mapping[str, Any]) -> dict[str, Any]:
    """*document* with whole ids in `after`, which may name jobs as people do; raises RequestInvalid for no job's name.

    What is no list of texts stays, for whoever checks the envelope.
    """
    if not isinstance(document.get("request"), dict) or not parents_in(document):
        return {**document}
    return {**document, "after": [_named(store, one) for one in parents_in(document)]}


def _named(store: Store, job: str) -> str:
    try:
        return find(store, job).stem.uuid
    except (JobNotFound, JobAmbiguous) as error:
        raise RequestInvalid(f"field `after`: {str(error).rstrip('.')}", "after") from None


def is_ended(state: State) -> bool:
    """Whether a job in that state has ended."""
    return state in TERMINAL


class Family:
    """Where the jobs of a spool are, by one look, and which comes after which."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._places: dict[str, tuple[State, str]] | None = None
        self._parents: dict[str, Sequence[str]] = {}
        #: Jobs that are known to wait for no circle: files never change.
        self._clear: set[str] = set()

    def refresh(self) -> None:
        """Look again before the next answer."""
        self._places = None

    @property
    def places(self) -> dict[str, tuple[State, str]]:
        """Id → state and file name, of every job. Raises SpoolUnusable."""
        if self._places is None:
            self._places = {}
            # RACE: terminal states last: a job on its way is met again, not missed.
            for state in (State.QUEUED, State.RUNNING, *TERMINAL):
                names = self.store.names(state)
                if state is State.RUNNING:
                    self._places |= {run.stem.uuid: (state, name) for name in names if (run := parse_running(name))}
                else:
                    those = stem_names(names) if state is State.QUEUED else key_names(names)
                    self._places |= {name[-41:-5]: (state, name) for name in those}
        return self._places

    def pending(self, parents: Iterable[str]) -> list[str]:
        """Those of *parents* that have not completed."""
        return [one for one in parents if one not in self.places or self.places[one][0] is not State.COMPLETED]

    def doom(self, parents: Iterable[str]) -> str | None:
        """Why a job with these *parents* can never run, for people; None when it may yet."""
        for one in self.pending(parents):
            # RACE: a requeue or a retry goes against the order of our listings.
            for _ in range(_LOOKS - 1):
                if one in self.places:
                    break
                self.refresh()
            state = self.places[one][0] if one in self.places else None
            if state is None:
                return f"job {one} is nowhere in this spool"
            if state in (State.FAILED, State.CANCELLED):
                return f"job {one} {'was ' if state is State.CANCELLED else ''}{state}"
        return None

    def is_circular(self, uuid: str, parents: Sequence[str]) -> bool:
        """Whether the job *uuid* comes, through its *parents*, after itself."""
        met: set[str] = set()
        stack = list(parents)
        while stack:
            one = stack.pop()
            if one == uuid:
                return True
            if one not in met and one not in self._clear:
                met.add(one)
                stack.extend(self.of(one))
        if not self._is_knotted(met):
            self._clear |= met  # they reach no circle, so whoever comes after them closes none through them
        return False

    def _is_knotted(self, jobs: set[str]) -> bool:
        """Whether there is a circle among *jobs*: taking away those that wait for nobody left leaves some."""
        children: dict[str, list[str]] = {}
        waits = {}
        for one in jobs:
            among = [parent for parent in set(self.of(one)) if parent in jobs]
            waits[one] = len(among)
            for parent in among:
                children.setdefault(parent, []).append(one)
        free = [one for one, count in waits.items() if not count]
        taken = 0
        while free:
            taken += 1
            for child in children.get(free.pop(), ()):
                waits[child] -= 1
                if not waits[child]:
                    free.append(child)
        return taken < len(jobs)

    def of(self, uuid: str) -> Sequence[str]:
        """The parents of a job that is queued or runs; none of any other."""
        state, name = self.places.get(uuid, (None, ""))
        if state not in (State.QUEUED, State.RUNNING):
            return ()
        if uuid not in self._parents:
            path = self._path(name)
            try:
                found = parents_of(read_regular(path, MAX_CLAIMED)[0])
            except OSError:  # it has just moved on; the next look tells
                return ()
            self._parents[uuid] = found
            if len(self._parents) > _REMEMBERED:
                del self._parents[next(iter(self._parents))]
        return self._parents[uuid]

    def _path(self, name: str) -> Any:
        queued, running = parse_queued(name), parse_running(name)
        if queued is not None:
            return self.store.layout.queued(queued)
        assert running is not None
        return self.store.layout.running(running)
