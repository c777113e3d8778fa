"""`python -m spoolq.notify.services`: tell the services of apprise; the order is JSON on stdin.

Exit 0 when every one of them took it. apprise (extra `notify`) is imported here and nowhere else: in a process that has
a time limit and is gone afterwards.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

#: Event -> how a service shows it, in apprise's words.
_KINDS = {"failed": "failure", "completed": "success", "stuck": "warning", "cancelled": "warning"}
#: Exit code when apprise is not installed (EX_UNAVAILABLE of sysexits.h).
MISSING = 69


class _Said(logging.Handler):
    """Keeps what apprise complains of; its messages name hosts, not whole URLs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.lines.append(record.getMessage())


def message(told: Mapping[str, str]) -> str:
    """The text below the subject: a fact a line."""
    names = ("status", "outcome", "recipe", "model", "tasks", "group", "error", "worker", "log", "spool", "host")
    facts = [f"{name.replace('_', ' ')}: {told[name]}" for name in names if told[name]]
    return "\n".join([f"job: {told['job_id']}", *facts])


def _kind(told: Mapping[str, str]) -> str:
    return _KINDS.get(told["status"] if told["event"] == "finished" else told["event"], "info")


def main() -> NoReturn:
    """Carry out the order on stdin; with `check` in it, only see whether apprise knows the URLs."""
    order: dict[str, Any] = json.load(sys.stdin)
    try:
        import apprise
    except ImportError:
        sys.stdout.write("apprise is not installed; run `pip install 'spoolq[notify]'`")
        sys.exit(MISSING)
    said = _Said()
    logging.getLogger("apprise").addHandler(said)
    logging.getLogger("apprise").propagate = False
    services = apprise.Apprise(asset=apprise.AppriseAsset(app_id="spoolq", storage_mode="memory"))
    unknown = [number for number, url in enumerate(order["urls"], 1) if not services.add(url)]
    if unknown:
        sys.stdout.write(f"apprise does not know what URL number {unknown[0]} means")
        sys.exit(1)
    if order.get("check"):
        sys.exit(0)
    told = order["told"]
    done = services.notify(title=told["subject"], body=message(told), notify_type=_kind(told), body_format="text")
    if not done:
        sys.stdout.write("; ".join(said.lines) or "one of the services did not take it")
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
