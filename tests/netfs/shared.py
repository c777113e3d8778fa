"""A spool on the export: what each host does with it, and what is true of it."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from spoolq import history
from spoolq.api import Spool
from spoolq.jobs import parse_entry
from spoolq.models import JobInfo
from spoolq.transitions import State
from tests.spooltest.waiting import wait_for

from .bed import AT, Bed
from .machine import Machine

#: Run by every counting job. Its lines go to a file of the host that runs it: `b` and `e`, job, attempt, time.
_COUNTED = (
    "f=/mnt/{spool}.jobs; echo b $SPOOLQ_JOB_ID $SPOOLQ_ATTEMPT $(date +%s.%N) >> $f; {body}; "
    "echo e $SPOOLQ_JOB_ID $SPOOLQ_ATTEMPT $(date +%s.%N) >> $f"
)
#: Kills every process of a spool's runners, evaluations included; says which it could not.
_KILL = """\
for _ in 1 2 3 4 5 6 7 8 9 10; do
    left=$(grep -lzs '^NETFS_SPOOL={name}$' /proc/[0-9]*/environ | cut -d/ -f3); [ -z "$left" ] && exit 0
    kill -9 $left 2>/dev/null; sleep 0.05
done; exit 1
"""


def posix(text: str) -> float:
    """The POSIX seconds of a time as records and histories write it."""
    return datetime.fromisoformat(text).timestamp()


class Shared:
    """The spool *name*, made by host A with *settings*, seen by each host below *at*."""

    def __init__(self, bed: Bed, name: str, settings: str = "", at: str = AT) -> None:
        assert bed.server is not None
        self.bed, self.name, self.path = bed, name, f"{at}/{name}"
        self.used: set[str] = set()
        #: The server's own view of it: no cache, no network.
        self.root = bed.server.export / name
        self.on("A").spoolq("init", "--spool", self.path).ok()
        code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
        self.on("A").python(code, f"{self.path}/spoolq.toml", settings).ok()

    def on(self, host: str) -> Machine:
        """A host, switched on."""
        self.used.add(host)
        return self.bed.on(host)

    @property
    def spool(self) -> Spool:
        """The truth, to be read only: the server would not notice what is written here."""
        return Spool(self.root)

    def run(self, host: str, *options: str, before: tuple[str, ...] = ()) -> int:
        """Start `spoolq run` on a host, under the command *before* if there is one; its pid."""
        argv = [*before, sys.executable, "-m", "spoolq", "run", "--spool", self.path, *options]
        env = {"NETFS_SPOOL": self.name, "SPOOLQ_LOCK_DIR": f"/run/slots-{self.name}"}
        return self.on(host).start(argv, self._log(host), env)

    def start(self, host: str, *options: str, before: tuple[str, ...] = ()) -> int:
        """Start it, and wait until it watches and its runner holds the slot."""
        pid = self.run(host, *options, before=before)
        locks = f"ls /run/slots-{self.name}/*.lock"
        wait_for(lambda: "watching" in self.said(host) and self.on(host).sh(locks).code == 0, 60, f"a runner on {host}")
        return pid

    def _log(self, host: str) -> str:
        return f"/mnt/{self.name}.log"

    def said(self, host: str) -> str:
        """What `spoolq run` has said on a host since it was booted."""
        return self.on(host).read(self._log(host))

    def spoolq(self, host: str, verb: str, *argv: str, timeout: float = 60, stdin: str = "") -> str:
        """What a verb that succeeds prints on a host."""
        return self.on(host).spoolq(verb, "--spool", self.path, *argv, timeout=timeout, stdin=stdin).ok()

    def submit(self, host: str, *command: str, options: tuple[str, ...] = ()) -> str:
        """Submit a command from a host; its id."""
        return self.spoolq(host, "submit", *options, "--", *command).strip()

    def counting(self, body: str = ":") -> list[str]:
        """A command that writes down that it runs, does *body*, and writes down that it has."""
        return ["sh", "-c", _COUNTED.format(spool=self.name, body=body)]

    def submit_counting(self, host: str, number: int, body: str = ":") -> list[str]:
        """Submit so many jobs that count themselves; their ids, in the order of service."""
        row = json.dumps({"command": self.counting(body)}) + "\n"
        return self.spoolq(host, "submit", "-", stdin=row * number, timeout=300).split()

    def ran(self, host: str) -> list[tuple[str, str, int, float]]:
        """What the counting jobs of a host have written: mark, job, attempt, time."""
        return [(row[0], row[1], int(row[2]), float(row[3])) for row in self.on(host).lines(f"/mnt/{self.name}.jobs")]

    def get(self, job: str) -> JobInfo:
        """A job, as it truly is."""
        return self.spool.get(job)

    def events(self, job: str, name: str | None = None) -> list[dict[str, Any]]:
        """A job's history, or its events of one name."""
        return [event for event in self.spool.history(job) if name in (None, event["event"])]

    def admitted(self, name: str) -> float | None:
        """When a drop of that name was admitted, in POSIX seconds; None when it was not yet."""
        store = self.spool.store
        for key in os.listdir(self.root / "runs"):
            for event in history.events(store, key):
                if event.get("dropped") == name:
                    return posix(event["at"])
        return None

    def places(self) -> dict[str, list[State]]:
        """Every job, and in which state directories it is."""
        found: dict[str, list[State]] = {}
        for state in State:
            for path in Path(self.root, state.value).iterdir():
                entry = parse_entry(state, path.name)
                if entry:
                    found.setdefault(entry.stem.uuid, []).append(state)
        return found

    def await_status(self, job: str, status: str, timeout: float = 60) -> JobInfo:
        """Wait until a job truly has that status."""
        wait_for(lambda: self.get(job).status == status, timeout, f"{job[:8]} to be {status}")
        return self.get(job)

    def await_all(self, jobs: list[str], timeout: float) -> None:
        """Wait until all these jobs have ended, and nothing else is there."""
        ended = [self.root / state for state in ("completed", "failed", "cancelled")]
        wait_for(lambda: sum(len(list(path.iterdir())) for path in ended) >= len(jobs), timeout, f"{len(jobs)} ends")
        wait_for(lambda: not any(Path(self.root, "running").iterdir()), 30, "the last heartbeat's end")
        assert set(self.places()) == set(jobs)

    def close(self) -> None:
        """End what runs of it, by pid, on the hosts that are on; a host that does not let go loses its power."""
        for host in self.used:
            machine = self.bed.machines[host]
            if machine.guest is not None and machine.sh(_KILL.format(name=self.name)).code != 0:
                machine.cut()
