"""The eval-jobqueue dialect over real HTTP: the original's contract to the letter, and what is ours beyond it."""

import json
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from spoolq import control
from spoolq.find import find
from spoolq.pools import release as release_on_disk
from spoolq.server import jobqueue
from spoolq.stock import add, drain, remove
from spoolq.store import Store
from spoolq.transitions import State
from tests.server.live import Live
from tests.spooltest.jobs import needed
from tests.spooltest.shelves import holders, stocked
from tests.spooltest.trees import assert_state, record_of
from tests.spooltest.waiting import wait_for

NOT_YOURS = {"detail": "Job not assigned to worker"}
OK = {"status": "ok"}
ROUTERS = ("login", "v1", "jobqueue")


@pytest.fixture
def live(store):
    """The dialect, beside `/api/v1`, on the spool of `store`, in a thread."""
    made = Live(store, routers=ROUTERS)
    yield made
    made.stop()


@pytest.fixture
def ask(live):
    """Ask the dialect: status and body."""

    def ask(method, path, **query):
        answer = live.client.request(method, path, params=query)
        return answer.status_code, answer.json()

    return ask


def job_of(answer):
    status, body = answer
    assert status == 200
    return body["job"]


def test_a_job_is_taken_beaten_for_and_done(store, ask):
    # Given a job and its pool
    stocked(store)
    stem = needed(store, "a_1", "7")
    # When a worker asks, Then it gets it in the original's form, and then nothing
    assert ask("GET", "/job", worker="w") == (
        200,
        {"job": {"id": "7", "payload": {"task": "t"}, "resource_type": "a_1"}},
    )
    assert ask("GET", "/job", worker="w") == (200, {"job": None})
    # and only that worker may speak for it
    assert ask("POST", "/job/7/heartbeat", worker="w") == (200, OK)
    for path, worker in (("/job/7/heartbeat", "v"), ("/job/8/heartbeat", "w"), ("/job//heartbeat", "w")):
        assert ask("POST", path, worker=worker) == (404, NOT_YOURS)
    assert ask("POST", "/done/7", worker="v") == (400, NOT_YOURS)
    assert ask("POST", "/done/8", worker="w") == (400, NOT_YOURS)
    # When it is done, Then it is, once
    assert ask("POST", "/done/7", worker="w") == (200, OK)
    assert ask("POST", "/done/7", worker="w") == (400, NOT_YOURS)
    assert ask("POST", "/job/7/heartbeat", worker="w") == (404, NOT_YOURS)
    assert record_of(store, stem.uuid)["outcome"] == "succeeded"


#: Calls that lack a parameter, and which.
LACKING = [
    ("GET", "/job", {}, ["worker"]),
    ("POST", "/job/7/heartbeat", {}, ["worker"]),
    ("POST", "/done/7", {}, ["worker"]),
    ("POST", "/fail/7", {}, ["worker"]),
    ("POST", "/heartbeat", {}, ["worker"]),
    ("POST", "/resource/a_1/acquire", {}, ["worker", "job_id"]),
    ("POST", "/resource/a_1/acquire", {"worker": "w"}, ["job_id"]),
    ("POST", "/resource/a_1/heartbeat", {}, ["worker", "job_id", "resource_idx"]),
    ("POST", "/resource/a_1/release", {"worker": "w", "job_id": "7"}, ["resource_idx"]),
]


def test_what_is_missing_in_the_query_is_told_as_the_framework_tells_it(ask):
    # Given calls without one of their parameters, When they are made, Then 422, and the list says which
    for method, path, query, missing in LACKING:
        status, body = ask(method, path, **query)
        assert status == 422
        assert [fault["loc"] for fault in body["detail"]] == [["query", name] for name in missing]
        assert {fault["type"] for fault in body["detail"]} == {"missing"}
        assert {fault["msg"] for fault in body["detail"]} == {"Field required"}


def test_an_index_that_is_no_number_is_told_too(ask):
    status, body = ask("POST", "/resource/a/release", worker="w", job_id="7", resource_idx="x")
    assert (status, body["detail"][0]["loc"], body["detail"][0]["type"]) == (
        422,
        ["query", "resource_idx"],
        "int_parsing",
    )


