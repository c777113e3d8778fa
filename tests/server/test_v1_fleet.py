"""`GET /api/v1/pools`, `/workers`, `/recipes`."""

import subprocess
import sys

from spoolq import pools
from spoolq.claims import claim
from spoolq.lock import lock_directory
from spoolq.stock import add
from spoolq.store import Store
from spoolq.submit import publish
from tests.server.live import Live
from tests.spooltest.jobs import claimed, submitted
from tests.spooltest.waiting import wait_for


def test_pools_their_leases_and_who_waits(live, store):
    # Given two resources of a type, one of them leased, and two jobs that need one
    assert live.get("/pools") == {"pools": []}
    add(store, "sim", {"host": "a", "port": 1, "env": {"API_TOKEN": "x"}}), add(store, "sim", {"host": "b", "port": 2})
    pools.acquire(store, "sim", "me@gpu-07/4", "job 1")
    for _ in range(2):
        publish(store, {"request": {"x": 1}, "resource_type": "sim"})
    submitted(store)
    # When the pools are asked for
    (pool,) = live.get("/pools")["pools"]
    # Then there they are
    assert (pool["type"], pool["total"], pool["used"], pool["utilisation"]) == ("sim", 2, 1, 0.5)
    assert (pool["draining"], pool["waiting"]) == (False, 2)
    leased, free = pool["resources"]
    assert leased["resource"] == {"host": "a", "port": 1, "env": {"API_TOKEN": "***"}}
    assert (leased["lease"]["worker"], leased["lease"]["job_id"]) == ("me@gpu-07/4", "job 1")
    assert leased["lease"]["heartbeat_at"].endswith("+00:00")
    assert free == {"index": 1, "resource": {"host": "b", "port": 2}, "lease": None}


def test_runners_of_other_hosts_are_known_by_what_they_run(live, store):
    other = Store(store.root, host="host-b")
    stem = submitted(store)
    assert claim(other, stem, "gpu3") is not None
    said = live.get("/workers")
    assert said["runners"] == [{"slot": "gpu3", "host": "host-b", "busy": True, "job_id": stem.uuid}]
    assert said["workers"] == []


def test_runners_of_this_host_are_known_by_their_locks(store):
    # Given a real runner on this host
    root = Store(store.root)
    argv = [sys.executable, "-m", "spoolq", "run", "--spool", str(store.root), "--slots", "a=0"]
    served = Live(root)
    try:
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as runner:
            try:
                # When it idles, Then it is there, and not busy
                wait_for(lambda: served.get("/workers")["runners"], 20)
                assert served.get("/workers")["runners"] == [
                    {"slot": "a", "host": root.host, "busy": False, "job_id": None}
                ]
                # And when it runs a job, it is
                job = served.post("/jobs", {"command": ["sleep", "60"]}, 201)["job_id"]
                wait_for(lambda: served.get("/workers")["runners"][0]["busy"], 20)
                assert served.get("/workers")["runners"][0]["job_id"] == job
                served.post(f"/jobs/{job}/cancel", status=202)
                wait_for(lambda: served.get(f"/jobs/{job}")["status"] == "cancelled", 20)
            finally:
                runner.terminate()
                runner.wait(20)
        assert lock_directory(None)
    finally:
        served.stop()


def test_recipes_and_their_parameters(store):
    (store.layout.settings).write_text(
        """
[recipes.orchestrator]
command = ["run", "--n", "{n}", ["--fast", "{fast}"]]
[recipes.orchestrator.parameters.n]
type = "int"
min = 1
max = 9
default = 3
help = "How many."
[recipes.orchestrator.parameters.fast]
type = "bool"
[recipes.broken]
command = ["x", "{nothing}"]
"""
    )
    served = Live(Store(store.root))
    try:
        recipes = {recipe["name"]: recipe for recipe in served.get("/recipes")["recipes"]}
    finally:
        served.stop()
    assert [name for name, recipe in recipes.items() if recipe["default"]] == ["lmms-eval"]
    assert recipes["orchestrator"]["parameters"][0] == {
        "name": "n", "type": "int", "required": False, "default": 3, "help": "How many.", "choices": None, "min": 1,
        "max": 9,
    }  # fmt: skip
    assert recipes["broken"]["parameters"] is None
    named = {parameter["name"]: parameter for parameter in recipes["lm-eval"]["parameters"]}
    assert (named["model"]["type"], named["model"]["required"]) == ("str", True)
    assert (named["tasks"]["type"], named["seed"]["max"]) == ("list", 2**32 - 1)
    assert named["log_samples"] == {
        "name": "log_samples", "type": "bool", "required": False, "default": True, "help": "", "choices": None,
        "min": None, "max": None,
    }  # fmt: skip


def test_only_the_recipes_that_are_open_over_http(store):
    served = Live(store, recipes=["lm-eval"])
    try:
        assert [recipe["name"] for recipe in served.get("/recipes")["recipes"]] == ["lm-eval"]
    finally:
        served.stop()


def test_a_remote_workers_job_is_his(live, store):
    # Given a job that a remote worker has taken, as the routes of the eval-jobqueue make it
    taken = claimed(store, publish(store, {"request": {"x": 1}, "resource_type": "sim"}), "worker")
    said = live.get("/workers")
    assert said["runners"] == []
    assert [worker["jobs"][0]["job_id"] for worker in said["workers"]] == [taken.running.stem.uuid]
