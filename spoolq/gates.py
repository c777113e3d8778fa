"""The gates that a queued job must pass before it is claimed; a job that is held is passed over, never waited for.

The queued file is read once for them. What they say is a hint as long as nothing is claimed: after the claim they are
asked again, with the claimed text, and a job that is held goes back, unburnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spoolq.claims import MAX_CLAIMED
from spoolq.conditions import BackOff, NotBefore
from spoolq.documents import MAX_DEPTH, parse_object
from spoolq.errors import RequestInvalid
from spoolq.files import read_regular
from spoolq.gate import Gate, Hold
from spoolq.gpus.told import AsTold
from spoolq.names import Stem
from spoolq.parents import After
from spoolq.store import Store

#: How many policies of held jobs are remembered; those beyond are read again.
_REMEMBERED = 16384
_NOTHING: Mapping[str, Any] = {}


def of(store: Store, *more: Gate) -> list[Gate]:
    """The gates of a runner, in the order in which they are asked: those that the disk alone knows of, then *more*.

    *more* are those of the slot: whether its GPUs are free. Who has no slot goes by what runners have told.
    """
    return [NotBefore(store), BackOff(store), After(store), *(more or [AsTold(store)])]


def reason(store: Store, stem: Stem, document: Mapping[str, Any]) -> str | None:
    """Why the queued job *stem* may not be claimed now, from the disk alone; None when its turn is all it waits for.

    *document* is its envelope or its record. Who asks about many jobs at once makes one `Gates` and asks that.
    """
    hold = Gates(store, of(store)).judge(stem, document)
    return hold.why if hold else None


class Gates:
    """All gates of one runner, asked together."""

    def __init__(self, store: Store, gates: Sequence[Gate]) -> None:
        self.store, self.gates = store, gates
        keys = dict.fromkeys(key for gate in gates for key in gate.keys)
        self._needles = [f'"{key}"'.encode() for key in keys]
        #: Policies of held jobs by file name; a queued file never changes.
        self._held: dict[str, Mapping[str, Any]] = {}

    def refresh(self) -> None:
        """A new round of questions begins."""
        for gate in self.gates:
            gate.refresh()

    def hold(self, stem: Stem) -> Hold | None:
        """What holds the queued job *stem*; None when it may be claimed, or its file cannot be read: a claim tells."""
        name = str(stem)
        document = self._held.pop(name, None)
        if document is None:
            document = self.policy(stem)
        hold = self.judge(stem, document)
        if hold is not None:
            self.remember(stem, document)
        return hold

    def judge(self, stem: Stem, document: Mapping[str, Any]) -> Hold | None:
        """The same for a job whose policy is *document*: of the claimed text, or of a record."""
        for gate in self.gates:
            if gate.keys and all(document.get(key) is None for key in gate.keys):
                continue
            why = gate.why_not(stem, document)
            if why is not None:
                return Hold(why, gate.patience(stem, document))
        return None

    def remember(self, stem: Stem, document: Mapping[str, Any]) -> None:
        """Keep the policy of a job that is held, so that its file is not read each time."""
        self._held[str(stem)] = document
        if len(self._held) > _REMEMBERED:
            del self._held[next(iter(self._held))]

    def policy(self, stem: Stem) -> Mapping[str, Any]:
        """The policy in a queued file; nothing for one without any key that a gate is about, which most are."""
        try:
            data, _ = read_regular(self.store.layout.queued(stem), MAX_CLAIMED)
            # A key may be written with escapes: then only parsing tells.
            if b"\\u" not in data and not any(needle in data for needle in self._needles):
                return _NOTHING
            document = parse_object(data, "the job's file", limit=MAX_CLAIMED, depth=MAX_DEPTH + 1)
        except (OSError, RequestInvalid):
            return _NOTHING
        if not isinstance(document.get("request"), dict):
            return _NOTHING  # a bare request: its keys are the recipe's
        return {key: value for key, value in document.items() if key != "request" and value is not None}