def test_resources_are_leased_kept_and_given_back(store, ask):
    # Given two resources
    stocked(store)
    lease = {"worker": "w", "job_id": "7"}
    # When they are leased, Then the lowest first, the same to who asks again, whether or not the job is its own
    assert ask("POST", "/resource/a_1/acquire", **lease) == (200, {"index": 0, "resource": {"host": "h", "port": 0}})
    assert ask("POST", "/resource/a_1/acquire", **lease)[1]["index"] == 0
    assert ask("POST", "/resource/a_1/acquire", worker="v", job_id="8")[1]["index"] == 1
    assert ask("POST", "/resource/a_1/acquire", worker="u", job_id="9") == (429, {"detail": "No resources available"})
    for kind in ("none", "a_2", "..", "a%2Fb", ".load.lock", "x" * 300):
        status, body = ask("POST", f"/resource/{kind}/acquire", **lease)
        assert (status, body["detail"]) in ((404, "Unknown resource type"), (404, "Not Found"))
    # When they are beaten for, Then only by who has them
    assert ask("POST", "/resource/a_1/heartbeat", **lease, resource_idx=0) == (200, OK)
    for wrong in ({"resource_idx": 1}, {"resource_idx": 0, "worker": "v"}, {"resource_idx": 0, "job_id": "8"}):
        assert ask("POST", "/resource/a_1/heartbeat", **{**lease, **wrong}) == (
            404,
            {"detail": "Resource lease not found"},
        )
        assert ask("POST", "/resource/a_1/release", **{**lease, **wrong}) == (
            404,
            {"detail": "Resource lease not found or mismatch"},
        )
    assert ask("POST", "/resource/none/heartbeat", **lease, resource_idx=0)[0] == 404
    # When one is given back, Then once, and it is the next one's
    assert ask("POST", "/resource/a_1/release", **lease, resource_idx=0) == (200, OK)
    assert ask("POST", "/resource/a_1/release", **lease, resource_idx=0)[0] == 404
    assert ask("POST", "/resource/a_1/acquire", worker="u", job_id="9")[1]["index"] == 0
    assert holders(store) == {0: ("u", "9"), 1: ("v", "8")}


def test_one_heartbeat_is_for_all_that_a_worker_has(store, ask):
    # Given a worker with two jobs and leases in two types
    for kind in ("a_1", "b_1"):
        stocked(store, kind)
    for number in range(3):
        needed(store, "a_1", str(number))
    for _ in range(2):
        ask("GET", "/job", worker="w")
    ask("GET", "/job", worker="v")
    for kind, job in (("a_1", "0"), ("a_1", "1"), ("b_1", "0")):
        ask("POST", f"/resource/{kind}/acquire", worker="w", job_id=job)
    # When it beats, Then all are counted; an unknown one has nothing
    assert ask("POST", "/heartbeat", worker="w") == (
        200,
        {
            "status": "ok",
            "jobs_heartbeated": 2,
            "resources_heartbeated": {"a_1": 2, "b_1": 1},
            "total_resources_heartbeated": 3,
        },
    )
    assert ask("POST", "/heartbeat", worker="nobody") == (
        200,
        {"status": "ok", "jobs_heartbeated": 0, "resources_heartbeated": {}, "total_resources_heartbeated": 0},
    )


def test_the_gold_order(store, ask):
    # Given the pools and jobs of the gold order
    stocked(store, "a_1", 2)
    stocked(store, "b_1", 1)
    for number in range(11):
        needed(store, "a_1", str(number), **({"attempts_before": 2} if number == 3 else {}))
    for number in range(11, 14):
        needed(store, "b_1", str(number))
    needed(store, "none", "14")
    # When sixteen are asked for, Then in this order
    order = [job_of(ask("GET", "/job", worker=f"w{n}")) for n in range(16)]
    assert [job and job["id"] for job in order] == [
        *("0", "11", "1", "10", "12", "2", "13", "4", "5", "6", "7", "8", "9", "3"),
        None,
        None,
    ]


