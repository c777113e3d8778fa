"""Cancel, retry, another priority, pause, resume and prune over HTTP."""

import time

import pytest

from spoolq import control
from spoolq.find import find
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, submitted
from tests.spooltest.trees import assert_state, places, queue

UNKNOWN = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


def test_cancel_ends_what_waits_and_asks_what_runs(live, store):
    # Given a job that waits and one that runs
    runs, waits = claimed(store, submitted(store)).running.stem, submitted(store)
    # When both are cancelled
    done = live.post(f"/jobs/{waits.uuid}/cancel", status=200)
    asked = live.post(f"/jobs/{runs.uuid[:13]}/cancel", status=202)
    # Then the one is over, and whoever runs the other is asked to stop it
    assert done == {"job_id": waits.uuid, "status": "cancelled"}
    assert asked == {"job_id": runs.uuid, "status": "requested"}
    assert_state(store, waits.uuid, State.CANCELLED)
    assert control.read(store).cancels(runs.key, None)
    assert live.get(f"/jobs/{waits.uuid}")["outcome"] == "cancelled"


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_move_that_the_state_does_not_allow(live, store, verb):
    job = ended(store, submitted(store)).stem.uuid
    body = live.post(f"/jobs/{job}/{verb}", status=409)
    assert body["detail"].startswith(f"cannot {verb} job {job}: it is completed. Only ")
    assert live.post(f"/jobs/{UNKNOWN}/{verb}", status=404)["detail"] == f"Job {UNKNOWN} not found"


def test_retry_puts_a_job_back_where_it_stood(live, store):
    failed, later = ended(store, submitted(store), "exit").stem, submitted(store)
    assert live.post(f"/jobs/{failed.uuid}/retry") == {"job_id": failed.uuid, "status": "queued"}
    assert queue(store) == [failed.uuid, later.uuid]
    assert live.get(f"/jobs/{failed.uuid}")["position_in_queue"] == 0


def test_another_priority_is_another_place(live, store):
    first, second = submitted(store), submitted(store)
    answer = live.client.put(f"/api/v1/jobs/{second.uuid}/priority", json={"priority": "urgent"})
    assert (answer.status_code, answer.json()) == (200, {"job_id": second.uuid, "position_in_queue": 0})
    assert live.ids() == queue(store) == [second.uuid, first.uuid]
    for body in ({"priority": "top"}, {}, {"priority": "low", "x": 1}, ["low"]):
        assert live.client.put(f"/api/v1/jobs/{second.uuid}/priority", json=body).status_code == 422
    over = ended(store, first).stem.uuid
    assert live.client.put(f"/api/v1/jobs/{over}/priority", json={"priority": "low"}).status_code == 409


def test_pause_and_resume(live, store):
    # Given a job, When the queue is paused, Then that is why it waits
    job = submitted(store).uuid
    assert live.post("/pause", {"reason": "maintenance"}) == {"paused": True}
    assert live.post("/pause") == {"paused": True}
    assert live.get(f"/jobs/{job}")["reason"] == "the queue is paused: maintenance"
    assert live.get("/status")["pause"]["reason"] == "maintenance"
    # And when it is resumed, it waits for a runner
    assert live.post("/resume") == {"paused": False}
    assert live.post("/resume") == {"paused": False}
    assert live.get(f"/jobs/{job}")["reason"].startswith("no runner on this host")
    assert live.post("/pause", {"reason": "x" * 501}, 422)["field"] == "reason"
    for body in (b"\xff", b"[" * 50_000, b'{"reason": '):
        assert (
            live.client.post("/api/v1/pause", content=body, headers={"content-type": "application/json"}).status_code
            == 422
        )
    assert not control.read(store).paused


def test_prune_says_what_would_go_and_removes_it(live, store):
    # Given three jobs that have ended, and one that waits
    stems = [ended(store, submitted(store), outcome).stem.uuid for outcome in ("exit", "succeeded", "exit")]
    waits = submitted(store).uuid
    # When it is asked what would go, Then nothing goes
    would = live.post("/prune", {"keep": 1, "dry_run": True})
    assert would["jobs"] == {"completed": [stems[1]], "failed": [stems[0]]}
    assert would["bytes"] > 0
    assert len(places(store)) == 4
    # And without that it does, of the states that are named
    assert live.post("/prune", {"keep": 0, "states": ["failed"]})["jobs"] == {"failed": [stems[2], stems[0]]}
    assert sorted(places(store)) == sorted([stems[1], waits])
    assert live.get("/jobs")["counts"]["failed"] == 0
    time.sleep(0.01)
    assert live.post("/prune", {"older_than": "1ms"})["jobs"] == {"completed": [stems[1]]}
    # And not by mistake
    for body, field in (({}, "keep"), ({"older_than": "soon"}, "older_than"), ({"keep": -1}, "keep"),
                        ({"keep": 1, "states": ["queued"]}, "states.0"), ({"keep": 1, "states": []}, "states"),
                        ({"keep": 1, "dry": True}, "dry"), ({"older_than": 1e300}, "older_than")):  # fmt: skip
        assert live.post("/prune", body, 422)["field"] == field
    assert find(store, waits).state is State.QUEUED
