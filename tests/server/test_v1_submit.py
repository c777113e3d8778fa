"""`POST /api/v1/jobs`, `/jobs/batch`, `/validate`."""

import errno
from concurrent.futures import ThreadPoolExecutor

from spoolq.submit import publish
from spoolq.transitions import State
from tests.server.live import Live
from tests.spooltest.jobs import claimed, ended
from tests.spooltest.trees import places, queue

COMMAND = {"command": ["true"]}


def test_a_request_is_a_job(live, store):
    # Given a bare request, When it is submitted
    answer = live.client.post("/api/v1/jobs", json=COMMAND)
    # Then it is queued, and its record and its place are told
    assert answer.status_code == 201
    job = answer.json()
    assert queue(store) == [job["job_id"]]
    assert answer.headers["location"] == f"/api/v1/jobs/{job['job_id']}"
    assert (job["status"], job["position_in_queue"], job["request"]) == ("queued", 0, COMMAND)
    assert live.client.get(answer.headers["location"]).json() == job


def test_an_envelope_says_how_it_runs(live, store):
    before = live.post("/jobs", COMMAND, 201)
    job = live.post("/jobs", {"request": COMMAND, "priority": "high", "timeout": "2h", "max_attempts": 2}, 201)
    assert (job["priority"], job["timeout"], job["max_attempts"], job["position_in_queue"]) == ("high", 7200.0, 2, 0)
    assert queue(store) == [job["job_id"], before["job_id"]]


def test_a_request_that_cannot_be_names_its_field_and_queues_nothing(live, store):
    for document, field in (
        ({"command": []}, "command"),
        ({"model": "hf"}, None),
        ({"request": COMMAND, "priority": "top"}, "priority"),
        ({"request": COMMAND, "recipe": "nope"}, "recipe"),
        ({"request": {"model": "hf", "tasks": ["/etc/x.yaml"]}, "recipe": "lm-eval"}, "tasks.0"),
    ):
        body = live.post("/jobs", document, 422)
        assert body["detail"].startswith("cannot submit: ")
        assert body["field"] == field
    assert queue(store) == []


def test_a_body_that_is_no_object_says_where(live, store):
    for body, said in (
        (b'{"command": ["true"', "line 1, column 20"), (b"[1]", "a list"), (b"", "empty"), (b"\xff", "not UTF-8"),
        (b'{"a": NaN}', "no JSON number"), (b'{"a": 1, "a": 2}', "twice"), (b"[" * 100_000, "nested"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too long"), (b'{"command": ["\\ud800"]}', "surrogate"),
    ):  # fmt: skip
        answer = live.client.post("/api/v1/jobs", content=body)
        assert answer.status_code == 422, body[:40]
        assert said in answer.json()["detail"]
    assert queue(store) == []


def test_a_body_that_is_too_large_is_not_read(live, store):
    for content in (b"x" * (1 << 20 | 1), iter([b"x" * (1 << 20), b"x"])):
        assert live.client.post("/api/v1/jobs", content=content).status_code == 413
    assert live.client.post("/api/v1/pause", content=iter([b"x" * (1 << 20), b"x"])).status_code == 413
    assert queue(store) == []


def test_the_same_key_is_the_same_job(live, store):
    # Given a job submitted with a key
    headers = {"Idempotency-Key": "night 7"}
    first = live.client.post("/api/v1/jobs", json=COMMAND, headers=headers)
    # When it comes again, while it waits, while it runs, and when it is over
    stem = live.face.view.find(first.json()["job_id"]).stem
    again = [live.client.post("/api/v1/jobs", json=COMMAND, headers=headers)]
    claimed_job = claimed(store, stem)
    again.append(live.client.post("/api/v1/jobs", json=COMMAND, headers=headers))
    store.disk.rename(store.layout.running(claimed_job.running), store.layout.queued(stem))
    ended(store, stem)
    again.append(live.client.post("/api/v1/jobs", json=COMMAND, headers=headers))
    # Then it is that job, as it is then
    assert [answer.status_code for answer in (first, *again)] == [201, 200, 200, 200]
    assert {answer.json()["job_id"] for answer in again} == {stem.uuid}
    assert [answer.json()["status"] for answer in again] == ["queued", "running", "completed"]
    assert again[0].headers["location"] == first.headers["location"]
    assert len(places(store)) == 1


def test_a_key_of_another_request_is_refused(live):
    live.post("/jobs", COMMAND, 201, **{"Idempotency-Key": "k"})
    body = live.post("/jobs", {"command": ["false"]}, 409, **{"Idempotency-Key": "k"})
    assert "the key 'k' was used for another request" in body["detail"]
    assert live.post("/jobs", COMMAND, 422, **{"Idempotency-Key": "k" * 256})["field"] == "idempotency-key"


def test_one_key_at_two_servers_at_once_is_one_job(live, store):
    other = Live(store)
    try:
        with ThreadPoolExecutor(16) as clients:
            asked = [
                clients.submit(server.post, "/jobs", {"command": ["echo", str(n)]}, 201, **{"Idempotency-Key": str(n)})
                for n in range(4)
                for server in (live, other)
            ]
            answers = [job.exception() or job.result() for job in asked]
    finally:
        other.stop()
    # One of the two was 201, the other 200, which `post` takes for a fault
    assert len(places(store)) == 4
    assert sum(isinstance(answer, dict) for answer in answers) == 4


def test_a_batch_is_queued_in_its_order(live, store):
    jobs = live.post("/jobs/batch", {"jobs": [COMMAND, {"request": COMMAND, "priority": "low"}, COMMAND]}, 201)["jobs"]
    ids = [job["job_id"] for job in jobs]
    assert queue(store) == [ids[0], ids[2], ids[1]]
    assert [job["position_in_queue"] for job in jobs] == [0, 2, 1]


def test_a_batch_with_one_fault_queues_none(live, store):
    body = live.post("/jobs/batch", {"jobs": [COMMAND, {"command": []}]}, 422)
    assert body["field"] == "jobs.1.command"
    assert "Nothing was queued" in body["detail"]
    for jobs in ([], "x", None, [1], [COMMAND] * 1001):
        assert live.post("/jobs/batch", {"jobs": jobs}, 422)["field"] in ("jobs", "jobs.0")
    assert queue(store) == []


def test_a_batch_on_a_disk_that_fills_up_queues_none(live, store, monkeypatch):
    # Given a disk that takes two jobs and no third
    taken = 0

    def refusing(*args, **named):
        nonlocal taken
        taken += 1
        if taken > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*args, **named)

    write = type(store.disk).write_new
    monkeypatch.setattr(type(store.disk), "write_new", refusing)
    # When three are submitted at once, Then it says to try again, and none of them waits
    assert live.post("/jobs/batch", {"jobs": [COMMAND] * 3}, 503)["detail"].startswith("the spool cannot be used")
    assert queue(store) == []


