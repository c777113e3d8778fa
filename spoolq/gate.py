"""What one gate is: a condition beside its turn that a queued job must meet before a runner claims it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoolq.names import Stem


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a job may not be claimed now, for people; *patience*: seconds until it is worth asking again by itself."""

    why: str
    patience: float


class Gate(ABC):
    """One condition of a claim, asked before it, and again after it with the text that was claimed.

    It must be quick, must not block, and must not raise: what it cannot tell, the claim will. *document* holds the
    policy of the job's envelope (no `request`); it is empty for a job without any key that some gate is about.
    """

    #: The envelope's keys that it is about: a job that has none of them is not asked about. Empty: every job is.
    keys: tuple[str, ...] = ()

    def refresh(self) -> None:  # noqa: B027  most look at nothing that changes
        """A new round of questions begins: what was seen of the disk may have changed."""

    @abstractmethod
    def why_not(self, stem: Stem, document: Mapping[str, Any]) -> str | None:
        """Why the job may not be claimed now, for people; None when it may."""

    def patience(self, stem: Stem, document: Mapping[str, Any]) -> float:  # noqa: ARG002
        """Seconds until it is worth asking again about a job that is held.

        Infinite, as here: at the next wake-up, or when the poll timer fires.
        """
        return float("inf")
