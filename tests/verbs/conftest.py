"""Spools to try the verbs on: an empty one, one with a job in every ended state, one that is at work."""

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.spooltest.waiting import wait_for
from tests.verbs import goldens
from tests.verbs.program import PROGRAM, spoolq

#: A command that writes scores; its argument is the accuracy.
SCORE = """#!/bin/sh
mkdir -p "$SPOOLQ_OUTPUT"
printf '{"results": {"arith": {"acc,none": %s, "acc_stderr,none": 0.0125}, "names": {"em": 1}}}' "$1" \\
  > "$SPOOLQ_OUTPUT/results.json"
"""
#: A command that draws a progress bar half-way and stays there.
HALF_WAY = 'printf "\\rRunning count: 50%%|##  | 5/10 [00:01<00:01, 3it/s]" >&2; exec sleep 300'


@dataclass(frozen=True)
class Jobs:
    """A spool with jobs in it, name -> id, submitted from the folder *home*."""

    spool: Path
    home: Path
    ids: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def spool(spool_path: Path, monkeypatch) -> Path:
    """An empty spool, which is the default one of this test."""
    monkeypatch.setenv("SPOOLQ_SPOOL", str(spool_path))
    return spool_path


@pytest.fixture
def golden(request) -> Callable[[str, str], None]:
    """Compare an output with its golden file, once what differs from run to run is replaced."""
    fixtures = request.fixturenames

    def check(name: str, text: str) -> None:
        jobs = next((request.getfixturevalue(one) for one in ("ended", "busy") if one in fixtures), None)
        spool = jobs.spool if jobs else request.getfixturevalue("spool_path")
        goldens.compare(name, goldens.settled(text, spool, jobs.home if jobs else spool.parent))

    return check


def submit(spool: Path, *argv: object, stdin: str = "") -> str:
    """The id of a job just submitted."""
    return spoolq("submit", "--spool", spool, *argv, stdin=stdin).out.strip()


def drain(spool: Path, timeout: float = 30) -> str:
    """Run the queue until it is empty; returns what the runner said."""
    ran = subprocess.run(
        [*PROGRAM, "run", "--drain", "--spool", str(spool)], capture_output=True, text=True, timeout=timeout, check=True
    )
    assert ran.stdout == ""
    return ran.stderr


def start(spool: Path, job: str, *argv: str) -> subprocess.Popen[bytes]:
    """`spoolq run`, once it has started *job*."""
    with (spool.parent / "run.log").open("ab") as log:
        runner = subprocess.Popen([*PROGRAM, "run", "--spool", str(spool), *argv], stdout=log, stderr=log)
    try:
        wait_for(lambda: _history_says(spool, job, "started"), 20, "the start of the job")
    except BaseException:
        stop(runner)
        raise
    return runner


def _history_says(spool: Path, job: str, event: str) -> bool:
    return any(f'"{event}"' in path.read_text() for path in spool.glob(f"runs/*{job}/history.jsonl"))


def stop(runner: subprocess.Popen[bytes]) -> None:
    """End a runner now: the second signal stops and requeues what it runs."""
    for _ in range(40):  # two that come at once are one
        if runner.poll() is None:
            runner.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                runner.wait(0.5)
    if runner.poll() is None:
        runner.kill()
        runner.wait()
        raise AssertionError("the runner did not end")