def test_a_batch_with_a_key_is_the_same_jobs(live, store):
    batch = {"jobs": [COMMAND, COMMAND, {"command": ["false"]}]}
    first = live.post("/jobs/batch", batch, 201, **{"Idempotency-Key": "b"})["jobs"]
    again = live.post("/jobs/batch", batch, 201, **{"Idempotency-Key": "b"})["jobs"]
    assert [job["job_id"] for job in again] == [job["job_id"] for job in first]
    assert len(places(store)) == 3
    # And one that was cut off in the middle goes on
    for job in first[1:]:
        store.disk.unlink(store.layout.queued(live.face.view.find(job["job_id"]).stem))
    live.post("/jobs/batch", batch, 201, **{"Idempotency-Key": "b"})
    assert sorted(places(store)) == sorted(job["job_id"] for job in first)
    other = live.post("/jobs/batch", {"jobs": [{"command": ["x"]}]}, 409, **{"Idempotency-Key": "b"})
    assert "the key 'b' was used for another request" in other["detail"]


def test_validate_fills_in_the_defaults_and_queues_nothing(live, store):
    said = live.post("/validate", {"model": "hf", "tasks": ["mmlu"]})
    assert (said["ok"], said["recipe"]) == (True, "lmms-eval")
    assert said["request"]["log_samples"] is True
    assert live.post("/validate", {"command": ["true"], "env": {"MY_TOKEN": "x"}})["request"]["env"] == {
        "MY_TOKEN": "***"
    }
    assert live.post("/validate", {"model": "hf", "tasks": "mmlu"}, 422)["field"] == "tasks"
    assert queue(store) == []


def test_what_was_submitted_is_found_by_whoever_asks_next(live, store):
    for n in range(20):
        stem = publish(store, {"command": ["echo", str(n)]})
        assert live.get(f"/jobs/{stem.uuid}")["job_id"] == stem.uuid
        assert live.get("/jobs/last")["job_id"] == stem.uuid


def test_a_spool_that_is_gone_is_no_fault_of_the_request(live, store):
    away = store.layout.state(State.QUEUED).rename(store.root / "away")
    try:
        answer = live.client.post("/api/v1/jobs", json=COMMAND)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert str(store.root) not in answer.text
        live.get("/jobs", 503)
        live.get("/status", 503)
    finally:
        away.rename(store.layout.state(State.QUEUED))
    live.post("/jobs", COMMAND, 201)
