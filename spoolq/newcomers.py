"""Jobs that came in under a STEM: one whose stamp or id was made up becomes a drop, and so gets a place of its own.

Whoever may write in ``queued/`` may name his file as he likes; by an early stamp it would go before all others.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from spoolq import history, trust
from spoolq.names import Stem, format_stamp, parse_queued, parse_stamp
from spoolq.plain import one_line
from spoolq.store import Store
from spoolq.transitions import State

#: A STEM may be this much older than its file's arrival, in seconds: hosts' clocks differ, nothing waits in a drawer.
_PLAUSIBLE_S = 86400.0
#: The same for a stranger's file in a shared spool; `spoolq submit` corrects its stamp to a second.
_STRANGERS_S = 60.0


class Newcomers:
    """Looks at each STEM of one spool's ``queued/`` once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._vouched: set[str] = set()

    def asks(self, name: str) -> bool:
        """Whether a STEM of that file *name* is looked at: a stranger's, and one that is older than a day."""
        # The stamp ends 42 characters before the name does; comparing that first spares parsing a deep queue.
        return self.store.shared or name[-65:-42] < self._oldest_plain()

    def _oldest_plain(self) -> str:
        return format_stamp(datetime.fromtimestamp(self.store.clock() - _PLAUSIBLE_S, UTC))

    def turn(self, names: Sequence[str], say: Callable[[str], None]) -> None:
        """Look at the new ones of *names*, a listing of ``queued/``; *say* gets a line about each that must go."""
        for name in self._doubles(names):
            self._drop(name, say, "has the id of another job")
        shared, oldest = self.store.shared, self._oldest_plain()
        asked = [name for name in names if shared or name[-65:-42] < oldest]
        self._vouched.intersection_update(asked)
        for name in sorted(name for name in asked if name not in self._vouched):
            stem = parse_queued(name)
            if stem is not None and self._is_early(stem):
                self._drop(name, say, "is stamped long before it came")
            else:
                self._vouched.add(name)

    def _is_early(self, stem: Stem) -> bool:
        """Whether its stamp is older than its arrival.

        An owner or trusted user is believed the mtime, which a new priority or a copy of the spool leaves as it is. A
        stranger can set that; his file came when its ctime says, or before its first new priority. What was claimed
        before, given back or retried keeps its place.
        """
        try:
            status = self.store.layout.queued(stem).lstat()
        except OSError:  # claimed meanwhile
            return False
        strange = not trust.is_trusted(self.store.settings, status.st_uid)
        past = history.events(self.store, stem.key)
        moved = [float(event["came"]) for event in past if event.get("event") == "prioritised"]
        came = min([status.st_ctime, *moved] if strange else [status.st_ctime, status.st_mtime])
        if came - parse_stamp(stem.stamp).timestamp() <= (_STRANGERS_S if strange else _PLAUSIBLE_S):
            return False
        return all(event.get("event") == "prioritised" for event in past)

    def _doubles(self, names: Sequence[str]) -> list[str]:
        """The later ones of those that share an id, and those that share a running job's."""
        running = {name.partition("@")[0][-36:] for name in self.store.names(State.RUNNING) if "@" in name}
        hashes = {hash(name[-41:-5]) for name in names}  # a hundred thousand numbers are small, as many texts are not
        if len(hashes) == len(names) and not any(hash(uuid) in hashes for uuid in running):
            return []
        counted = Counter(name[-41:-5] for name in names)
        shared = {uuid for uuid, count in counted.items() if count > 1 or uuid in running}
        stems = [stem for name in names if name[-41:-5] in shared and (stem := parse_queued(name))]
        later = []
        for stem in sorted(stems, key=lambda stem: stem.key):
            if stem.uuid in running and not history.events(self.store, stem.key):
                later.append(f"{stem}.json")
            running.add(stem.uuid)
        return later

    def _drop(self, name: str, say: Callable[[str], None], why: str) -> None:
        with contextlib.suppress(OSError):  # claimed meanwhile; or a drop of that name, which goes first
            target = self.store.layout.drop(f"{name[-41:-5]}.json")
            self.store.disk.rename_new(self.store.layout.drop(name), target)
            say(f"{one_line(name)} {why}; it gets a place of its own")
