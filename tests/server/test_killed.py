"""The server holds nothing: it is killed in the midst of things, it is two, it is asked by two hundred at once."""

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from spoolq.find import entries
from spoolq.jobs import current_record
from spoolq.transitions import TERMINAL, State
from tests.server.conftest import Served
from tests.server.live import events
from tests.spooltest.jobs import submitted
from tests.spooltest.trees import places
from tests.spooltest.waiting import wait_for


class Clients:
    """Sixteen that ask at once; whose connection breaks gets None."""

    def __init__(self, served: Served) -> None:
        self.client = served.client(limits=httpx.Limits(max_connections=32))
        self.answered = 0
        self._lock = threading.Lock()

    def post(self, path, body=None, **headers):
        try:
            answer = self.client.post(f"/api/v1{path}", json=body, headers=headers)
        except httpx.TransportError:
            return None
        with self._lock:
            self.answered += 1
        return answer

    def all_at_once(self, asked):
        """*asked* are the arguments of `post`; starts them, and returns what will give the answers in order."""
        pool = ThreadPoolExecutor(16)
        futures = [pool.submit(self.post, *arguments, **headers) for arguments, headers in asked]
        pool.shutdown(wait=False)
        return lambda: [future.result() for future in futures]


@pytest.fixture
def clients(served):
    """Makes Clients of `served`; closes them."""
    made = []

    def make():
        made.append(Clients(served))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


@pytest.mark.parametrize("answers", [1, 7, 25])
def test_submits_that_were_cut_off_and_are_sent_again_queue_one_job_each(served, clients, answers):
    # Given fifty submits under way, each with its key
    asked = [(("/jobs", {"command": ["echo", str(n)]}), {"Idempotency-Key": f"night {n}"}) for n in range(50)]
    asking = clients()
    first = asking.all_at_once(asked)
    # When the server is killed after some answers
    wait_for(lambda: asking.answered >= answers)
    served.kill()
    before = [answer.json()["job_id"] if answer else None for answer in first()]
    assert None in before
    # And is started again, and all are sent again
    served.restart()
    again = clients().all_at_once(asked)()
    # Then each is one job, the same that was answered before
    assert {answer.status_code for answer in again} <= {200, 201}
    after = [answer.json()["job_id"] for answer in again]
    assert all(old in (None, new) for old, new in zip(before, after, strict=True))
    assert len(set(after)) == 50
    assert places(served.store) == {job: [State.QUEUED] for job in after}
    assert [answer.json()["request"]["command"][1] for answer in again] == [str(n) for n in range(50)]


@pytest.mark.parametrize("answers", [1, 12])
def test_cancels_that_were_cut_off_are_done_or_not_begun(served, clients, answers):
    # Given forty jobs, and a cancel of each under way
    stems = [submitted(served.store) for _ in range(40)]
    asked = [((f"/jobs/{stem.uuid}/cancel",), {}) for stem in stems]
    asking = clients()
    first = asking.all_at_once(asked)
    # When the server is killed after some answers
    wait_for(lambda: asking.answered >= answers)
    served.kill()
    done = [stem.uuid for stem, answer in zip(stems, first(), strict=True) if answer is not None]
    # Then each job is in one state, and those that were answered are cancelled
    found = places(served.store)
    assert sorted(found) == sorted(stem.uuid for stem in stems)
    assert {tuple(states) for states in found.values()} <= {(State.QUEUED,), (State.CANCELLED,)}
    assert all(found[job] == [State.CANCELLED] for job in done)
    # And sent again, all are
    served.restart()
    again = clients().all_at_once(asked)()
    assert all(answer.status_code in (200, 409) for answer in again)
    cancelled = entries(served.store, [State.CANCELLED])
    assert len(cancelled) == 40
    assert all(current_record(served.store, entry)["outcome"] == "cancelled" for entry in cancelled)


def test_a_batch_that_was_cut_off_and_is_sent_again_is_whole(served, clients):
    # Given a batch of three hundred under way
    batch = {"jobs": [{"command": ["echo", str(n)]} for n in range(300)]}
    asking = clients()
    first = asking.all_at_once([(("/jobs/batch", batch), {"Idempotency-Key": "batch"})])
    # When the server is killed in the middle of it
    wait_for(lambda: len(places(served.store)) > 20)
    served.kill()
    assert first() == [None]
    half = places(served.store)
    assert 20 < len(half) < 300
    # And the batch is sent again with its key
    served.restart()
    answer = clients().post("/jobs/batch", batch, **{"Idempotency-Key": "batch"})
    # Then it is three hundred jobs, those from before among them
    ids = [job["job_id"] for job in answer.json()["jobs"]]
    assert answer.status_code == 201
    assert len(set(ids)) == 300
    assert set(half) <= set(ids)
    assert places(served.store) == {job: [State.QUEUED] for job in ids}


@pytest.fixture
def other(served, tmp_path):
    """A second server of the same spool."""
    second = Served(tmp_path / "second")
    second.path = served.path
    second.start()
    yield second
    second.kill()


def told(found):
    """The last that was told of each job: id of the event and state."""
    changes = [event for event in found if event.name == "change"]
    return {event.data["job_id"]: (event.id, event.data["status"]) for event in changes}


