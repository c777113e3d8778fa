"""lmms-eval's dialect, row by row of its contract: jobs, the queue, positions, cancels."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from spoolq.find import find
from spoolq.people import prioritise, retry
from spoolq.submit import publish
from spoolq.transitions import State
from tests.server.dialect import FILLED, KEYS, REQUEST, bare, entry, taken
from tests.spooltest.jobs import conclude_as, submitted
from tests.spooltest.trees import assert_state, queue

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
NOBODY = "00000000-0000-4000-8000-000000000000"


def test_health_says_when_and_how_many_wait(lmms):
    # Given two queued jobs, When the health is asked for
    lmms.submit()
    lmms.submit()
    answer = lmms.client.get("/health")
    # Then it is healthy, with this server's local time and no offset
    said = answer.json()
    assert list(said) == ["status", "timestamp", "queue_size"]
    assert (said["status"], said["queue_size"]) == ("healthy", 2)
    assert LOCAL.fullmatch(said["timestamp"])
    assert abs(datetime.fromisoformat(said["timestamp"]) - datetime.now()) < timedelta(seconds=20)
    assert answer.headers["content-type"] == "application/json"


def test_a_request_is_queued_with_200(lmms, store):
    # Given an empty queue, When two requests are made, Then each has an id, and says how many are before it
    for position in (0, 1):
        answer = lmms.client.post("/evaluate", json=REQUEST)
        said = answer.json()
        assert answer.status_code == 200
        assert UUID4.fullmatch(said["job_id"])
        assert list(said.items())[1:] == [
            ("status", "queued"),
            ("position_in_queue", position),
            ("message", f"Job queued successfully. Position in queue: {position}"),
        ]
    assert len(queue(store)) == 2


def test_what_is_queued_is_a_job_like_any_other(lmms, store):
    job = lmms.submit(limit="8", num_fewshot=0)
    path = store.layout.queued(find(store, job).stem)
    assert json.loads(path.read_bytes()) == {
        "recipe": "lmms-eval", "request": {**FILLED, "limit": 8, "num_fewshot": 0},
    }  # fmt: skip


def test_a_queued_job_has_nine_keys_in_order(lmms):
    # Given a job with a field of every kind
    said = {
        "model_args": {"pretrained": "org/x", "n": 1, "flag": True}, "num_fewshot": "3", "batch_size": "auto",
        "device": "cuda:1", "limit": 0.5, "gen_kwargs": "temperature=0", "log_samples": "no", "predict_only": 1,
        "num_gpus": 0, "output_dir": "", "colour": "red",
    }  # fmt: skip
    job = lmms.job(lmms.submit(**said))
    # When it is asked for, Then values are coerced, what is unknown is gone, and the rest is as it was sent
    assert list(job) == KEYS
    assert job["request"] == {
        **FILLED, "model_args": said["model_args"], "num_fewshot": 3, "batch_size": "auto", "device": "cuda:1",
        "limit": 0.5, "gen_kwargs": "temperature=0", "log_samples": False, "predict_only": True, "num_gpus": 0,
        "output_dir": "",
    }  # fmt: skip
    assert list(job["request"]) == list(FILLED)
    assert job["status"] == "queued" and job["position_in_queue"] == 0
    assert LOCAL.fullmatch(job["created_at"])
    assert [job[key] for key in ("started_at", "completed_at", "result", "error")] == [None] * 4


def test_an_empty_list_of_tasks_is_taken(lmms):
    assert lmms.job(lmms.submit(tasks=[]))["request"]["tasks"] == []


def test_the_first_job_and_one_behind_a_running_one_are_at_0(lmms, store):
    # Given a job that runs, and none that waits
    first = lmms.evaluate()
    taken(store)
    # When another is queued, Then nothing is before it
    assert (first["position_in_queue"], lmms.evaluate()["position_in_queue"]) == (0, 0)


def test_positions_do_not_count_what_was_cancelled(lmms):
    # Given five jobs, the second of them cancelled
    ids = [lmms.submit() for _ in range(5)]
    lmms.cancel(ids[1])
    # When positions are asked for, Then all agree: POST, GET, and the two sizes
    assert [lmms.job(ids[n])["position_in_queue"] for n in (0, 2, 3, 4)] == [0, 1, 2, 3]
    assert lmms.evaluate()["position_in_queue"] == 4
    assert lmms.queue()["queue_size"] == lmms.client.get("/health").json()["queue_size"] == 5


def test_jobs_of_the_same_moment_have_places_of_their_own(lmms):
    # Given twenty jobs at once, When their positions are asked for, Then they are 0 to 19, each once
    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(lambda _n: lmms.submit(), range(20)))
    assert sorted(lmms.job(job)["position_in_queue"] for job in ids) == list(range(20))


def test_the_position_goes_when_the_job_no_longer_waits(lmms, store):
    # Given a job that runs, and then has ended
    job = lmms.submit()
    attempt = taken(store)
    running = lmms.job(job)
    assert (running["status"], running["position_in_queue"], running["completed_at"]) == ("running", None, None)
    conclude_as(store, attempt, "succeeded")
    # When it is asked for, Then it has no position at any of these times
    ended = lmms.job(job)
    assert (ended["status"], ended["position_in_queue"]) == ("completed", None)
    assert LOCAL.fullmatch(ended["completed_at"])


def test_the_queue_lists_ids_in_the_order_of_service(lmms, store):
    # Given a running job, two that wait, one of them urgent, one completed, one failed, one cancelled
    entry(store, "succeeded")
    entry(store, "exit")
    running = lmms.submit()
    taken(store)
    gone, later, sooner = lmms.submit(), lmms.submit(), lmms.submit()
    lmms.cancel(gone)
    prioritise(store, find(store, sooner), "urgent")
    # When the queue is asked for, Then it has exactly these keys; the cancelled one is counted nowhere
    assert list(lmms.queue().items()) == [
        ("queue_size", 2),
        ("running_job", running),
        ("queued_jobs", [sooner, later]),
        ("completed_jobs", 1),
        ("failed_jobs", 1),
    ]


def test_an_empty_queue(lmms):
    nothing = {"queue_size": 0, "running_job": None, "queued_jobs": [], "completed_jobs": 0, "failed_jobs": 0}
    assert lmms.queue() == nothing


def test_what_others_queue_and_move_is_seen_at_once(lmms, store):
    # Given a server that has looked at the queue
    assert lmms.queue()["queued_jobs"] == []
    # When somebody else queues, claims and ends jobs, Then each next look sees it
    for _ in range(5):
        stem = submitted(store)
        assert lmms.job(stem.uuid)["status"] == "queued"
        attempt = taken(store)
        assert lmms.job(stem.uuid)["status"] == "running"
        conclude_as(store, attempt, "exit")
        assert lmms.job(stem.uuid)["status"] == "failed"
        retry(store, find(store, stem.uuid))
        assert lmms.job(stem.uuid)["status"] == "queued"
        assert lmms.cancel(stem.uuid)


def test_a_queued_job_is_cancelled(lmms, store):
    # Given a queued job, When it is cancelled
    job = lmms.submit()
    assert lmms.cancel(job) == {"message": f"Job {job} cancelled"}
    # Then it is, on disk too, with an end and without a start
    assert_state(store, job, State.CANCELLED)
    seen = lmms.job(job)
    assert (seen["status"], seen["started_at"]) == ("cancelled", None)
    assert seen["completed_at"] is not None
    # and a second cancel is refused
    assert lmms.cancel(job, 400) == {"detail": "Job already finished or cancelled"}


def test_a_running_job_is_not_cancelled(lmms, store):
    job = lmms.submit()
    taken(store)
    assert lmms.cancel(job, 400) == {"detail": "Cannot cancel a running job"}
    assert_state(store, job, State.RUNNING)


@pytest.mark.parametrize("outcome", ["succeeded", "exit"])
def test_an_ended_job_is_not_cancelled(lmms, store, outcome):
    job = entry(store, outcome).stem.uuid
    assert lmms.cancel(job, 400) == {"detail": "Job already finished or cancelled"}


@pytest.mark.parametrize("unknown", [NOBODY, "nope", "last", NOBODY[:8], NOBODY.upper().replace("0", "A"), "%20"])
def test_an_id_that_there_is_not(lmms, unknown):
    # Given no such job, When it is asked for or cancelled, Then 404 names it as it was asked for
    shown = unknown.replace("%20", " ")
    assert lmms.job(unknown, 404) == {"detail": f"Job {shown} not found"}
    assert lmms.cancel(unknown, 404) == {"detail": f"Job {shown} not found"}


def test_only_a_whole_id_is_an_id(lmms, store):
    job = lmms.submit()
    for part in (job[:8], job[:-1], job.upper(), f"{job}.json", find(store, job).stem.key, "last"):
        lmms.job(part, 404)


def test_other_paths_and_methods_answer_as_fastapi_does(lmms):
    assert (lmms.client.get("/nope").status_code, lmms.client.get("/nope").json()) == (404, {"detail": "Not Found"})
    for method, path in (("GET", "/evaluate"), ("POST", "/health"), ("PUT", "/jobs/x"), ("POST", "/queue")):
        answer = lmms.client.request(method, path)
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})


def test_the_document_has_the_schemas_of_the_original(lmms):
    schemas = lmms.client.get("/openapi.json").json()["components"]["schemas"]
    originals = {
        "EvaluateRequest", "HealthResponse", "JobInfo", "JobStatus", "JobSubmitResponse", "MergeRequest",
        "MergeResponse", "QueueStatusResponse", "HTTPValidationError", "ValidationError",
    }  # fmt: skip
    assert originals <= set(schemas)
    assert list(schemas["JobInfo"]["properties"]) == KEYS
    assert list(schemas["EvaluateRequest"]["properties"]) == list(FILLED)
    assert schemas["EvaluateRequest"]["required"] == ["model", "tasks"]


def test_a_job_that_is_dropped_without_defaults_is_shown_with_them(lmms, store):
    stem = publish(store, {**REQUEST, "num_fewshot": "3"})
    assert lmms.job(stem.uuid)["request"] == {**FILLED, "num_fewshot": 3}


def test_a_queue_that_is_gone_is_503_and_says_no_path(lmms, store):
    # Given a spool whose queue somebody took away
    lmms.queue()
    store.layout.state(State.QUEUED).rename(store.root / "aside")
    # When it is asked for, or a job is submitted, Then the caller is told to try again
    for answer in (lmms.client.get("/queue"), bare(lmms.client, json.dumps(REQUEST).encode())):
        assert answer.status_code == 503
        assert str(store.root) not in answer.text
        assert answer.headers["retry-after"] == "1"
    # and when it is back, all works
    (store.root / "aside").rename(store.layout.state(State.QUEUED))
    assert lmms.evaluate()["position_in_queue"] == 0
