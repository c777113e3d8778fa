"""The benchmark-run routes: each row of the contract, against a real server and a real runner."""

import re
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from spoolq.api import Spool
from spoolq.find import find
from spoolq.store import Store
from tests.server.benchmark_lab import Lab, lives
from tests.server.conftest import Served
from tests.spooltest.jobs import claimed
from tests.spooltest.waiting import wait_for

NOBODY = "00000000-0000-4000-8000-000000000000"
REQUEST = {
    "experiments": ["all"], "n": 1000, "seed": 42, "no_perf": False, "perf_rounds": 5, "ci_mode": False, "notes": "",
}  # fmt: skip


@pytest.fixture
def lab(serving: Served) -> Iterator[Lab]:
    """A lab whose server runs, and no runner yet."""
    made = Lab(serving)
    serving.start()
    yield made
    made.close()


def test_start_answers_a_running_run_with_every_field(lab):
    # Given a runner, When a run is started with some fields said
    lab.run()
    began = time.monotonic()
    status = lab.start("hold", seed=7, notes="for the paper", colour="blue")
    # Then it answers at once that it runs, with the request's defaults filled in and nothing unknown echoed
    assert time.monotonic() - began < 2
    assert status.keys() == {
        "job_id", "status", "started_at", "finished_at", "run_id", "config", "current_experiment", "current_step",
        "progress_pct",
    }  # fmt: skip
    assert (status["status"], status["finished_at"], status["run_id"]) == ("running", None, None)
    assert status["config"] == {**REQUEST, "experiments": ["hold"], "seed": 7, "notes": "for the paper"}
    # And when it runs it tells how far it is, and at its end when it was, in UTC
    lab.pid()
    running = lab.job(status["job_id"])
    assert (running["current_experiment"], running["current_step"], running["progress_pct"]) == ("hold", "run", 12.5)
    lab.release()
    ended = lab.wait(status["job_id"])
    assert ended["status"] == "completed"
    assert re.fullmatch(r".*\+00:00", ended["started_at"]) and re.fullmatch(r".*\+00:00", ended["finished_at"])
    assert datetime.fromisoformat(ended["started_at"]) < datetime.fromisoformat(ended["finished_at"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "--no-build"),
        ({"no_perf": True}, "--no-build --no-perf"),
        ({"ci_mode": True, "no_perf": True}, "--no-build --no-perf --ci"),
    ],
)
def test_the_command_line_is_the_originals(lab, flags, words):
    # Given a runner, When a run of two experiments is started
    lab.run()
    job_id = lab.start("quick", "short", n=20, perf_rounds=3, **flags)["job_id"]
    lab.wait(job_id)
    # Then the orchestrator was called as the original calls it
    assert lab.get(f"/jobs/{job_id}/logs").text.splitlines()[0] == (
        f"argv pipeline/orchestrator.py --experiments quick,short --n 20 --seed 42 --perf-rounds 3 {words}"
    )


def test_start_without_a_runner_answers_after_two_seconds_that_it_waits(lab):
    # Given no runner, When a run is started
    began = time.monotonic()
    answer = lab.post("/start")
    # Then it says after 2 s what it is, and a runner that comes takes it
    assert 1.9 < time.monotonic() - began < 6
    assert (answer.status_code, answer.json()["status"], answer.json()["started_at"]) == (200, "pending", None)
    assert answer.json()["config"] == {**REQUEST, "experiments": ["all"]}
    lab.run()
    assert lab.wait(answer.json()["job_id"])["status"] == "completed"


def test_a_run_that_fails_is_failed(lab):
    # Given a runner, When the orchestrator exits with 3
    lab.run()
    ended = lab.wait(lab.start("fail")["job_id"])
    # Then the run has failed, and its log says why
    assert ended["status"] == "failed"
    assert lab.get(f"/jobs/{ended['job_id']}/logs").text.splitlines()[-1] == "it is broken"


def test_a_run_that_cannot_be_started_is_failed(lab):
    # Given a lab without its orchestrator's folder, When a run is started
    (lab.folder / "pipeline" / "orchestrator.py").unlink()
    (lab.folder / "pipeline").rmdir()
    lab.folder.rmdir()
    lab.run()
    # Then it has failed rather than run for ever
    assert lab.wait(lab.start("quick")["job_id"])["status"] == "failed"


def test_only_one_run_at_a_time(lab):
    # Given a run that runs, When another one is started, Then it is refused, on this route only
    lab.run()
    job_id = lab.start("hold")["job_id"]
    answer = lab.post("/start")
    assert (answer.status_code, answer.json()) == (409, {"detail": "A benchmark is already running"})
    Spool(lab.served.path).submit({"experiments": ["quick"]}, recipe="orchestrator")
    # And while that one waits it is refused, too; when both have ended it is not
    lab.release()
    lab.wait(job_id)
    wait_for(lambda: all(job["finished_at"] for job in lab.get("/jobs").json()), 20)
    assert lab.start("quick")["status"] in ("running", "completed")