def test_two_servers_agree(served, other):
    # Given two servers of one spool, and somebody who listens at each
    rng = random.Random(8)
    with served.client() as here, other.client() as there:
        with events(here, "/api/v1/events") as first, events(there, "/api/v1/events") as second:
            for stream in (first, second):
                stream.until(lambda event: event.name == "queue")
            # When jobs are submitted, reordered and cancelled at the one, Then the other knows at its next request
            jobs = []
            for n in range(30):
                asked, asks = rng.sample([here, there], 2)
                level = rng.choice(["urgent", "high", "normal", "low"])
                document = {"request": {"command": ["echo", str(n)]}, "priority": level}
                job = asked.post("/api/v1/jobs", json=document).json()
                jobs.append(job["job_id"])
                assert asks.get(f"/api/v1/jobs/{job['job_id']}").json() == job
                if n % 3 == 0:
                    chosen = rng.choice(jobs)
                    asked.post(f"/api/v1/jobs/{chosen}/cancel")
                    assert asks.get(f"/api/v1/jobs/{chosen}").json()["status"] == "cancelled"
                if n % 5 == 0:
                    asks.put(f"/api/v1/jobs/{rng.choice(jobs)}/priority", json={"priority": "urgent"})
                pages = [client.get("/api/v1/jobs", params={"limit": 500}).json() for client in (here, there)]
                assert pages[0] == pages[1]
            ids = [job["job_id"] for job in pages[0]["jobs"] if job["status"] == "queued"]
            assert [here.get(f"/api/v1/jobs/{job}").json()["position_in_queue"] for job in ids] == list(range(len(ids)))
            # And both tell the same changes under the same ids
            last = here.post("/api/v1/jobs", json={"command": ["last"]}).json()["job_id"]

            def is_last(event):
                return event.name == "change" and event.data["job_id"] == last

            heard = [told(stream.until(is_last)) for stream in (first, second)]
        assert set(heard[0]) == set(heard[1]) == {*jobs, last}
        assert heard[0] == heard[1]


def test_what_one_was_told_the_other_goes_on_from(served, other):
    # Given somebody who listens at the one server until it is killed
    with served.client() as here, events(here, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        job = submitted(served.store).uuid
        last = stream.until(lambda event: event.name == "change")[-1].id
        served.kill()
    missed = submitted(served.store).uuid
    # When he goes on at the other, Then he misses nothing
    with other.client() as there, events(there, "/api/v1/events", headers={"Last-Event-ID": last}) as stream:
        found = stream.until(lambda event: event.name == "change" and event.data["job_id"] == missed)
    assert [event.data["job_id"] for event in found if event.name == "change"] in ([missed], [job, missed])


def test_streams_end_with_the_server(served):
    # Given streams of both kinds that would have no end
    job = submitted(served.store).uuid
    with served.client() as client, ExitStack() as stack:
        changes = stack.enter_context(events(client, "/api/v1/events"))
        printed = stack.enter_context(events(client, f"/api/v1/jobs/{job}/log/events"))
        changes.until(lambda event: event.name == "queue")
        # When the server is told to stop, Then they end, and it does, within its grace
        began = time.monotonic()
        served.stop()
        assert time.monotonic() - began < 3
        assert [event.name for event in changes] in ([], ["queue"])
        assert list(printed) == []
    assert "Traceback" not in served.said() and "timeout" not in served.said()


def test_two_hundred_who_poll_while_the_queue_is_worked_off_are_told_the_truth(served):
    # Given a hundred and twenty jobs and a runner
    count = 120
    store = served.store
    stems = [submitted(store) for _ in range(count)]
    argv = [sys.executable, "-m", "spoolq", "run", "--drain", "--spool", str(served.path)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as runner:
        # When two hundred clients poll, each a job until it has ended, and the queue as a whole
        seen = asyncio.run(poll(served.base, [stem.uuid for stem in stems], 200))
        assert runner.wait(60) == 0
    # Then each was told a way that the job can have gone, and the end
    assert len(seen) == 200
    for job, states, places_told in seen:
        assert states[-1] == "completed", job
        assert states == sorted(states, key=["queued", "running", "completed"].index)
        assert places_told == sorted(places_told, reverse=True)


async def poll(base, jobs, clients):
    """What each client saw: the job, its states in turn, its places in turn."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=60, limits=limits) as client:

        async def one(number):
            job, states, places_told = jobs[number % len(jobs)], [], []
            while not states or states[-1] not in TERMINAL:
                answer = await client.get(f"/api/v1/jobs/{job}")
                assert answer.status_code == 200, answer.text
                record = answer.json()
                assert record["job_id"] == job
                if not states or states[-1] != record["status"]:
                    states.append(record["status"])
                if record["position_in_queue"] is not None:
                    places_told.append(record["position_in_queue"])
                if number % 10 == 0:
                    page = (await client.get("/api/v1/jobs", params={"limit": 500})).json()
                    assert len({job["job_id"] for job in page["jobs"]}) == len(page["jobs"]) == len(jobs)
                    counts = Counter(job["status"] for job in page["jobs"])
                    assert sum(counts.values()) == len(jobs)
                await asyncio.sleep(0.02)
            return job, states, places_told

        return await asyncio.gather(*(one(number) for number in range(clients)))