def test_a_job_may_be_called_anything_printable(store, live):
    # Given jobs of any name, When a worker has one, Then it can be named in the path
    stocked(store)
    for job in ("a b", "team/x/1", "ü", "%2F", "?x=1", "#", "..", "7/heartbeat", "done"):
        stem = needed(store, "a_1", job)
        assert live.client.get("/job", params={"worker": "w"}).json()["job"]["id"] == job
        quoted = _quoted(job)
        assert live.client.post(f"/job/{quoted}/heartbeat", params={"worker": "w"}).json() == OK
        assert live.client.post(f"/job/{stem.uuid}/heartbeat", params={"worker": "w"}).json() == OK
        assert live.client.post(f"/done/{quoted}", params={"worker": "w"}).json() == OK
        assert record_of(store, stem.uuid)["external_id"] == job


def _quoted(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())


def test_a_report_is_kept_in_the_record(store, live):
    # Given a job, When its worker says done with a report, Then the record has it, and /api/v1 shows it
    stocked(store)
    stem = needed(store, "a_1", "7")
    live.client.get("/job", params={"worker": "w"})
    report = {"result": {"file": "x.json"}, "metrics": {"t": {"acc": 0.5}}}
    assert live.client.post("/done/7", params={"worker": "w"}, json=report).json() == OK
    record = record_of(store, stem.uuid)
    assert (record["result"], record["metrics"]) == (report["result"], report["metrics"])
    shown = live.get(f"/jobs/{stem.uuid}")
    assert (shown["metrics"], shown["worker"], shown["status"]) == (report["metrics"], "w", "completed")


#: Bodies that are no report, and what is said of them.
NO_REPORTS = [
    (b"{", "no valid JSON"),
    (b"[]", "a list"),
    (b'{"result": 7}', "`result`"),
    (b'{"metrics": {"t": 1}}', "`metrics.t`"),
    (b'{"results": {}}', "no such field"),
    (b'{"result": {"x": NaN}}', "NaN"),
    (b'{"result": ' + b'{"x":' * 40 + b"1" + b"}" * 41, "nested deeper"),
    (b'{"result": {"x": "\\ud800"}}', "surrogate"),
]


def test_a_report_that_is_none_is_refused_and_the_job_stays(store, live):
    # Given a job, When its worker says done with a body that is no report, Then 422, and it may say it better
    stocked(store)
    stem = needed(store, "a_1", "7")
    live.client.get("/job", params={"worker": "w"})
    for body, said in NO_REPORTS:
        answer = live.client.post("/done/7", params={"worker": "w"}, content=body)
        assert answer.status_code == 422 and said in answer.json()["detail"]
        assert_state(store, stem.uuid, State.RUNNING)
    assert live.client.post("/done/7", params={"worker": "w"}).json() == OK


def test_a_report_that_is_too_large_is_refused(store, live):
    stocked(store)
    needed(store, "a_1", "7")
    live.client.get("/job", params={"worker": "w"})
    report = {"result": {"x": "y" * (1 << 20)}}
    assert live.client.post("/done/7", params={"worker": "w"}, json=report).status_code == 413
    assert live.client.post("/job/7/heartbeat", params={"worker": "w"}).json() == OK


def test_a_worker_may_say_that_it_failed(store, ask):
    # Given a job that may run again after an exit, and one that may not
    stocked(store)
    again = needed(store, "a_1", "1", retry_on=["exit"], max_attempts=2)
    once = needed(store, "a_1", "2", priority="low")
    job_of(ask("GET", "/job", worker="w"))
    # When their worker says so, Then the one waits again, the other has ended
    assert ask("POST", "/fail/1", worker="v", error="no") == (400, NOT_YOURS)
    assert ask("POST", "/fail/1", worker="w", error="no") == (200, {"status": "ok", "job_status": "queued"})
    assert ask("POST", "/job/1/heartbeat", worker="w") == (404, NOT_YOURS)
    assert job_of(ask("GET", "/job", worker="w"))["id"] == "1"
    assert ask("POST", "/fail/1", worker="w", error="no scores", exit_code=3) == (
        200,
        {"status": "ok", "job_status": "failed"},
    )
    record = record_of(store, again.uuid)
    assert (record["error"], record["exit_code"], record["outcome"]) == ("no scores", 3, "exit")
    job_of(ask("GET", "/job", worker="w"))
    assert ask("POST", "/fail/2", worker="w")[1]["job_status"] == "failed"
    assert record_of(store, once.uuid)["error"] == "its worker gave no reason"


