"""The recipe ``worker``: a job that a remote worker runs. Its request is the worker's business, taken as it stands.

It is the recipe of every job with a ``resource_type``, and never runs here: runners leave such jobs alone.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spoolq.errors import NoResults, RequestInvalid
from spoolq.recipes import Findings, Place, Plan
from spoolq.settings import Settings


class WorkerRecipe:
    """Takes any request; what comes of it is what the worker says."""

    name = "worker"
    stop_signal = signal.SIGTERM
    grace: float | None = None

    def check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request, whatever it holds."""
        return dict(request)

    def plan(self, request: Mapping[str, Any], place: Place) -> Plan:  # noqa: ARG002
        """Refuse: raises RequestInvalid."""
        raise RequestInvalid("field `resource_type`: it is a remote worker's job, which does not run here")

    def collect(self, request: Mapping[str, Any], output: Path, since: float) -> Findings:  # noqa: ARG002
        """Refuse: raises NoResults, for nothing was written here."""
        raise NoResults("a remote worker's results come with its own report")

    def progress(self, tail: str) -> dict[str, Any] | None:  # noqa: ARG002
        """Nothing: its log is elsewhere."""
        return None


def make(_settings: Settings) -> WorkerRecipe:
    """The recipe; it has no settings."""
    return WorkerRecipe()