def test_a_run_that_waits_is_in_the_way_too(lab):
    # Given a run without a runner, When another one is started, Then it is refused
    lab.start("quick")
    assert lab.post("/start").status_code == 409


def test_of_several_starts_at_once_at_two_servers_one_is_taken(lab, tmp_path_factory):
    # Given a second server on the spool, and a runner
    other = Served.__new__(Served)
    other.__dict__ = {**lab.served.__dict__, "process": None, "said_to": tmp_path_factory.mktemp("other") / "serve.log"}
    other.start()
    lab.run()
    try:
        for _ in range(4):
            answers: list[int] = []
            gate = threading.Barrier(4)

            def ask(served: Served, gate=gate, answers=answers) -> None:
                with served.client() as client:
                    client.get("/api/benchmark/jobs")  # connected before the start
                    gate.wait(10)
                    answers.append(client.post("/api/benchmark/start", json={"experiments": ["hold"]}).status_code)

            # When four clients start a run at the same moment, two at each server
            threads = [threading.Thread(target=ask, args=(served,)) for served in (lab.served, other) * 2]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            # Then one has started it, and the others are told so
            assert sorted(answers) == [200, 409, 409, 409]
            lab.release()
            wait_for(lambda: all(job["finished_at"] for job in lab.get("/jobs").json()), 20)
            (lab.folder / "release").unlink()
        assert [job["status"] for job in lab.get("/jobs").json()] == ["completed"] * 4
    finally:
        other.kill()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", f"/jobs/{NOBODY}"),
        ("post", f"/jobs/{NOBODY}/cancel"),
        ("get", f"/jobs/{NOBODY}/logs"),
        ("get", "/jobs/..x"),
    ],
)
def test_an_unknown_run_is_not_found(lab, method, path):
    # Given no such run, When it is asked for, Then the answer is the original's
    answer = getattr(lab, method)(path)
    job = path.split("/")[2]
    assert (answer.status_code, answer.json()) == (404, {"detail": f"Job '{job}' not found"})


def test_a_job_of_another_recipe_is_no_run(lab):
    # Given a job that is no benchmark run, by itself and beside one of this recipe from the command line
    spool = Spool(lab.served.path)
    other = spool.submit({"command": ["true"]}).job_id
    ours = spool.submit({"experiments": ["quick"], "n": 30}, recipe="orchestrator").job_id
    # When runs are asked for, Then there is only the latter, and every client of the API finds both by these ids
    assert [job["job_id"] for job in lab.get("/jobs").json()] == [ours]
    assert lab.job(ours)["config"] == {**REQUEST, "experiments": ["quick"], "n": 30}
    assert lab.get(f"/jobs/{other}").status_code == 404
    assert lab.post(f"/jobs/{other}/cancel").status_code == 404
    assert spool.get(other).status == "queued"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"n": "many"}, ["body", "n"]),
        ({"experiments": "kepler"}, ["body", "experiments"]),
        ({"no_perf": "perhaps"}, ["body", "no_perf"]),
    ],
)
def test_a_request_of_the_wrong_form_is_told_where(lab, body, where):
    # Given a field of the wrong type, When a run is started, Then the list names the field, and nothing was queued
    answer = lab.post("/start", **body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, where)
    assert lab.get("/jobs").json() == []


@pytest.mark.parametrize("n", [9, 100001])
def test_ranges_are_the_recipes(lab, n):
    # Given a number out of the recipe's range, When a run is started, Then the words say what would fit
    answer = lab.post("/start", n=n)
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": "field `n`: is out of range; write a whole number from 10 to 100000", "field": "n",
    }  # fmt: skip


def test_without_a_recipe_start_says_which_setting_to_make(served):
    # Given a spool whose operator has set up nothing, When a run is started
    with served.client() as client:
        answer = client.post("/api/benchmark/start", json={})
        # Then the words say what to set, and there are no runs
        assert answer.status_code == 503
        assert "[recipes.orchestrator]" in answer.json()["detail"] and "[benchmark]" in answer.json()["detail"]
        assert client.get("/api/benchmark/jobs").json() == []


def test_cancel_ends_a_stubborn_run_with_all_that_it_started(lab):
    # Given a run that does not care for SIGTERM, with a grandchild that has left its process group
    lab.run()
    job_id = lab.start("stubborn", "family", "hold")["job_id"]
    pids = [lab.pid(), lab.pid("child")]
    # When it is cancelled
    began = time.monotonic()
    answer = lab.post(f"/jobs/{job_id}/cancel")
    took = time.monotonic() - began
    # Then it was given its 2 s, the answer tells the end, and nothing of it lives
    assert 2 <= took < 6
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["finished_at"] is not None
    assert [lives(pid) for pid in pids] == [False, False]
    # And its log shows it, was asked once, and the runner is free at once
    said = lab.get(f"/jobs/{job_id}/logs").text.split("\n")
    assert said[-2:] == ["not yet", "Benchmark execution cancelled by user."]
    (lab.folder / "pid").unlink()
    assert lab.start("hold")["status"] == "running"
    again = lab.post(f"/jobs/{job_id}/cancel")
    assert (again.status_code, again.json()) == (409, {"detail": f"Job '{job_id}' is not running (status: cancelled)"})