@pytest.fixture(scope="session")
def _ended(tmp_path_factory) -> Jobs:
    """One spool in which every outcome has come about in earnest."""
    place = tmp_path_factory.mktemp("ended")
    spool = place / "spool"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOOLQ_LOCK_DIR", str(place / "locks"))
        patch.chdir(place)
        spoolq("init", "--spool", spool)
        (spool / "spoolq.toml").write_text('settle = "100ms"\ngrace = "1s"\n')
        (place / "score").write_text(SCORE)
        (place / "score").chmod(0o755)
        ids = {
            "scores": submit(spool, "-", stdin=_scoring(place, "0.5")),
            "better": submit(spool, "-", stdin=_scoring(place, "0.75")),
            "plain": submit(spool, "--", "true"),
            "exit": submit(spool, "--", "sh", "-c", "echo the model is not there; exit 3"),
            "signal": submit(spool, "--", "sh", "-c", "kill -9 $$"),
            "timed_out": submit(spool, "--timeout", "100ms", "--", "sleep", "300"),
            "no_program": submit(spool, "--", "/nowhere/program"),
            "no_results": submit(spool, "-", stdin='{"command": ["true"], "results": "results.json"}'),
            "dropped": submit(spool, "--priority", "low", "--", "true"),
            "stopped": submit(spool, "--priority", "high", "--", "sleep", "300"),
        }
        spoolq("cancel", "--spool", spool, ids["dropped"])
        (spool / "queued" / "broken.json").write_text('{"model": "dummy", "tasks": ["a"')
        runner = start(spool, ids["stopped"], "--drain")
        spoolq("cancel", "--spool", spool, ids["stopped"])
        assert runner.wait(30) == 0
        (broken,) = set(goldens.ids_in(spool)) - set(ids.values())
    return Jobs(spool, place, {**ids, "broken": broken})


def _scoring(place: Path, accuracy: str) -> str:
    command = [str(place / "score"), accuracy]
    request = {"command": command, "results": "results.json", "env": {"HF_TOKEN": "hf_secret", "SEED": "1"}}
    return json.dumps({"request": request, "timeout": "1h"})


@pytest.fixture
def ended(_ended: Jobs, tmp_path: Path, monkeypatch) -> Jobs:
    """A copy, to do with as one likes, of a spool in which jobs have ended in every way; it is the default spool."""
    spool = tmp_path / "ended" / "spool"
    shutil.copytree(_ended.spool, spool, symlinks=True)
    monkeypatch.setenv("SPOOLQ_SPOOL", str(spool))
    return Jobs(spool, _ended.home, _ended.ids)


class _Busy:
    """A spool at work, made anew when it is old: what a table shows of how long a job has run then takes more room."""

    FRESH_S = 40

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._jobs: Jobs | None = None
        self._runner: subprocess.Popen[bytes] | None = None
        self._began = 0.0

    def jobs(self) -> Jobs:
        if self._jobs is None or time.monotonic() - self._began > self.FRESH_S:
            self.end()
            self._jobs = self._make()
        return self._jobs

    def end(self) -> None:
        if self._runner is not None:
            stop(self._runner)
            self._runner = None

    def _make(self) -> Jobs:
        place = self._factory.mktemp("busy")
        spool = place / "spool"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPOOLQ_LOCK_DIR", str(place / "locks"))
            patch.chdir(place)
            spoolq("init", "--spool", spool)
            ids = {"running": submit(spool, "--", "sh", "-c", HALF_WAY)}
            self._began = time.monotonic()
            self._runner = start(spool, ids["running"])
            ids["first"] = submit(spool, "--", "python", "eval.py", "--name", "a name with spaces")
            ids["late"] = submit(spool, "--priority", "low", "--", "true")
            long = ["python", "/opt/evaluations/evaluate.py", "--model", "an/organisation/with-a-long-model-name"]
            ids["long"] = submit(spool, "--", *long, "--tasks", "arc_easy,hellaswag,mmlu,winogrande,gsm8k")
            wait_for(lambda: "50%" in spoolq("show", ids["running"], "--spool", spool).out)
        return Jobs(spool, place, ids)


@pytest.fixture(scope="session")
def _busy(tmp_path_factory) -> Iterator[_Busy]:
    busy = _Busy(tmp_path_factory)
    yield busy
    busy.end()


@pytest.fixture
def busy(_busy: _Busy, monkeypatch) -> Jobs:
    """A spool at work, for looking only: one job runs, three wait. It is the default spool."""
    jobs = _busy.jobs()
    monkeypatch.setenv("SPOOLQ_SPOOL", str(jobs.spool))
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", str(jobs.spool.parent / "locks"))
    return jobs


@pytest.fixture
def run_it() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `spoolq run` on a job, as often as one likes; all are ended after the test."""
    runners: list[subprocess.Popen[bytes]] = []

    def begin(spool: Path, job: str, *argv: str) -> subprocess.Popen[bytes]:
        runners.append(start(spool, job, *argv))
        return runners[-1]

    yield begin
    for runner in runners:
        stop(runner)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch) -> Path:
    """A folder beside the spool, where the person stands."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
