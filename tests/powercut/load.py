"""Real processes in the guest: what `spoolq submit` acknowledges, and `spoolq run` under load.

`python -m tests.powercut.load VERB PAPER`, where PAPER is a JSON file of the host. All that is known to have happened
is said on the console, which the host has at once.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from spoolq.api import Spool
from spoolq.transitions import TERMINAL, State
from tests.powercut.bed import LATER_S
from tests.spooltest.trees import places, record_of
from tests.spooltest.waiting import wait_for

#: An evaluation: says that it has begun, where no power cut can take that back, and leaves a score.
_EVALUATION = """\
echo "BEGAN $SPOOLQ_JOB_ID $SPOOLQ_ATTEMPT" > /dev/console
echo '{"results": {"task": {"acc": 0.5}}}' > "$SPOOLQ_OUTPUT/results.json"
sleep $1
"""
METRICS = {"task": {"acc": 0.5}}
#: Jobs that may wait before the next is submitted.
_DEPTH = 6


def _spool(number: int) -> Path:
    return Path(f"/mnt/{number}/spool")


def _run(number: int, *options: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "spoolq", "run", "--spool", str(_spool(number)), "--slots", "a", "--slots", "b"]
    return subprocess.Popen([*argv, *options], stdin=subprocess.DEVNULL)


def _say(*words: object) -> None:
    print(*words, flush=True)


def acknowledge(paper: dict[str, Any]) -> None:
    """On each disk a new spool with the durability asked for; a submit by the verb and one by the Python API.

    Nobody syncs the new spool: that it is there afterwards is the submits' doing too.
    """
    for number, durability in enumerate(paper["durability"]):
        Spool.create(_spool(number))
        (_spool(number) / "spoolq.toml").write_text(f'durability = "{durability}"\n', encoding="utf-8")
        argv = [sys.executable, "-m", "spoolq", "submit", "--spool", str(_spool(number)), "--", "echo", "verb"]
        said = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
        _say("ACK", number, "verb", said.split()[0])
        _say("ACK", number, "api", Spool(_spool(number)).submit({"command": ["echo", "api"]}).job_id)
    if paper["when"] == "later":
        time.sleep(LATER_S)
    _say("POINT")
    signal.pause()


def waiting(paper: dict[str, Any]) -> None:
    """What is in the queue of each disk, if there is one: the bytes of each job's file."""
    for number, _ in enumerate(paper["durability"]):
        queued = _spool(number) / "queued"
        _say("QUEUE", json.dumps({path.stem[-36:]: path.read_text() for path in queued.glob("*.json")}))


def work(paper: dict[str, Any]) -> None:
    """`spoolq run` and a submitter that never ends; an ACK line for each submit that has returned."""
    spool = Spool.create(_spool(0))
    for number in count(1):
        wait_for(lambda: len(spool.store.names(State.QUEUED)) < _DEPTH, 300, "room in the queue")
        request = {"command": ["sh", "-c", _EVALUATION, "sh", str(number % 4 / 2)], "results": "results.json"}
        policy = {"max_attempts": 1 + number % 3, "priority": ("normal", "high")[number % 2]}
        _say("ACK", spool.submit(request, **policy).job_id, policy["max_attempts"])
        if number == _DEPTH - 1:
            _run(0)


def go_on(paper: dict[str, Any]) -> None:
    """`spoolq run` as it comes back after a cut; the next cut ends it."""
    _run(0)
    signal.pause()


def drain(paper: dict[str, Any]) -> None:
    """`spoolq run --drain`, then every job there is: where it stands, and its whole record."""
    _say("DRAINED", _run(0, "--drain").wait())
    spool = Spool(_spool(0))
    for job, states in places(spool.store).items():
        assert len(states) == 1, f"{job} is in {states}"
        record = record_of(spool.store, job) if states[0] in TERMINAL else None
        output = spool.output(job) / "results.json"
        scores = output.read_text() if output.exists() else None
        _say("JOB", json.dumps({"job": job, "state": states[0], "record": record, "scores": scores}))
    _say("END")


VERBS: dict[str, Callable[[dict[str, Any]], None]] = {
    "acknowledge": acknowledge,
    "waiting": waiting,
    "work": work,
    "go on": go_on,
    "drain": drain,
}

if __name__ == "__main__":
    VERBS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