def test_a_worker_that_is_stopped_gives_its_job_back(store, ask):
    # Given a job that a worker has, When the worker is stopped, Then the job waits again, as after a loss
    stocked(store)
    needed(store, "a_1", "7")
    job_of(ask("GET", "/job", worker="w"))
    said = {"worker": "w", "error": "its worker was stopped", "outcome": "lost"}
    assert ask("POST", "/fail/7", **said) == (200, {"status": "ok", "job_status": "queued"})
    assert job_of(ask("GET", "/job", worker="v"))["id"] == "7"
    # and another word for it is none
    assert ask("POST", "/fail/7", worker="v", outcome="succeeded")[0] == 422


def test_a_request_for_a_worker_may_name_places_that_are_not_here(live):
    # Given a server that opens no directory to requests, When a worker's job names one, Then it is taken as it stands
    payload = {"output_dir": "/scores", "include_path": "/tasks", "tasks": ["a/b.yaml"]}
    record = live.post("/jobs", {"request": payload, "resource_type": "a_1"}, 201)
    assert record["request"] == payload
    live.post("/jobs", {"request": {**payload, "model": "m"}, "recipe": "lm-eval"}, 422)


def test_a_cancel_reaches_a_worker_at_its_next_word(store, live, ask):
    # Given a job that a worker has
    stocked(store)
    stem = needed(store, "a_1", "7")
    job_of(ask("GET", "/job", worker="w"))
    # When a person cancels it over /api/v1, Then it is cancelled at once, and the worker learns of it
    assert live.post(f"/jobs/{stem.uuid}/cancel")["status"] == "cancelled"
    assert ask("POST", "/job/7/heartbeat", worker="w") == (404, NOT_YOURS)
    assert ask("POST", "/done/7", worker="w") == (400, NOT_YOURS)
    assert ask("POST", "/heartbeat", worker="w")[1]["jobs_heartbeated"] == 0


def acquire_later(live, worker, wait, kind="a_1"):
    """A request that waits, in a thread; its answer, and when it came."""

    def go():
        with httpx.Client(base_url=live.base, trust_env=False, timeout=30) as client:
            query = {"worker": worker, "job_id": "j", "wait": wait}
            answer = client.post(f"/resource/{kind}/acquire", params=query)
            return answer.status_code, answer.json(), time.monotonic()

    pool = ThreadPoolExecutor(1)
    made = pool.submit(go)
    pool.shutdown(wait=False)
    return made


def waiting(live):
    """How many requests stand in the line."""
    return len(jobqueue.of(live.face).for_resources)


@pytest.fixture
def one_resource(store):
    """A pool that is there before the server, so that its watch knows it."""
    stocked(store, count=1)


def test_who_waits_has_a_resource_as_soon_as_it_is_given_back(store, one_resource, far_timers, live, ask):
    # Given a resource that is leased, and two that wait for it, one after the other
    ask("POST", "/resource/a_1/acquire", worker="w", job_id="j")
    first = acquire_later(live, "first", 20)
    wait_for(lambda: waiting(live) == 1)
    second = acquire_later(live, "second", 20)
    wait_for(lambda: waiting(live) == 2)
    # When it is given back, Then the first has it at once
    given = time.monotonic()
    ask("POST", "/resource/a_1/release", worker="w", job_id="j", resource_idx=0)
    status, body, came = first.result(10)
    assert (status, body["index"]) == (200, 0)
    assert came - given < 5
    assert not second.done() and waiting(live) == 1
    # When another process gives it back, Then the second has it, as fast as the watch hears
    given = time.monotonic()
    release_on_disk(store, "a_1", "first", "j", 0)
    assert second.result(10)[0] == 200
    assert second.result()[2] - given < 5
    wait_for(lambda: waiting(live) == 0)


