"""`/tasks` and `/models`: the harness is asked in a process of its own, once, and nobody waits for who asks it."""

import asyncio
import contextlib
import dataclasses
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from spoolq.server import catalogue
from spoolq.server.catalogue import Catalogue
from spoolq.server.face import Face
from tests.server import stand_in
from tests.server.stand_in import StandIn
from tests.spooltest.waiting import gone, wait_for

TASKS = {"tasks": ["mme", "mmmu_val", "ai2d"]}


@pytest.fixture
def harness(tmp_path, monkeypatch):
    """A stand-in that every Python started from here on finds."""
    made = StandIn(tmp_path / "packages")
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STAND_IN_GATE", raising=False)
    return made


def test_tasks_are_the_harness_own_in_its_order(lmms, harness):
    answer = lmms.client.get("/tasks")
    assert (answer.status_code, answer.json()) == (200, TASKS)
    assert answer.headers["content-type"] == "application/json"


def test_models_are_sorted(lmms, harness):
    assert lmms.client.get("/models").json() == {"models": ["alpha", "beta", "zeta"]}


def test_it_is_asked_once_and_sees_no_device(lmms, harness):
    # Given many who ask at once, and later
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _n: lmms.client.get("/tasks").json(), range(10)))
    answers.append(lmms.client.get("/tasks").json())
    # Then one process was started, which sees no device
    assert answers == [TASKS] * 11
    ((pid, *devices),) = harness.calls()
    assert int(pid) != os.getpid() and devices == []


def test_what_is_installed_is_seen(lmms, harness):
    # Given a server that has asked
    assert lmms.client.get("/tasks").json() == TASKS
    # When a benchmark is added, or a package beside the harness, Then it is asked again
    harness.names("new")
    assert lmms.client.get("/tasks").json() == {"tasks": ["new"]}
    (harness.folder / "another-1.0.dist-info").mkdir()
    assert lmms.client.get("/tasks").json() == {"tasks": ["new"]}
    assert len(harness.calls()) == 3


def test_the_server_answers_others_meanwhile(lmms, harness, monkeypatch):
    # Given a harness that takes its time
    monkeypatch.setenv("STAND_IN_GATE", str(harness.gate))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: httpx.get(f"{lmms.base}/tasks", trust_env=False, timeout=60).json())
        wait_for(harness.calls, 20, "the harness")
        # When others ask for other things, Then they are answered while it waits
        for _ in range(20):
            assert lmms.client.get("/health", timeout=2).json()["status"] == "healthy"
            assert lmms.evaluate()["status"] == "queued"
        assert not asked.done()
        harness.gate.touch()
        assert asked.result(30) == TASKS


def test_without_a_harness_the_answer_is_200_with_the_error(lmms, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for kind in ("tasks", "models"):
        answer = lmms.client.get(f"/{kind}")
        assert (answer.status_code, answer.json()) == (200, {kind: [], "error": "No module named 'lmms_eval'"})


BROKEN = {
    "import os; os.kill(os.getpid(), 11)": "the harness's Python ended with -11",
    "raise RuntimeError('no torch')": "no torch",
    "import sys; sys.exit('it will not')": "the harness's Python ended with 1: it will not",
    "import os; os.write(1, b'x' * 100_000); raise KeyError()": "KeyError",
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_harness_that_breaks_is_said_and_asked_again_later(lmms, harness, code, monkeypatch):
    # Given a harness that breaks when it is imported
    (harness.home / "tasks" / "__init__.py").write_text(code)
    assert lmms.client.get("/tasks").json() == {"tasks": [], "error": BROKEN[code]}
    # When it is asked for again at once, Then nobody imports it again; when some seconds are over, somebody does
    (harness.home / "tasks" / "__init__.py").write_text(stand_in.TASKS)
    assert lmms.client.get("/tasks").json()["tasks"] == []
    known = lmms.face.part(Catalogue)._known
    known["tasks"] = dataclasses.replace(known["tasks"], until=0.0)
    assert lmms.client.get("/tasks").json() == TASKS


def test_a_harness_that_hangs_is_ended_with_all_its_processes(lmms, harness, monkeypatch):
    # Given a harness that never answers, and has a child
    monkeypatch.setattr(catalogue, "_LIMIT_S", 3)
    monkeypatch.setenv("STAND_IN_GATE", str(harness.gate))
    code = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
    init = harness.home / "__init__.py"
    init.write_text(code + f"open({str(harness.folder / 'child')!r}, 'w').write(str(child.pid))\n")
    # When its time is over, Then the answer says so, and nothing of it is left
    assert lmms.client.get("/tasks").json() == {"tasks": [], "error": "there was no answer within 3.0s"}
    child = int((harness.folder / "child").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        left = psutil.Process(child)
        wait_for(lambda: gone(left), 10)


def test_a_python_that_there_is_not(lmms_servers, harness):
    lmms = lmms_servers(python="/no/such/python")
    assert lmms.client.get("/models").json() == {
        "models": [], "error": "the harness's Python cannot be started: No such file or directory",
    }  # fmt: skip


def test_the_python_of_the_settings_is_asked(lmms_servers, harness, tmp_path):
    # Given a Python of the operator's choice
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\necho "$$" > {tmp_path}/asked\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    lmms = lmms_servers(python=str(wrapper))
    assert lmms.client.get("/tasks").json() == TASKS
    assert (tmp_path / "asked").exists()


def test_a_spool_of_lm_eval_lists_what_that_knows(lmms_servers, store, tmp_path, monkeypatch):
    # Given a stand-in for the other harness, whose models are in a registry
    home = tmp_path / "lm_eval"
    (home / "api").mkdir(parents=True)
    for package in ("", "api"):
        (home / package / "__init__.py").touch()
    (home / "tasks.py").write_text("class TaskManager:\n    all_tasks = ['mmlu', 'gsm8k']\n")
    (home / "models.py").write_text("from lm_eval.api.registry import MODEL_REGISTRY\nMODEL_REGISTRY['hf'] = 1\n")
    (home / "api" / "registry.py").write_text("MODEL_REGISTRY = {'vllm': 1}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    store.settings = dataclasses.replace(store.settings, default_recipe="lm-eval")
    lmms = lmms_servers()
    assert lmms.client.get("/tasks").json() == {"tasks": ["mmlu", "gsm8k"]}
    assert lmms.client.get("/models").json() == {"models": ["hf", "vllm"]}


def test_a_server_that_ends_takes_the_harness_with_it(store, harness, monkeypatch):
    # Given a harness that is being asked
    monkeypatch.setenv("STAND_IN_GATE", str(harness.gate))

    async def scenario() -> None:
        made = Catalogue(Face(store, store.settings.server))
        asked = asyncio.ensure_future(made.body("tasks"))
        while not harness.calls():
            await asyncio.sleep(0.01)
        # When the server stops, Then the process goes
        await made.stop()
        asked.cancel()

    asyncio.run(scenario())
    ((pid, *_),) = harness.calls()
    wait_for(lambda: not psutil.pid_exists(int(pid)), 10, "its end")


def test_who_goes_away_takes_nobodys_answer(store, harness, monkeypatch):
    monkeypatch.setenv("STAND_IN_GATE", str(harness.gate))

    async def scenario() -> None:
        made = Catalogue(Face(store, store.settings.server))
        first, second = (asyncio.ensure_future(made.body("tasks")) for _ in range(2))
        while not harness.calls():
            await asyncio.sleep(0.01)
        first.cancel()
        harness.gate.touch()
        assert b"mmmu_val" in await second

    asyncio.run(scenario())
    assert len(harness.calls()) == 1
