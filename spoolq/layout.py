"""Every path of the spool. Nothing else joins a path under the root."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spoolq.names import SUFFIX, Running, Stem
from spoolq.transitions import State

#: How the names begin of all that `doctor` makes.
PROBE = ".doctor"


@dataclass(frozen=True)
class RunDir:
    """The folder of one job's runs: log, history, output, ends."""

    path: Path

    @cached_property
    def log(self) -> Path:
        """What the evaluation of the newest attempt printed."""
        return self.path / "log.txt"

    def old_log(self, attempt: int) -> Path:
        """The log of an earlier attempt."""
        return self.path / f"log.{attempt}.txt"

    @cached_property
    def history(self) -> Path:
        """One JSON line an event."""
        return self.path / "history.jsonl"

    @cached_property
    def output(self) -> Path:
        """The published output: complete, or absent."""
        return self.path / "output"

    @cached_property
    def partial(self) -> Path:
        """Where the evaluation writes until it has succeeded."""
        return self.path / "output.partial"

    def old_partial(self, attempt: int) -> Path:
        """What an earlier attempt left unpublished."""
        return self.path / f"output.partial.{attempt}"

    def old_output(self, attempt: int) -> Path:
        """What an earlier attempt had published when it was run again all the same."""
        return self.path / f"output.{attempt}"

    @cached_property
    def cache(self) -> Path:
        """What attempts leave for those that follow: answers that need not be asked for again."""
        return self.path / "cache"

    def displaced(self, nonce: str) -> Path:
        """A stranger's file that stood where this job's record belongs."""
        return self.path / f"displaced.{nonce}"

    def end(self, nonce: str) -> Path:
        """How the evaluation of one claim ended, written by its shim."""
        return self.path / f"end.{nonce}.json"

    def submitted(self, nonce: str) -> Path:
        """The original file of a job that was set aside as invalid."""
        return self.path / f"submitted.{nonce}"

    def telling(self, nonce: str, kind: str, hook: str, number: int) -> Path:
        """The mark of who is telling a hook of one claim's `end`, `idle` or `stuck`."""
        return self.path / f"telling.{nonce}.{kind}.{hook}.{number}"


@dataclass(frozen=True)
class Layout:
    """The tree under one root."""

    root: Path

    @cached_property
    def settings(self) -> Path:
        """The operator's settings."""
        return self.root / "spoolq.toml"

    @cached_property
    def lock(self) -> Path:
        """The advisory lock of multi-step moves."""
        return self.root / ".lock"

    @cached_property
    def tmp(self) -> Path:
        """Where files are written before they are renamed into place."""
        return self.root / ".tmp"

    @cached_property
    def runs(self) -> Path:
        """The run folders, one a KEY."""
        return self.root / "runs"

    @cached_property
    def control(self) -> Path:
        """Requests to whoever runs."""
        return self.root / "control"

    @cached_property
    def pools(self) -> Path:
        """Resource pools and their leases."""
        return self.root / "pools"

    @cached_property
    def load_lock(self) -> Path:
        """Held while jobs and resources of an older queue are taken over: two at once would do it twice."""
        return self.pools / ".load.lock"

    def pool(self, kind: str) -> Path:
        """The resources of one type."""
        return self.pools / kind

    def resource(self, kind: str, name: str) -> Path:
        """A resource under the name that says whether it is free, and who has it otherwise."""
        return self.pools / kind / name

    def draining(self, kind: str) -> Path:
        """Its presence stops new leases of a type."""
        return self.pools / kind / "draining"

    @cached_property
    def paused(self) -> Path:
        """Its presence stops runners from claiming."""
        return self.control / "paused.json"

    def state(self, state: State) -> Path:
        """The directory that is a state."""
        return self._states[state]

    @cached_property
    def _states(self) -> dict[State, Path]:
        return {state: self.root / state.value for state in State}

    def queued(self, stem: Stem) -> Path:
        """The file of a queued job."""
        return self._states[State.QUEUED] / f"{stem}{SUFFIX}"

    def drop(self, name: str) -> Path:
        """A dropped file under the name that it came with."""
        return self._states[State.QUEUED] / name

    def running(self, running: Running) -> Path:
        """The file of a claimed job."""
        return self._states[State.RUNNING] / f"{running}{SUFFIX}"

    def beat(self, running: Running) -> Path:
        """The file whose mtime is the last heartbeat; the runner's own, so that its user may touch it."""
        return self._states[State.RUNNING] / f".{running}.beat"

    def terminal(self, state: State, key: str) -> Path:
        """The file of an ended job."""
        return self._states[state] / f"{key}{SUFFIX}"

    def temporary(self, name: str) -> Path:
        """A file on its way into the tree."""
        return self.tmp / name

    def probe(self, nonce: str) -> Path:
        """A folder in which `doctor` tries the file system. Hidden, or it would pass for a file on its way."""
        return self.tmp / f"{PROBE}.{nonce}"

    def final(self, running: str) -> Path:
        """The record of a finish under way; *running* is ``STEM@CLAIM``."""
        return self.tmp / f"{running}.final"

    def run(self, key: str) -> RunDir:
        """The run folder of a job."""
        return RunDir(self.runs / key)

    def request(self, verb: str, key: str, nonce: str) -> Path:
        """A request about a job to whoever runs."""
        return self.control / f"{verb}@{key}@{nonce}{SUFFIX}"

    @cached_property
    def index(self) -> Path:
        """What `results` remembers of the records of completed jobs; may be deleted at any time."""
        return self.root / ".index" / "results.json"

    def directories(self) -> list[Path]:
        """Every directory of a whole spool."""
        return [
            *(self.state(state) for state in State),
            self.runs,
            self.control,
            self.pools,
            self.tmp,
        ]

    def relative(self, path: Path) -> str:
        """*path* as records show it: relative to the root where it lies inside, absolute elsewhere."""
        root = f"{self.root}/"
        return str(path).removeprefix(root)

    def anchored(self, relative: str) -> Path:
        """Where that is which a record gives *relative* to the root."""
        return self.root / relative