def test_who_waits_in_vain_is_told_so(store, live, ask):
    # Given a resource that is leased for long, When somebody waits a moment, Then there was none
    stocked(store, count=1)
    ask("POST", "/resource/a_1/acquire", worker="w", job_id="j")
    began = time.monotonic()
    status, body, came = acquire_later(live, "v", 0.2).result(10)
    assert (status, body) == (429, {"detail": "No resources available"})
    assert 0.15 < came - began < 3
    # and nobody may wait for ever, or a strange time
    for wait in ("-1", "nan", "inf", "x"):
        assert ask("POST", "/resource/a_1/acquire", worker="v", job_id="j", wait=wait)[0] == 422
    assert jobqueue._LONGEST_S == 60


def test_a_longer_wait_is_as_long_as_it_may_be(store, live, ask, monkeypatch):
    monkeypatch.setattr(jobqueue, "_LONGEST_S", 0.1)
    stocked(store, count=1)
    ask("POST", "/resource/a_1/acquire", worker="w", job_id="j")
    assert acquire_later(live, "v", 1e9).result(10)[0] == 429


def test_a_new_resource_and_an_opened_type_serve_who_waits(store, live, ask):
    # Given somebody who waits while all is leased, and then drained
    stocked(store, count=1)
    ask("POST", "/resource/a_1/acquire", worker="w", job_id="j")
    first = acquire_later(live, "v", 20)
    wait_for(lambda: waiting(live) == 1)
    # When a resource is added, Then he has it
    add(store, "a_1", {"host": "h", "port": 1})
    assert first.result(10)[1]["index"] == 1
    # When a type is drained, Then nobody gets one, until it is opened
    ask("POST", "/resource/a_1/release", worker="v", job_id="j", resource_idx=1)
    drain(store, "a_1")
    second = acquire_later(live, "u", 20)
    wait_for(lambda: waiting(live) == 1)
    assert not second.done()
    drain(store, "a_1", on=False)
    assert second.result(10)[0] == 200


def test_a_type_that_goes_while_somebody_waits_is_unknown(store, live, ask):
    # Given somebody who waits for a drained type, When it is removed, Then he is told
    stocked(store, count=1)
    drain(store, "a_1")
    made = acquire_later(live, "v", 20)
    wait_for(lambda: waiting(live) == 1)
    remove(store, "a_1")
    assert made.result(10)[:2] == (404, {"detail": "Unknown resource type"})


def test_a_client_that_has_gone_gets_no_lease(store, live, ask):
    # Given a client that waits and goes, and another behind it
    stocked(store, count=1)
    ask("POST", "/resource/a_1/acquire", worker="w", job_id="j")
    with httpx.Client(base_url=live.base, trust_env=False, timeout=0.3) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/resource/a_1/acquire", params={"worker": "gone", "job_id": "j", "wait": 20})
    second = acquire_later(live, "v", 20)
    wait_for(lambda: waiting(live) == 2)
    # When the resource is given back, Then the other has it
    ask("POST", "/resource/a_1/release", worker="w", job_id="j", resource_idx=0)
    assert second.result(10)[0] == 200
    assert holders(store) == {0: ("v", "j")}


def test_many_wait_for_few_and_each_has_one_in_the_end(store, live):
    # Given twenty workers that share two resources, each waiting for one and giving it back
    stocked(store, count=2)
    held, most, lock = Counter(), [0], threading.Lock()

    def work(number):
        with httpx.Client(base_url=live.base, trust_env=False, timeout=60) as client:
            query = {"worker": f"w{number}", "job_id": "j"}
            answer = client.post("/resource/a_1/acquire", params={**query, "wait": 50})
            assert answer.status_code == 200, answer.text
            index = answer.json()["index"]
            with lock:
                held[index] += 1
                most[0] = max(most[0], held[index])
            time.sleep(0.01)
            with lock:
                held[index] -= 1
            assert client.post("/resource/a_1/release", params={**query, "resource_idx": index}).json() == OK

    # When all have had their turn, Then no resource ever had two holders
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))
    assert most[0] == 1
    assert holders(store) == {0: None, 1: None}


def ask_later(live, worker, wait):
    """A worker that waits for a job, in a thread: its job, and when it came."""

    def go():
        with httpx.Client(base_url=live.base, trust_env=False, timeout=30) as client:
            answer = client.get("/job", params={"worker": worker, "wait": wait})
            return answer.json()["job"], time.monotonic()

    pool = ThreadPoolExecutor(1)
    made = pool.submit(go)
    pool.shutdown(wait=False)
    return made


