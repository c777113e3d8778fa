"""Carry a batch of what a lookout saw to the hooks that want it: read the records, mark, run, write down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spoolq import history
from spoolq.errors import SpoolqError
from spoolq.finish import terminal_record
from spoolq.jobs import Entry, describe
from spoolq.names import Stem, parse_running, parse_terminal
from spoolq.notify import marks, notice, ways
from spoolq.notify.delivery import Delivery, Result, deliver
from spoolq.notify.ends import is_idle, is_recent
from spoolq.notify.hooks import Hook
from spoolq.notify.marks import Mark
from spoolq.plain import one_line
from spoolq.store import Store
from spoolq.transitions import State

#: What is kept of a hook's last words, in characters.
_SAID = 300


@dataclass(frozen=True, slots=True)
class Batch:
    """What a lookout saw: state and name of ended jobs; claims that stand still and why; idle or not."""

    ended: list[list[str]] = field(default_factory=list)
    stuck: list[list[str]] = field(default_factory=list)
    idle: bool = False


@dataclass(frozen=True, slots=True)
class _Notice:
    mark: Mark
    hook: Hook
    word: str
    stem: Stem
    record: dict[str, Any]
    why: str = ""


@dataclass(slots=True)
class Courier:
    """Carries for one spool; what went wrong is said in a line to the operator."""

    store: Store
    hooks: list[Hook]
    say: Callable[[str], None]
    #: Something could not be told now, and may be later: another is at it, or the disk refuses.
    left: bool = False

    def carry(self, batch: Batch) -> bool:
        """Tell all of a batch; whether nothing is left to be told of it."""
        begun: list[_Notice] = []
        for number, result in deliver(self._deliveries(batch, begun), self.store.settings.notify.at_once):
            try:
                self._write_down(begun[number], result)
            except OSError as error:
                self.left = True
                self.say(f"cannot write down that {begun[number].hook.name} was told: {error}. It may be told again.")
        return not self.left

    def _deliveries(self, batch: Batch, begun: list[_Notice]) -> Iterator[Delivery]:
        """The runs of hooks, each marked only when its turn has come; what it is about goes to *begun*."""
        for told in self._notices(batch):
            try:
                if not self._is_ours(told):
                    continue
                made = self._made(told)
            except OSError as error:
                self.left = True
                self.say(f"cannot tell {told.hook.name} of {told.stem.uuid[:8]}: {error}. Trying again later.")
                continue
            if made is not None:
                begun.append(told)
                yield made

    def _is_ours(self, told: _Notice) -> bool:
        """Whether it has not been told, and we are the one to. RACE: the line is asked again once the mark stands, for
        whoever told it writes the line before his mark goes."""
        if marks.is_told(history.events(self.store, told.stem.key), told.mark):
            return False
        if marks.begin(self.store, told.mark, told.hook.timeout) is None:
            self.left = self.left or not marks.is_given_up(self.store, told.mark)
            return False
        if marks.is_told(history.events(self.store, told.stem.key), told.mark):
            marks.clear(self.store, told.mark)
            return False
        return True

    def _made(self, told: _Notice) -> Delivery | None:
        texts = notice.texts(self.store, told.hook.name, told.word, told.stem, told.record, told.why)
        try:
            return ways.delivery(told.hook, texts, notice.document(texts, told.record))
        except SpoolqError as error:  # a file that the hook names: as good as a run that failed
            self._write_down(told, Result(None, False, str(error), 0.0))
            return None

    def _write_down(self, told: _Notice, result: Result) -> None:
        said = ways.discreet(one_line(result.said), told.hook)[:_SAID]
        if not result.ok:
            how = f"killed after {told.hook.timeout:g} s" if result.timed_out else f"exit {result.exit}"
            how = "it could not run" if result.exit is None else how
            self.say(f"hook {told.hook.name} failed for {told.word} of {told.stem.uuid[:8]} ({how}): {said}")
        marks.record(
            self.store,
            told.mark,
            told=told.word,
            ok=result.ok,
            exit=result.exit,
            timed_out=result.timed_out,
            error=None if result.ok else said,
            seconds=round(result.seconds, 3),
        )

    def _notices(self, batch: Batch) -> Iterator[_Notice]:
        """Everything that a hook wants to be told, whether or not it has been."""
        # RACE: asked before the records are read: a job that is submitted and ends meanwhile is the next batch's.
        idle = batch.idle and is_idle(self.store)
        newest: tuple[datetime, Stem, dict[str, Any]] | None = None
        for stem, record, at in self._ended(batch):
            if newest is None or (at, stem.key) > (newest[0], newest[1].key):
                newest = (at, stem, record)
            yield from self._for("end", stem, record)
        if idle and newest:
            yield from self._for("idle", newest[1], newest[2])
        for name, why in batch.stuck:
            running = parse_running(f"{name}.json")
            if running and (now := describe(self.store, Entry(State.RUNNING, running.stem, running.claim))):
                yield from self._for("stuck", running.stem, now | {"claim": str(running.claim)}, why)

    def _for(self, kind: str, stem: Stem, record: dict[str, Any], why: str = "") -> Iterator[_Notice]:
        nonce = str(record["claim"]).rpartition(".")[2]
        for hook in self.hooks:
            if (word := hook.word_for(kind, record["status"])) is not None:
                yield _Notice(Mark(stem.key, nonce, kind, hook.name), hook, word, stem, record, why)

    def _ended(self, batch: Batch) -> Iterator[tuple[Stem, dict[str, Any], datetime]]:
        """Stem, record and moment of the recent ends among those of a batch."""
        for state, name in batch.ended:
            stem = parse_terminal(name)
            try:
                found = stem and self._recent(State(state), name, stem)
            except OSError as error:
                self.left = True
                self.say(f"cannot look at {state}/{name}: {error}. Trying again later.")
                continue
            if stem and found:
                yield stem, *found

    def _recent(self, state: State, name: str, stem: Stem) -> tuple[dict[str, Any], datetime] | None:
        """Record and moment of an end, if it is to be told. One whose record is not written yet is a new file when it
        is; one from before a retry is nobody's end; one without a claim was taken over from an older queue."""
        limit = self.store.settings.notify.max_age
        if not is_recent(self.store, state, name, limit):
            return None
        record = terminal_record(self.store.layout.terminal(state, stem.key))
        at = _moment(record.get("completed_at")) if record and record.get("claim") else None
        if record is None or at is None or self.store.clock() - at.timestamp() > limit:
            return None
        return None if history.was_retried(history.events(self.store, stem.key), record) else (record, at)


def _moment(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else None
