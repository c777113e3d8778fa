"""`GET /api/v1/events`: what changes, as it changes, and what was missed."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx

from spoolq.find import find
from spoolq.people import cancel
from spoolq.server import feed as feeding
from spoolq.server import sse
from tests.server.live import Live, events
from tests.spooltest.jobs import claimed, conclude_as, ended, opened, submitted
from tests.spooltest.waiting import wait_for


def changes(found):
    return [(event.data["job_id"], event.data["status"]) for event in found if event.name == "change"]


def is_change(job, status):
    return lambda event: event.name == "change" and (event.data["job_id"], event.data["status"]) == (job, status)


def test_it_begins_with_the_queue_and_an_id_to_come_back_with(live, store):
    submitted(store), claimed(store, submitted(store)), ended(store, submitted(store))
    with events(live.client, "/api/v1/events") as stream:
        (first,) = stream.until(lambda event: event.name == "queue")
    assert first.id is not None and first.id.isdecimal()
    assert first.data["counts"] == {"queued": 1, "running": 1, "completed": 1, "failed": 0, "cancelled": 0}
    assert first.data["paused"] is False
    assert [job["progress"] for job in first.data["running"]] == [None]


def test_every_change_of_state_is_told(live, store):
    # Given somebody who listens
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        # When a job is submitted, claimed, and ends, by whoever
        stem = submitted(store)
        (queued,) = stream.until(is_change(stem.uuid, "queued"))
        attempt = opened(store, claimed(store, stem))
        running = stream.until(is_change(stem.uuid, "running"))[-1]
        conclude_as(store, attempt, "exit")
        failed = stream.until(is_change(stem.uuid, "failed"))[-1]
    # Then each is told with what a page needs, and ids that grow
    assert queued.data["position_in_queue"] == 0
    assert queued.data["model"] == "true"
    assert running.data["worker"] == "host-a.gpu0"
    assert (failed.data["outcome"], failed.data["error"]) == ("exit", "it ended as exit")
    assert 0 < int(queued.id) <= int(running.id) <= int(failed.id)
    assert abs(int(failed.id) / 1e9 - time.time()) < 60


def test_a_change_is_told_at_once(live, store):
    # Given somebody who listens, When jobs are submitted one after the other, Then each is told in well under a second
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        took = []
        for _ in range(5):
            began = time.monotonic()
            stem = submitted(store)
            stream.until(is_change(stem.uuid, "queued"))
            took.append(time.monotonic() - began)
    assert sorted(took)[2] < 0.5


def test_counts_pause_and_progress_are_told(live, store):
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        live.post("/pause")
        stream.until(lambda event: event.name == "queue" and event.data["paused"])
        stem = claimed(store, submitted(store)).running.stem
        stream.until(lambda event: event.name == "queue" and event.data["counts"]["running"] == 1)
        run = store.layout.run(stem.key)
        run.path.mkdir(parents=True)
        run.log.write_text("Running loglikelihood requests:  40%|####      | 4/10 [00:01<00:01,  3.0it/s]\n")
        event = stream.until(lambda event: event.name == "queue" and event.data["running"][0]["progress"])[-1]
    assert event.data["running"][0]["job_id"] == stem.uuid
    assert event.data["running"][0]["progress"]["percent"] == 40


def test_the_queue_is_told_at_most_once_a_second(live, store):
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        began, stems = time.monotonic(), [submitted(store) for _ in range(30)]
        found = stream.until(lambda event: event.name == "queue" and event.data["counts"]["queued"] == 30)
    assert sum(event.name == "queue" for event in found) <= (time.monotonic() - began) + 1
    assert {event.data["job_id"] for event in found if event.name == "change"} == {stem.uuid for stem in stems}


def test_who_comes_back_is_told_what_he_missed(live, store):
    # Given somebody who has heard of a job, and goes
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        first = submitted(store)
        last = stream.until(is_change(first.uuid, "queued"))[-1].id
    # When much happens meanwhile
    ended(store, first)
    second, third = submitted(store), submitted(store)
    cancel(store, find(store, second.uuid))
    # Then he is told each job that changed, once, as it is now, by header or by query, here or at another server
    other = Live(store)
    try:
        for server in (live, other):
            for how in ({"headers": {"Last-Event-ID": last}}, {"params": {"last_event_id": last}}):
                with events(server.client, "/api/v1/events", **how) as stream:
                    found = stream.until(is_change(second.uuid, "cancelled"))
                assert changes(found) == [
                    (first.uuid, "completed"), (third.uuid, "queued"), (second.uuid, "cancelled"),
                ]  # fmt: skip
                ids = [int(event.id) for event in found if event.name == "change"]
                assert ids == sorted(ids) and ids[0] >= int(last)
    finally:
        other.stop()


def test_who_has_heard_of_nothing_yet_misses_nothing_either(live, store):
    with events(live.client, "/api/v1/events") as stream:
        (first,) = stream.until(lambda event: event.name == "queue")
    stem = submitted(store)
    with events(live.client, "/api/v1/events", headers={"Last-Event-ID": first.id}) as stream:
        stream.until(is_change(stem.uuid, "queued"))


def test_an_id_that_is_none_is_no_id(live, store):
    # A browser sends what it has, and never stops: it must not be refused
    submitted(store)
    with events(live.client, "/api/v1/events", headers={"Last-Event-ID": "x" * 20}) as stream:
        assert changes(stream.until(lambda event: event.name == "queue")) == []
    assert live.get("/events", 422, last_event_id="x")["field"] == "last_event_id"


def test_two_hundred_listeners_share_one_look(live, store, monkeypatch):
    # Given two hundred who listen
    looks = 0
    proven = live.face.view.proven

    def counted(state):
        nonlocal looks
        looks += 1
        return proven(state)

    with ExitStack() as stack:
        limits = httpx.Limits(max_connections=250)
        client = stack.enter_context(httpx.Client(base_url=live.base, trust_env=False, timeout=60, limits=limits))
        streams = [stack.enter_context(events(client, "/api/v1/events")) for _ in range(200)]
        with ThreadPoolExecutor(20) as readers:
            list(readers.map(lambda stream: stream.until(lambda event: event.name == "queue"), streams))
            # When a job is submitted
            monkeypatch.setattr(live.face.view, "proven", counted)
            stem = submitted(store)
            heard = list(readers.map(lambda stream: stream.until(is_change(stem.uuid, "queued"))[-1].id, streams))
            monkeypatch.undo()
    # Then all are told the same, and the directories were looked at as often as for one
    assert len(heard) == 200 and len(set(heard)) == 1
    assert looks < 200


def test_who_reads_slowly_is_told_all_the_same_and_holds_up_nobody(live, store, monkeypatch):
    # Given a ring of four events, and one who does not read
    monkeypatch.setattr(feeding, "_RING", 4)
    with events(live.client, "/api/v1/events") as slow:
        slow.until(lambda event: event.name == "queue")
        with events(live.client, "/api/v1/events") as quick:
            quick.until(lambda event: event.name == "queue")
            stems = [submitted(store) for _ in range(50)]
            # When fifty jobs come, Then who reads hears of them, and the slow one too, when he reads at last
            quick.until(is_change(stems[-1].uuid, "queued"))
        found = slow.until(is_change(stems[-1].uuid, "queued"))
        assert {job for job, _ in changes(found)} == {stem.uuid for stem in stems}


def test_nobody_looks_when_nobody_listens(live, store):
    # Given looks that are counted, of which a reader makes one a second at least
    looks, proven = [time.monotonic()], live.face.view.proven
    live.face.view.proven = lambda state: looks.append(time.monotonic()) or proven(state)
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        seen = len(looks)
        wait_for(lambda: len(looks) > seen)
    # When the last listener has gone, Then there are soon none any more
    wait_for(lambda: time.monotonic() - looks[-1] > 2, 10)
    # And who comes later is told what changes from then on
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        stream.until(is_change(submitted(store).uuid, "queued"))


def test_a_stream_says_now_and_then_that_it_lives(live, monkeypatch):
    monkeypatch.setattr(sse, "_COMMENT_S", 0.1)
    with events(live.client, "/api/v1/events") as stream:
        stream.until(lambda event: event.name == "queue")
        reader = iter(stream)
        live.post("/pause")  # at most a second later, by when there were comments
        wait = time.monotonic() + 5
        while stream.comments < 2 and time.monotonic() < wait:
            live.post("/resume" if stream.comments else "/pause")
            next(reader)
    assert stream.comments >= 2


def test_errors_in_events_name_no_place_of_this_host(live, store):
    # Given a record whose error, which is ours, names a path
    entry = ended(store, submitted(store), "exit")
    path = store.layout.terminal(entry.state, entry.stem.key)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "error": f"cannot read {store.root}/runs/x"}))
    # When it is told, by an event and by a look, Then the path is one in the spool
    with events(live.client, "/api/v1/events", params={"last_event_id": "0"}) as stream:
        event = stream.until(is_change(entry.stem.uuid, "failed"))[-1]
    assert event.data["error"] == "cannot read runs/x"
    assert str(store.root) not in live.client.get(f"/api/v1/jobs/{entry.stem.uuid}").text
