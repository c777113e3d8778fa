"""Spools on which one verb is cut short, and what must be true of them after a plain `spoolq run --drain`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from spoolq.api import Spool
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.trees import places, record_of, stem_of
from tests.spooltest.waiting import wait_for

from .tracing import Point, lines, points, struck, tracer, wrapper

PYTHON = sys.executable
#: Says that it has started, waits for the gate, and ends as its argument says: an exit code, or "once": 3, then 0.
STEP = """
mark="$SPOOLQ_SPOOL/../starts"
echo "$SPOOLQ_JOB_ID $SPOOLQ_ATTEMPT" >> "$mark"
while [ ! -e "$SPOOLQ_SPOOL/../gate" ]; do sleep 0.02; done
[ "$1" = once ] || exit "$1"
[ "$(grep -c "$SPOOLQ_JOB_ID" "$mark")" = 1 ] && exit 3 || exit 0
"""
#: `spoolq` with another interpreter for its runners.
_WITH_RUNNER = "import sys; sys.executable = sys.argv.pop(1); from spoolq.cli import main; main()"


def step(how: str) -> list[str]:
    return ["sh", "-c", STEP, "step", how]


@dataclass
class Fate:
    """How the verb ended: its exit code (below 0: a signal), and what it printed."""

    code: int
    out: str = ""
    err: str = ""


@dataclass
class Scene:
    """One copy of a prepared spool in a folder of its own; *target* is the job that the verb is about."""

    folder: Path
    jobs: dict[str, str]
    children: list[subprocess.Popen] = field(default_factory=list)

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def target(self) -> str:
        return self.jobs["target"]

    @property
    def log(self) -> Path:
        return self.folder / "trace"

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def start(self, argv: list[str], name: str) -> subprocess.Popen:
        env = {**os.environ, "SPOOLQ_LOCK_DIR": str(self.folder / "locks")}
        with (self.folder / f"{name}.out").open("wb") as out, (self.folder / f"{name}.err").open("wb") as err:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)
        self.children.append(child)
        return child

    def said(self, name: str) -> tuple[str, str]:
        return tuple((self.folder / f"{name}.{end}").read_text(errors="replace") for end in ("out", "err"))

    def finish(self, argv: list[str], name: str, timeout: float = 120) -> Fate:
        code = self.start(argv, name).wait(timeout)
        return Fate(code, *self.said(name))

    def starts(self) -> list[list[str]]:
        path = self.folder / "starts"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def spoolq(self, *argv: str) -> list[str]:
        return [PYTHON, "-m", "spoolq", argv[0], "--spool", str(self.spool), *argv[1:]]

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()


@dataclass(frozen=True)
class Verb:
    """*prepare* makes the spool once; *act* runs the verb, traced; *judge* says what must have become of the target."""

    prepare: Callable[[Scene], dict[str, str]]
    act: Callable[[Scene, Point | None], Fate]
    judge: Callable[[Scene, Store, Fate], None]


def submit(scene: Scene, how: str = "0") -> str:
    return Spool(scene.spool).submit({"command": step(how)}).job_id


def three(scene: Scene) -> dict[str, str]:
    return {name: submit(scene, how) for name, how in (("before", "3"), ("target", "0"), ("after", "0"))}


def by_itself(*argv: str) -> Callable[[Scene, Point | None], Fate]:
    """The verb as a process of its own; TARGET stands for the job."""

    def act(scene: Scene, point: Point | None) -> Fate:
        words = [scene.target if word == "TARGET" else word for word in argv]
        return scene.finish([*tracer(scene.log, point), *scene.spoolq(*words)], "verb")

    return act


# submit


def two(scene: Scene) -> dict[str, str]:
    return {"before": submit(scene, "3")}


def act_submit(scene: Scene, point: Point | None) -> Fate:
    command = scene.spoolq("submit", "--", *step("0"))
    return scene.finish([*tracer(scene.log, point), *command], "verb")


def judge_submit(scene: Scene, store: Store, fate: Fate) -> None:
    fresh = set(places(store)) - set(scene.jobs.values())
    assert len(fresh) <= 1
    if fate.code == 0:
        assert fresh == {fate.out.strip()}
    elif fate.code > 0 and "may run all the same" not in fate.err:
        assert not fresh, f"refused, and queued: {fate.err}"
    for job in fresh:
        assert record_of(store, job)["outcome"] == "succeeded"


# cancel


def judge_cancel(scene: Scene, store: Store, fate: Fate) -> None:
    outcome = record_of(store, scene.target)["outcome"]
    assert outcome == "cancelled" or (outcome == "succeeded" and fate.code != 0)
    if outcome == "cancelled":
        assert scene.target not in [job for job, _ in scene.starts()]


def act_cancel_running(scene: Scene, point: Point | None) -> Fate:
    (scene.folder / "gate").unlink()
    watcher = scene.start(scene.spoolq("run", "--drain"), "background")
    wait_for(lambda: _started(scene, scene.target), 60, "the start of the target")
    fate = by_itself("cancel", "TARGET")(scene, point)
    if fate.code == 0:
        wait_for(lambda: list((scene.spool / "cancelled").glob("*.json")), 60, "the cancel")
    scene.open_gate()
    assert watcher.wait(120) == 0
    return fate


def judge_cancel_running(scene: Scene, store: Store, fate: Fate) -> None:
    outcome = record_of(store, scene.target)["outcome"]
    assert outcome == "cancelled" or (outcome == "succeeded" and fate.code != 0)


def _started(scene: Scene, job: str) -> bool:
    return any('"started"' in path.read_text() for path in scene.spool.glob(f"runs/*{job}/history.jsonl"))


def first_is_target(scene: Scene) -> dict[str, str]:
    return {"target": submit(scene), "after": submit(scene)}


# retry, priority, prune


def ended_once(scene: Scene) -> dict[str, str]:
    jobs = {"target": submit(scene, "once")}
    scene.open_gate()
    assert scene.finish(scene.spoolq("run", "--drain"), "prepare").code == 0
    return {**jobs, "after": submit(scene)}


def judge_retry(scene: Scene, store: Store, fate: Fate) -> None:
    outcome = record_of(store, scene.target)["outcome"]
    assert outcome == "succeeded" or (outcome == "exit" and fate.code != 0)


def judge_priority(scene: Scene, store: Store, fate: Fate) -> None:
    record = record_of(store, scene.target)
    assert record["outcome"] == "succeeded"
    order = [job for job, _ in scene.starts()]
    first = order.index(scene.target) < order.index(scene.jobs["before"])
    assert first == (record["priority"] == "high")
    assert first or fate.code != 0


def judge_prune(scene: Scene, store: Store, fate: Fate) -> None:
    if scene.target in places(store):
        assert fate.code != 0
        record_of(store, scene.target)
        again = scene.finish(scene.spoolq("prune", "--all", "--state", "failed"), "again")
        assert again.code == 0, again.err
    assert scene.target not in places(store)
    assert not list((scene.spool / "runs").glob(f"*{scene.target}"))


# run: the watcher, the runner, the shim


def with_drop(scene: Scene) -> dict[str, str]:
    jobs = three(scene)
    (scene.spool / "queued" / "dropped.json").write_text(json.dumps({"command": step("0")}))
    (scene.spool / "queued" / "broken.json").write_text('{"command": []}')
    return jobs


def act_watcher(scene: Scene, point: Point | None) -> Fate:
    return scene.finish([*tracer(scene.log, point), *scene.spoolq("run", "--drain")], "verb")


def act_runner(scene: Scene, point: Point | None) -> Fate:
    python = wrapper(scene.folder / "python", PYTHON, scene.log, point)
    argv = [PYTHON, "-c", _WITH_RUNNER, python, "run", "--drain", "--spool", str(scene.spool)]
    fate = scene.finish(argv, "verb")
    wait_for(lambda: any("+++" in line for line in lines(scene.log)), 60, "the end of the trace")
    return fate


def act_shim(scene: Scene, point: Point | None) -> Fate:
    """The shim is found while its evaluation waits, traced from there on, and then its evaluation may end."""
    (scene.folder / "gate").unlink()
    watcher = scene.start(scene.spoolq("run", "--drain"), "verb")
    wait_for(lambda: _started(scene, scene.target), 60, "the start of the target")
    (history,) = scene.spool.glob(f"runs/*{scene.target}/history.jsonl")
    claimed = next(event for event in map(json.loads, history.read_text().splitlines()) if event["event"] == "claimed")
    strace = scene.start([*tracer(scene.log, point), "-p", str(claimed["shim"])], "strace")
    wait_for(lambda: "attached" in scene.said("strace")[1], 60, "strace at the shim")
    scene.open_gate()
    code = watcher.wait(120)
    strace.wait(60)
    return Fate(code, *scene.said("verb"))


def judge_run(scene: Scene, store: Store, fate: Fate) -> None:
    assert record_of(store, scene.target)["outcome"] == "succeeded"


def judge_watcher(scene: Scene, store: Store, fate: Fate) -> None:
    judge_run(scene, store, fate)
    fresh = set(places(store)) - set(scene.jobs.values())
    assert sorted(record_of(store, job)["outcome"] for job in fresh) == ["invalid", "succeeded"]


VERBS = {
    "submit": Verb(two, act_submit, judge_submit),
    "cancel, queued": Verb(three, by_itself("cancel", "TARGET"), judge_cancel),
    "cancel, running": Verb(first_is_target, act_cancel_running, judge_cancel_running),
    "retry": Verb(ended_once, by_itself("retry", "TARGET"), judge_retry),
    "priority": Verb(three, by_itself("priority", "TARGET", "high"), judge_priority),
    "prune": Verb(ended_once, by_itself("prune", "--all", "--state", "failed"), judge_prune),
    "run: watcher": Verb(with_drop, act_watcher, judge_watcher),
    "run: runner": Verb(three, act_runner, judge_run),
    "run: shim": Verb(first_is_target, act_shim, judge_run),
}


def prepare(folder: Path, verb: Verb) -> Scene:
    """The spool before the verb."""
    folder.mkdir()
    Spool.create(folder / "spool")
    (folder / "spool" / "spoolq.toml").write_text('settle = "100ms"\n')
    scene = Scene(folder, {})
    scene.jobs |= verb.prepare(scene)
    scene.open_gate()
    return scene


def copy(template: Scene, folder: Path) -> Scene:
    shutil.copytree(template.folder, folder, symlinks=True)
    return Scene(folder, template.jobs)


def points_of(template: Scene, folder: Path, verb: Verb) -> list[Point]:
    """Where the verb can be cut short: what it does when nothing goes wrong, judged too."""
    scene = copy(template, folder)
    try:
        fate = verb.act(scene, None)
        assert fate.code == 0, fate.err
        found = points(lines(scene.log), scene.spool)
        hold(scene, verb, fate)
    finally:
        scene.close()
    return found


def try_point(template: Scene, folder: Path, verb: Verb, point: Point) -> bool:
    """Cut the verb short at *point*, recover, and hold what must be true.

    False when the point was not reached: how often a process looks around, and so the count, differs a little.
    """
    scene = copy(template, folder)
    try:
        fate = verb.act(scene, point)
        reached = struck(lines(scene.log), point, scene.spool)
        if reached:  # else what failed was a call that is not about the spool, a socket's say
            _clear(fate)
        hold(scene, verb, fate)
    except AssertionError as error:
        said = {path.name: path.read_text(errors="replace")[-1500:] for path in folder.glob("*.err")}
        tree = sorted(str(path.relative_to(folder)) for path in (folder / "spool").rglob("*") if path.is_file())
        raise AssertionError(f"at {point}: {error}\n{said}\n{tree}") from error
    finally:
        scene.close()
    shutil.rmtree(folder)
    return reached


def _clear(fate: Fate) -> None:
    """It was killed, or all was well, or a person was told what is wrong."""
    assert "Traceback" not in fate.err, fate.err
    assert fate.code in (0, 4, 5, 75, -signal.SIGKILL, 128 + signal.SIGKILL), f"exit code {fate.code}: {fate.err}"
    assert fate.code <= 0 or "cannot " in fate.err, f"no clear error: {fate.err}"


def hold(scene: Scene, verb: Verb, fate: Fate) -> None:
    """Recover with a plain run, and hold the invariants."""
    left = scene.finish(scene.spoolq("run", "--drain"), "recover")
    assert left.code == 0, left.err
    store = Store(scene.spool)
    found = places(store)
    assert all(len(states) == 1 for states in found.values()), f"a job in two states: {found}"
    pruned = {scene.target} if "target" in scene.jobs and scene.target not in found else set()
    assert set(scene.jobs.values()) - pruned <= set(found), "a job was lost"
    verb.judge(scene, store, fate)
    for name, outcome in (("before", "exit"), ("after", "succeeded")):
        if name in scene.jobs:
            assert record_of(store, scene.jobs[name])["outcome"] == outcome
    for state in (State.QUEUED, State.RUNNING):
        assert os.listdir(store.layout.state(state)) == [], f"left in {state}"
    # A killed rejection leaves one of a job that is nowhere; it goes when it is an hour old.
    assert not [name for name in os.listdir(store.layout.tmp) if name.endswith(".final") and ".admit." not in name]
    _counted(scene, store)
    _in_order(scene, store)


def _counted(scene: Scene, store: Store) -> None:
    """No evaluation was started beyond the attempts that count, and no attempt was two."""
    for job in places(store):
        attempts = [number for name, number in scene.starts() if name == job]
        assert len(attempts) == len(set(attempts)), f"one attempt was started twice: {attempts}"
        assert all(int(number) <= record_of(store, job)["attempt"] for number in attempts)


def _in_order(scene: Scene, store: Store) -> None:
    """First in, first out, among the jobs that ran at their first attempt."""
    once = [job for job, number in scene.starts() if number == "1" and record_of_if(store, job).get("attempt") == 1]
    assert once == sorted(once, key=lambda job: str(stem_of(store, job).with_priority(_level(store, job))))


def _level(store: Store, job: str) -> str:
    return record_of(store, job)["priority"]


def record_of_if(store: Store, job: str) -> dict:
    return record_of(store, job) if job in places(store) else {}