def test_a_worker_that_waits_has_a_job_as_soon_as_there_is_one(store, far_timers, live):
    # Given a pool, and two workers that wait for a job
    stocked(store)
    line = jobqueue.of(live.face).for_jobs
    first = ask_later(live, "first", 20)
    wait_for(lambda: len(line) == 1)
    second = ask_later(live, "second", 20)
    wait_for(lambda: len(line) == 2)
    # When a job comes, Then the first has it at once, and the other waits on
    came = time.monotonic()
    needed(store, "a_1", "7")
    job, when = first.result(10)
    assert job["id"] == "7" and when - came < 5
    assert not second.done()
    # When the queue is paused, Then nobody gets one; when it goes on, the other does
    control.pause(store, os.getuid())
    needed(store, "a_1", "8")
    time.sleep(0.05)
    assert not second.done()
    control.resume(store)
    assert second.result(10)[0]["id"] == "8"
    # and who waits in vain is told so
    assert ask_later(live, "third", 0.1).result(10)[0] is None


def test_every_job_goes_to_one_worker_of_two_servers(store, live):
    # Given sixty jobs, and two servers on one spool
    stocked(store)
    for number in range(60):
        needed(store, "a_1", str(number))
    other = Live(Store(store.root, host="host-b"), routers=ROUTERS)
    live.make_routes()
    other.make_routes()
    try:
        # When eight workers ask both of them at once
        def work(number):
            base = (live, other)[number % 2].base
            got = []
            with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
                while (job := client.get("/job", params={"worker": f"w{number}"}).json()["job"]) is not None:
                    got.append(job["id"])
                    # and end their jobs at the other one
                    where = (other, live)[number % 2].base
                    done = client.post(f"{where}/done/{job['id']}", params={"worker": f"w{number}"})
                    assert done.json() == OK
            return got

        with ThreadPoolExecutor(8) as pool:
            given = [job for got in pool.map(work, range(8)) for job in got]
    finally:
        other.stop()
    # Then each was given once, and all are done
    assert Counter(given) == Counter(str(number) for number in range(60))
    assert len(store.names(State.COMPLETED)) == 60


FAST = (
    '[jobqueue]\njob_heartbeat_timeout = "400ms"\nresource_heartbeat_timeout = "400ms"\n'
    'job_sweep_interval = "100ms"\nresource_sweep_interval = "100ms"\nstatistics_interval = "200ms"\n'
)


def test_a_server_takes_back_what_is_silent_and_says_what_there_is(serving):
    # Given a server with short time-outs, a job and a lease of a worker that goes silent, and a type without resources
    serving.settings(FAST)
    store = serving.store
    stocked(store)
    stem = needed(store, "a_1", "7")
    needed(store, "none", "8")
    serving.start()
    with serving.client() as client:
        assert client.get("/job", params={"worker": "w"}).json()["job"]["id"] == "7"
        client.post("/resource/a_1/acquire", params={"worker": "w", "job_id": "7"})
        # When it is heard of, Then it keeps them
        for _ in range(12):
            assert client.post("/heartbeat", params={"worker": "w"}).json()["jobs_heartbeated"] == 1
            time.sleep(0.05)
        # When it is silent, Then both are taken back, and it is told so
        wait_for(lambda: f"{stem}.json" in store.names(State.QUEUED), 20)
        wait_for(lambda: holders(store) == {0: None, 1: None}, 20)
        assert client.post("/job/7/heartbeat", params={"worker": "w"}).status_code == 404
        assert client.post("/done/7", params={"worker": "w"}).status_code == 400
    said = serving.said()
    assert "Job 7 reclaimed after heartbeat timeout (worker=w)" in said
    assert "freed (heartbeat timeout)" in said
    assert "Jobs: 2 | Pending jobs: 2 | In progress: 0 | Finished jobs: 0 | Resource pools: 1 | " in said
    assert "No resources of type none: 1 job waits for them in vain." in said


