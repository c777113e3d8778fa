"""The cards of completed jobs, kept in one file so that thousands of records need not be read again for a table.

The file is a hint and never the truth: each card counts only while the record that it was made from has the inode, size
and times that it had then, which one listing tells. What is missing, torn, of another format or of a stranger is made
anew. It may be deleted at any time. Only the spool's owner writes it, and only what the owner wrote is believed; all
others read it, or do without.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection
from threading import Lock
from typing import Any

from spoolq.files import Disk, read_regular
from spoolq.jobs import describe, parse_entry
from spoolq.names import key_names, token
from spoolq.scores.cards import Card, card_of
from spoolq.store import Store
from spoolq.transitions import State

#: Of the file's form; a file of another one is made anew.
FORMAT = 1
#: The largest file that is read, in bytes: some hundred thousand jobs.
_MAX_INDEX = 512 << 20
#: The file is written again when more than this share of it is out of date. Below that, reading is cheaper.
_STALE = 0.01

#: Inode, size, mtime and ctime (ns) of a record.
Stamp = tuple[int, int, int, int]


class Cards:
    """The cards of the completed jobs of *store*. For any thread; one that is kept reads only what is new."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: dict[str, tuple[Stamp, Card]] | None = None
        self._unsaved = 0
        self._turn = Lock()

    def all(self) -> list[Card]:
        """The card of every completed job as of this call, oldest first; raises SpoolUnusable."""
        with self._turn:
            stamps = {name: _stamp(status) for name, status in self.store.each_status(State.COMPLETED)}
            known = read(self.store) if self._known is None else self._known
            found: dict[str, tuple[Stamp, Card]] = {}
            cards = []
            for name in sorted(key_names(stamps)):
                kept = known.get(name)
                if kept is None or kept[0] != stamps[name]:
                    made = self._read(name)
                    if made is None:
                        continue
                    kept = stamps[name], made[0]
                    self._unsaved += 1
                    if not made[1]:  # its record is not written yet
                        cards.append(kept[1])
                        continue
                found[name] = kept
                cards.append(kept[1])
            self._unsaved += len(known.keys() - found.keys())
            self._known = found
            if self._unsaved > _STALE * len(found):
                write(self.store, found)
                self._unsaved = 0
            return cards

    def _read(self, name: str) -> tuple[Card, bool] | None:
        """The card of a record, and whether the record is whole; None when the job is gone or is none."""
        entry = parse_entry(State.COMPLETED, name)
        record = describe(self.store, entry) if entry else None
        return None if record is None else (card_of(record), record["outcome"] is not None)


def read(store: Store) -> dict[str, tuple[Stamp, Card]]:
    """What the file holds, by the names of the records; nothing when there is none that can be believed."""
    try:
        data, status = read_regular(store.layout.index, _MAX_INDEX)
        if status.st_uid != store.root.stat().st_uid:
            return {}
        document = json.loads(data)
        if document["format"] != FORMAT:
            return {}
        return {name: _unpack(name, kept) for name, kept in document["jobs"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _unpack(name: str, kept: Any) -> tuple[Stamp, Card]:
    (inode, size, written, changed), models, recipe, group, labels, completed_at, metrics = kept
    if not isinstance(labels, dict) or not all(isinstance(found, dict) for found in metrics.values()):
        raise TypeError(name)
    card = Card(name[-41:-5], tuple(models), recipe, group, labels, completed_at, metrics)
    return (inode, size, written, changed), card


def write(store: Store, found: dict[str, tuple[Stamp, Card]]) -> None:
    """Put the cards into the file, in one rename. Whoever may not, or finds no room, leaves it as it is.

    RACE: of two at once the later file stays; both are true of what their writers saw. CRASH: a kill leaves the old
    file, and litter in ``.tmp/``, which the sweep takes. Without fsync: a file torn by a power cut is no JSON.
    """
    temporary = store.layout.temporary(f"{token(8)}.index")
    disk = Disk(durable=False, step=store.disk.step)
    jobs = {name: (stamp, *_pack(card)) for name, (stamp, card) in found.items()}
    try:
        if os.geteuid() != store.root.stat().st_uid:
            return
        data = json.dumps({"format": FORMAT, "jobs": jobs}, separators=(",", ":")).encode()
        disk.make_directory(store.layout.index.parent)
        disk.write_new(temporary, data)
        disk.rename(temporary, store.layout.index)
    except OSError:  # a hint that cannot be kept
        with contextlib.suppress(OSError):
            temporary.unlink()


def _pack(card: Card) -> tuple[Any, ...]:
    return card.models, card.recipe, card.group, card.labels, card.completed_at, card.metrics


def forget(store: Store, ids: Collection[str]) -> None:
    """Take jobs out of the file; the whole file, where it is not ours to rewrite.

    RACE: who read it before may write them back. They count for nothing, and go at the next prune or rewriting.
    """
    if not ids:
        return
    gone = set(ids)
    known = read(store)
    left = {name: kept for name, kept in known.items() if kept[1].job_id not in gone}
    if len(left) == len(known):
        return
    if os.geteuid() == store.root.stat().st_uid:
        write(store, left)
    else:
        try:
            store.disk.unlink(store.layout.index)
        except PermissionError:  # theirs: the owner's next look takes them out
            return


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
