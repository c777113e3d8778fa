"""Kills of everything at random moments, under load, seeded and bounded; then what must be true of what is left.

`SPOOLQ_STORMS=N` makes it N storms (the seeds 0 to N-1) instead of a few; `SPOOLQ_STRIKES` is how often each strikes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from spoolq.store import Store
from spoolq.transitions import TERMINAL, State
from tests.spooltest.trees import places, record_of

from .conftest import SCRIPTS, Queue, command_line, wait_for

_SEEDS = range(int(os.environ.get("SPOOLQ_STORMS", "3")))
_STRIKES = int(os.environ.get("SPOOLQ_STRIKES", "5"))
_ROLES = ("watcher", "runner", "shim", "heartbeat", "evaluation", "clerk", "orphan")
#: Who is killed together, and how often that is tried against the others.
_VICTIMS: dict[tuple[str, ...], int] = {
    ("watcher",): 3,
    ("runner",): 3,
    ("shim",): 3,
    ("evaluation",): 3,
    ("heartbeat",): 2,
    ("clerk",): 1,
    ("orphan",): 2,
    ("watcher", "runner"): 3,
    ("runner", "shim"): 3,
    ("watcher", "shim"): 2,
    ("shim", "evaluation"): 2,
    ("watcher", "runner", "shim"): 2,
    ("watcher", "runner", "shim", "evaluation"): 2,
}


class Storm:
    """A queue, people at it (the clerk), and dice that say what is killed when."""

    def __init__(self, queue: Queue, lines: Callable[[], list[Any]], seed: int) -> None:
        self.queue, self.dice = queue, random.Random(seed)
        self.lines: str = lines.path  # type: ignore[attr-defined]
        self.acts = Path(f"{self.lines}.acts")
        Path(self.lines).touch()
        self.seed, self.clerks = seed, 0
        self.clerk: subprocess.Popen[bytes] | None = None
        self.pruned: set[str] = set()
        self.killed: dict[str, int] = dict.fromkeys(_ROLES, 0)

    def fill(self, number: int) -> None:
        """Queue some jobs, so that there is load from the start."""
        for name in (f"{self.seed}000-{count}" for count in range(number)):
            seconds, code = str(self.dice.choice([0, 0.05, 0.1, 0.3])), self.dice.choice(["0", "0", "3", "3", "5"])
            command = [sys.executable, "-I", "-S", str(SCRIPTS / "stormy.py"), self.lines, name, seconds, code]
            self.queue.spool.submit({"command": command}, grace="200ms", max_attempts=100)
            with self.acts.open("a") as acts:
                acts.write(json.dumps(["submitted", name]) + "\n")

    def blow(self, strikes: int) -> None:
        """Strike so often: mostly while an evaluation is in hand, and sometimes while all is just starting."""
        hold = Path(f"{self.lines}.hold")
        for _ in range(strikes):
            held = self.dice.random() < 0.6
            if held:  # the evaluation in hand outlasts the strike, and perhaps the start of the next runner
                hold.touch()
            if held or self.dice.random() < 0.5:
                wait_for(self._in_hand, 60, what=f"an evaluation in hand; {self.queue.said()}")
            self._pause(0.2)
            self._keep_going()
            struck = self._strike()
            if self.dice.random() < 0.35:
                self._prune()
            self._keep_going()
            if held and struck & {"watcher", "runner", "shim"}:
                self._until_the_next_one_is_there()
            hold.unlink(missing_ok=True)

    def _until_the_next_one_is_there(self) -> None:
        """Until another runner waits for the slot that is taken, or has begun an evaluation, or a while has passed."""
        waiting, begun = self._words("is held by"), self._begun()
        until = time.monotonic() + 15
        wait_for(lambda: self._words("is held by") > waiting or self._begun() > begun or time.monotonic() > until)

    def _words(self, text: str) -> int:
        return self.queue.said().count(text)

    def _begun(self) -> int:
        return Path(self.lines).read_text().count('"begin"')

    def _in_hand(self) -> bool:
        self._keep_going()
        evaluations = [process for role, process in self.family() if role == "evaluation"]
        return any(self._has_begun(process) for process in evaluations) or not self._active()

    def _has_begun(self, evaluation: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error, LookupError):
            begun = [evaluation.cmdline()[5], "begin", int(evaluation.environ()["SPOOLQ_ATTEMPT"])]
            return json.dumps(begun) in Path(self.lines).read_text()
        return False

    def _active(self) -> bool:
        return any(self.queue.spool.store.names(state) for state in (State.QUEUED, State.RUNNING))

    def _pause(self, most: float) -> None:
        until = time.monotonic() + self.dice.uniform(0, most)
        wait_for(lambda: time.monotonic() >= until)

    def _keep_going(self) -> None:
        """Somebody always starts `spoolq run` again, and now and then a second one."""
        running = [p for p in self.queue.processes if p.poll() is None and p is not self.clerk]
        if not running or (len(running) == 1 and self.dice.random() < 0.05):
            self.queue.run()
        if self.clerk is None or self.clerk.poll() is not None:
            self.clerks += 1
            words = [str(self.queue.path), self.lines, str(self.acts), f"{self.seed}{self.clerks:03}", "12"]
            argv = [sys.executable, str(SCRIPTS / "clerk.py"), *words]
            self.clerk = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env={**os.environ, "CLERK": self.lines})
            self.queue.processes.append(self.clerk)

    def _strike(self) -> set[str]:
        """Kill some, or stop them for a moment; their roles."""
        family = self.family()
        there = {role for role, _ in family}
        sets = {roles: weight for roles, weight in _VICTIMS.items() if there.issuperset(roles)} or {_ROLES: 1}
        wanted = self.dice.choices(list(sets), list(sets.values()))[0]
        stop = self.dice.random() < 0.15
        struck = [(role, process) for role, process in family if role in wanted]
        self.dice.shuffle(struck)
        for role, process in struck:
            with contextlib.suppress(psutil.NoSuchProcess):
                if stop:
                    process.suspend()
                else:
                    process.kill()
                    self.killed[role] += 1
        if stop and struck:
            self._pause(0.4)
            for _, process in struck:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
        return set() if stop else {role for role, _ in struck}

    def family(self) -> list[tuple[str, psutil.Process]]:
        """Every process of the queue with its role, and the clerk."""
        members = self.queue.offspring()
        commands = {member.pid: command_line(member) for member in members}
        roles: list[tuple[str, psutil.Process]] = []
        for member in members:
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                roles.append((_role(member, commands), member))
        if self.clerk is not None and self.clerk.poll() is None:
            roles.append(("clerk", psutil.Process(self.clerk.pid)))
        return roles

    def _prune(self) -> None:
        names = {info.job_id: _name(info.request) for info in self.queue.spool.list(TERMINAL)}
        gone = self.queue.spool.prune(keep=4).jobs
        self.pruned |= {names[job] for jobs in gone.values() for job in jobs}

    def calm(self) -> None:
        """All still there are killed, or drain, as the dice say; then `spoolq run --drain` brings all to its end."""
        if self.clerk is not None:
            self.clerk.kill()
            self.clerk.wait()
        if self.dice.random() < 0.5:
            for _, process in self.family():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        for process in self.queue.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self.queue.processes:
            assert process.wait(60) is not None
        self.queue.spool.resume()
        assert self.queue.run("--drain").wait(90) == 0, self.queue.said()


def _role(member: psutil.Process, commands: dict[int, str]) -> str:
    command, parent = commands[member.pid], commands.get(member.ppid(), "")
    if "-m spoolq run" in command:
        return "watcher"
    if "-m spoolq.runner" not in command:
        return "evaluation"
    if os.getsid(member.pid) != member.pid:
        return "heartbeat"
    return "runner" if "-m spoolq run " in parent else "shim" if "-m spoolq.runner" in parent else "orphan"


def _name(request: dict[str, Any] | None) -> str:
    assert request is not None
    return str(request["command"][5])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", _SEEDS)
def test_a_storm_of_kills_loses_nothing_doubles_nothing_and_leaves_nothing(queue: Queue, lines, seed):
    # Given people who submit, drop, cancel, retry, reorder and prune, and a queue that serves them
    queue.settings('heartbeat = "50ms"\nheartbeat_timeout = "20s"\nsettle = "300ms"\n')
    storm = Storm(queue, lines, seed)
    # When all of them are killed at random moments, alone, in pairs and together; and somebody drains what is left
    storm.fill(10)
    storm.blow(_STRIKES)
    storm.calm()
    # Then nothing is left running
    assert not queue.offspring()
    # And no evaluation ever found another one, or what one had left, in hand
    rows = lines()
    assert [row for row in rows if row[1] == "beside"] == []
    # And every acknowledged job is in one place, with a whole record, or was pruned
    acts = [json.loads(row) for row in storm.acts.read_text().splitlines()]
    store = Store(queue.path)
    records = [record_of(store, job) for job, states in places(store).items() if _alone(states)]
    names = {_name(record["request"]): record for record in records}
    acknowledged = {name for act, name in acts if act == "submitted"}
    assert acknowledged <= names.keys() | storm.pruned and not names.keys() & storm.pruned
    assert len(names) == len(records) == sum(len(store.names(state)) for state in TERMINAL)
    # And what each record tells is what the evaluation told
    for name, record in names.items():
        _is_true(record, [row[1:] for row in rows if row[0] == name], acts, name, store)
    # And no half-done move is left
    assert not [name for name in os.listdir(store.layout.tmp) if name.endswith(".final")]
    print(f"seed {seed}: {len(acknowledged)} jobs acknowledged, {len(storm.pruned)} pruned, killed {storm.killed}")


def _alone(states: list[Any]) -> bool:
    assert len(states) == 1 and states[0] in TERMINAL, f"a job is in {states}"
    return True


def _is_true(record: dict[str, Any], told: list[Any], acts: list[Any], name: str, store: Store) -> None:
    begins = [attempt for edge, attempt in told if edge == "begin"]
    ends = [attempt for edge, attempt in told if edge == "end"]
    outcome, attempt = record["outcome"], record["attempt"]
    assert len(set(begins)) == len(begins) and max(begins, default=0) <= attempt, "every start is an attempt of its own"
    assert set(ends) <= set(begins)
    if outcome in ("succeeded", "exit"):
        assert attempt == begins[-1] == ends[-1], f"{name} {outcome} as its newest attempt did"
        code = int(record["request"]["command"][-1])
        assert record["exit_code"] == code and (outcome == "succeeded") == (code == 0)
    else:
        assert outcome in ("signal", "lost", "cancelled"), record
    if outcome == "cancelled":
        assert ["cancel", name] in acts
    if outcome == "lost":
        assert attempt >= record["max_attempts"]
    history = Path(store.root / record["run_dir"] / "history.jsonl")
    rows = history.read_text().splitlines() if history.exists() else []
    assert all(isinstance(json.loads(row), dict) for row in rows), "no torn line"
    claims = [json.loads(row)["nonce"] for row in rows if json.loads(row)["event"] == "claimed"]
    assert len(claims) == len(set(claims)) <= attempt + sum("requeued" in row for row in rows)