def test_a_restarted_server_forgets_nothing(serving):
    # Given a job and a lease of a worker
    store = serving.store
    stocked(store)
    needed(store, "a_1", "7")
    serving.start()
    query = {"worker": "w", "job_id": "7", "resource_idx": 0}
    with serving.client() as client:
        assert client.get("/job", params={"worker": "w"}).json()["job"]["id"] == "7"
        assert client.post("/resource/a_1/acquire", params=query).json()["index"] == 0
    # When the server is killed and started again
    serving.stop(signal.SIGKILL)
    serving.restart()
    # Then the worker has them still
    with serving.client() as client:
        assert client.post("/resource/a_1/acquire", params=query).json()["index"] == 0
        assert client.post("/heartbeat", params=query).json()["total_resources_heartbeated"] == 1
        assert client.post("/job/7/heartbeat", params=query).json() == OK
        assert client.post("/done/7", params=query).json() == OK
        assert client.post("/resource/a_1/release", params=query).json() == OK
    assert "Jobs:" in serving.said()


def test_a_spool_without_workers_hears_nothing_of_them(serving):
    # Given no pool, When a server has been up for a while, Then it has printed no statistics
    serving.settings(FAST)
    serving.start()
    with serving.client() as client:
        for _ in range(10):
            client.get("/api/v1/status")
            time.sleep(0.05)
        assert "Pending jobs" not in serving.said()
        # When a worker asks, Then it has
        assert client.get("/job", params={"worker": "w"}).json() == {"job": None}
        wait_for(lambda: "Pending jobs: 0" in serving.said(), 10)


def test_a_token_that_may_only_look_takes_no_job(store):
    # Given a server with a token for looking, When a job is asked for with it, Then it is refused, and waits
    stocked(store)
    stem = needed(store, "a_1", "7")
    made = Live(store, routers=ROUTERS, token="full" * 8, read_only_token="look" * 8)
    try:
        headers = {"Authorization": f"Bearer {'look' * 8}"}
        assert made.client.get("/job", params={"worker": "w"}, headers=headers).status_code == 403
        assert_state(store, stem.uuid, State.QUEUED)
        assert made.client.get("/job", params={"worker": "w"}).json()["job"]["id"] == "7"
    finally:
        made.stop()


def test_the_document_describes_the_routes(live):
    # Given the OpenAPI document, When it is read, Then it has every route with its refusals
    document = live.client.get("/openapi.json").json()
    paths = {path: set(methods) for path, methods in document["paths"].items() if not path.startswith("/api")}
    for path, method in (
        ("/job", "get"),
        ("/job/{job_id}/heartbeat", "post"),
        ("/done/{job_id}", "post"),
        ("/fail/{job_id}", "post"),
        ("/heartbeat", "post"),
        ("/resource/{resource_type}/acquire", "post"),
        ("/resource/{resource_type}/heartbeat", "post"),
        ("/resource/{resource_type}/release", "post"),
    ):
        assert method in paths[path]
    assert {"200", "404", "422", "429"} <= set(
        document["paths"]["/resource/{resource_type}/acquire"]["post"]["responses"]
    )
    assert "400" in document["paths"]["/done/{job_id}"]["post"]["responses"]
    json.dumps(document)


def test_the_disk_is_asked_not_remembered(store, ask):
    # Given a lease, When its file is removed by hand, Then it is gone for everybody
    stocked(store, count=1)
    ask("POST", "/resource/a_1/acquire", worker="w", job_id="j")
    (name,) = os.listdir(store.layout.pool("a_1"))
    store.layout.resource("a_1", name).unlink()
    assert ask("POST", "/resource/a_1/heartbeat", worker="w", job_id="j", resource_idx=0)[0] == 404
    assert ask("POST", "/resource/a_1/acquire", worker="w", job_id="j")[0] == 404
    # and a job that is moved by hand is nobody's
    stocked(store, count=1)
    stem = needed(store, "a_1", "7")
    job_of(ask("GET", "/job", worker="w"))
    store.layout.running(find(store, stem.uuid).running).rename(store.layout.queued(stem))
    assert ask("POST", "/job/7/heartbeat", worker="w") == (404, NOT_YOURS)
