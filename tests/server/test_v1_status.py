"""`GET /api/v1/status`, the headers of every answer, and what no answer tells."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from spoolq import __version__
from spoolq.status import status
from spoolq.store import Store
from tests.server.live import Live
from tests.spooltest.jobs import claimed, ended, submitted

TOKEN, READER = "t" * 32, "r" * 32


def test_it_is_the_document_of_the_verb_and_a_little_more(live, store):
    # Given jobs in every state
    claimed(store, submitted(store)), ended(store, submitted(store)), submitted(store)
    # When it is asked for
    seen = live.get("/status")
    # Then it is what `spoolq status --json` says, but for the place
    said = status(store)
    for key in set(said) - {"spool", "running", "waiting"}:
        assert seen[key] == said[key], key
    assert seen["spool"] == store.root.name
    assert [job["job_id"] for job in seen["waiting"]] == [job["job_id"] for job in said["waiting"]]
    assert [job["job_id"] for job in seen["running"]] == said["running_jobs"]
    assert (seen["version"], seen["read_only"], seen["token_required"]) == (__version__, False, False)


def test_who_may_only_look_is_told_so(store):
    served = Live(store, token=TOKEN, read_only_token=READER)
    try:
        for token, reading in ((TOKEN, False), (READER, True)):
            headers = {"Authorization": f"Bearer {token}"}
            seen = served.client.get("/api/v1/status", headers=headers).json()
            assert (seen["read_only"], seen["token_required"]) == (reading, True)
        reads = {"Authorization": f"Bearer {READER}"}
        assert served.client.post("/api/v1/pause", headers=reads).status_code == 403
        assert served.client.get("/metrics", headers=reads).status_code == 200
        assert served.client.get("/api/v1/events", headers={"Authorization": ""}).status_code == 401
    finally:
        served.stop()


def test_troubles_are_told_without_their_place(store):
    # Given a drop that nobody has admitted for an hour
    store.layout.drop("night.json").write_text("{}")
    served = Live(Store(store.root, clock=lambda: time.time() + 3600))
    try:
        seen = served.client.get("/api/v1/status")
    finally:
        served.stop()
    # When the queue is looked at, Then that is told, by its path in the spool
    assert [trouble["path"] for trouble in seen.json()["troubles"]] == ["queued/night.json"]
    assert str(store.root) not in seen.text


def test_all_who_ask_at_once_share_a_look(live, monkeypatch):
    # Given a look that takes a while
    looks = []
    ready = threading.Event()

    def slow(store, **named):
        looks.append(store)
        ready.wait(5)
        return status(store, **named)

    monkeypatch.setattr("spoolq.server.v1_status.status", slow)
    # When thirty ask at once
    with ThreadPoolExecutor(30) as clients:
        answers = [clients.submit(live.get, "/status") for _ in range(30)]
        threading.Timer(0.3, ready.set).start()
        assert all(answer.result()["paused"] is False for answer in answers)
    # Then two looks have served them: the one that was under way, and the one after it
    assert len(looks) <= 3


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/jobs/x", "/nowhere", "/metrics", "/openapi.json"])
def test_every_answer_has_the_headers_that_guard_it(live, path):
    answer = live.client.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_a_refusal_has_them_too(store):
    served = Live(store, token=TOKEN)
    try:
        answer = served.client.get("/api/v1/status", headers={"Authorization": "Bearer x"})
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (401, "nosniff")
    finally:
        served.stop()
