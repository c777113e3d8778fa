"""Other queues, each behind the same few calls, so that all are measured alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, with what it needs in the environment."""

    argv: Sequence[str]
    env: Mapping[str, str]


class Peer(Protocol):
    """A queue with one slot. `start` and `stop` may be called again and again, each time in a fresh folder."""

    #: What it is called in the report, with the settings that matter.
    name: str
    #: How many jobs it takes at most, None for no limit that a benchmark meets.
    most: int | None

    def missing(self) -> str | None:
        """How to install it where it is not; None where it is."""

    def version(self) -> str:
        """Which version is measured."""

    def start(self, folder: Path, *, serve: bool = True) -> None:
        """Make an empty queue in *folder*; with *serve*, start what runs its jobs, and wait until it is ready."""

    def submit(self, argv: Sequence[str]) -> None:
        """Queue a job by the fastest client that a script can use; in this process where there is such."""

    def command(self, argv: Sequence[str]) -> Command:
        """The command line that queues a job."""

    def stop(self) -> None:
        """End every process that `start` began."""