def test_cancel_of_a_run_that_obeys_is_quick(lab):
    # Given a run that ends at SIGTERM, When it is cancelled, Then nobody waits for the grace
    lab.run()
    job_id = lab.start("hold")["job_id"]
    pid = lab.pid()
    began = time.monotonic()
    assert lab.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert time.monotonic() - began < 2
    assert not lives(pid)


def test_cancel_of_a_run_that_waits(lab):
    # Given a run that no runner has taken, When it is cancelled, Then that is done at once, and its log says so
    job_id = lab.start("quick")["job_id"]
    answer = lab.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["started_at"]) == (200, "cancelled", None)
    assert lab.get(f"/jobs/{job_id}/logs").text == "Benchmark execution cancelled by user."
    assert lab.post("/start").status_code == 200


@pytest.mark.parametrize(("experiment", "status"), [("quick", "completed"), ("fail", "failed")])
def test_what_has_ended_cannot_be_cancelled(lab, experiment, status):
    # Given a run that has ended, When it is cancelled, Then the answer says how it ended, and it stays so
    lab.run()
    job_id = lab.wait(lab.start(experiment)["job_id"])["job_id"]
    answer = lab.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()) == (
        409,
        {"detail": f"Job '{job_id}' is not running (status: {status})"},
    )
    assert lab.job(job_id)["status"] == status


def test_a_cancel_that_the_disk_refuses_has_failed(lab):
    # Given a run that is claimed, and a spool in which nobody can ask for anything
    store = Store(lab.served.path)
    job_id = Spool(lab.served.path).submit({"experiments": ["hold"]}, recipe="orchestrator").job_id
    claimed(store, find(store, job_id).stem)
    store.layout.control.rename(lab.served.path / "elsewhere")
    for stands in ("nothing", "a file"):
        if stands == "a file":
            store.layout.control.touch()
        # When it is cancelled, Then the answer is the original's, and names no path
        answer = lab.post(f"/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()) == (500, {"detail": "Failed to cancel job"})


def test_the_log_is_plain_text_whatever_it_holds(lab):
    # Given a run that printed markup, an escape sequence, a byte that is no UTF-8, and every kind of line end
    lab.run()
    job_id = lab.wait(lab.start("strange")["job_id"])["job_id"]
    answer = lab.get(f"/jobs/{job_id}/logs")
    # Then its lines are joined by line feeds, and no browser takes them for a page
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text.split("\n")[2:] == ["<script>alert(1)</script> \x1b[31m� one", "two", "three", "", "last"]


def test_history_is_the_spools_and_survives_every_kill(lab):
    # Given three runs that ended in three ways, and one that runs
    lab.run()
    runs = [lab.wait(lab.start(what)["job_id"]) for what in ("quick", "fail")]
    runs.append(lab.post(f"/jobs/{lab.start('hold')['job_id']}/cancel").json())
    (lab.folder / "pid").unlink(missing_ok=True)
    running = lab.start("hold")["job_id"]
    pid = lab.pid()
    # When the server is killed in the middle, and started again
    lab.served.kill()
    lab.served.restart()
    # Then it tells the same in the same order, the run has gone on, and is in the way of another
    assert lab.get("/jobs").json()[:3] == runs
    assert [job["status"] for job in lab.get("/jobs").json()] == ["completed", "failed", "cancelled", "running"]
    assert lives(pid) and lab.post("/start").status_code == 409
    lab.release()
    assert lab.wait(running)["status"] == "completed"


def test_a_run_whose_runner_was_killed_with_all_its_processes_does_not_run_for_ever(lab):
    # Given a run whose watcher, runner, shim and evaluation are killed
    import psutil

    watcher = lab.run()
    job_id = lab.start("hold")["job_id"]
    lab.pid()
    family = [watcher, *psutil.Process(watcher.pid).children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGKILL)
    watcher.wait()
    # When a runner is started again, Then it runs the run a second time, which ends
    (lab.folder / "pid").unlink()
    lab.run()
    lab.pid()
    assert lab.job(job_id)["status"] == "running"
    lab.release()
    assert lab.wait(job_id)["status"] == "completed"


def test_the_routes_are_in_the_description(served):
    # Given the server's description, When it is read, Then the routes are there with their errors
    with served.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert paths["/api/benchmark/start"]["post"]["responses"].keys() >= {"200", "409", "422", "503"}
    assert paths["/api/benchmark/jobs"]["get"]["responses"].keys() >= {"200"}
    cancel = paths["/api/benchmark/jobs/{job_id}/cancel"]["post"]["responses"]
    assert cancel.keys() >= {"200", "404", "409", "422", "500"}
    logs = paths["/api/benchmark/jobs/{job_id}/logs"]["get"]["responses"]
    assert list(logs["200"]["content"]) == ["text/plain"]
