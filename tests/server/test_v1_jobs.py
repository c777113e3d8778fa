"""`GET /api/v1/jobs`: the order, the filters, the pages; one job and its history."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest

from spoolq import control
from spoolq.names import parse_stamp
from spoolq.people import cancel
from spoolq.server import listing
from spoolq.submit import publish
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, retried, submitted

UNKNOWN = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


def lm(model="gpt2", tasks=("mmlu",)):
    """A request of lm-eval."""
    request = {"model": "hf", "tasks": list(tasks), "model_args": {"pretrained": model}}
    return {"request": request, "recipe": "lm-eval"}


@pytest.fixture
def every(store):
    """Jobs in every state: state -> ids in the order of a listing."""
    done = [ended(store, submitted(store)).stem.uuid for _ in range(2)]
    failed = ended(store, submitted(store), "exit").stem.uuid
    dropped = submitted(store)
    cancel(store, listing.parse_entry(State.QUEUED, f"{dropped}.json"))
    runs = claimed(store, submitted(store)).running.stem.uuid
    waits = [submitted(store, level).uuid for level in ("normal", "low", "urgent")]
    return {
        "running": [runs],
        "queued": [waits[2], waits[0], waits[1]],
        "ended": [dropped.uuid, failed, *reversed(done)],
        "completed": done[::-1],
        "failed": [failed],
        "cancelled": [dropped.uuid],
    }


def test_running_then_queued_in_order_of_service_then_ended_newest_first(live, every):
    page = live.get("/jobs")
    assert [job["job_id"] for job in page["jobs"]] == every["running"] + every["queued"] + every["ended"]
    assert page["next"] is None
    assert page["counts"] == {"queued": 3, "running": 1, "completed": 2, "failed": 1, "cancelled": 1}
    # And each has its place in the queue, and why it waits
    waiting = [job for job in page["jobs"] if job["status"] == "queued"]
    assert [job["position_in_queue"] for job in waiting] == [0, 1, 2]
    assert [job["reason"] for job in waiting][1:] == ["behind 1 queued job", "behind 2 queued jobs"]
    assert all(job["reason"] is None for job in page["jobs"] if job["status"] != "queued")


def test_why_a_job_is_held_is_its_reason(live, store):
    # Given a job that is not to run before a far day, When it is asked for, Then it says so, unless the queue is paused
    stem = submitted(store, not_before="2100-01-01T00:00:00+00:00")
    assert live.get(f"/jobs/{stem.uuid}")["reason"] == "not before 2100-01-01T00:00:00+00:00"
    assert live.get("/status")["waiting"][0]["reason"] == "not before 2100-01-01T00:00:00+00:00"
    control.pause(store, 0)
    assert live.get(f"/jobs/{stem.uuid}")["reason"] == "the queue is paused"


@pytest.mark.parametrize("states", [["failed"], ["completed"], ["queued"], ["running"], ["cancelled", "running"]])
def test_only_the_states_that_are_asked_for(live, every, states):
    wanted = [
        job for state in sorted(states, key="running queued cancelled completed failed".index) for job in every[state]
    ]
    assert live.ids(state=states) == wanted


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_pages_together_are_the_listing(live, every, limit):
    # Given a listing of eight, When it is read page by page
    found, cursor, pages = [], None, 0
    while True:
        page = live.get("/jobs", limit=limit, **({"cursor": cursor} if cursor else {}))
        found += [job["job_id"] for job in page["jobs"]]
        pages += 1
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["jobs"]) == limit
    # Then each job was met once, in order
    assert found == every["running"] + every["queued"] + every["ended"]
    assert pages == -(-8 // limit)


def test_a_cursor_holds_while_jobs_move_and_the_server_is_another(live, every, store):
    # Given the first page of the ended jobs
    ended_states = ["completed", "failed", "cancelled"]
    page = live.get("/jobs", state=ended_states, limit=2)
    assert [job["job_id"] for job in page["jobs"]] == every["ended"][:2]
    # When the last job of that page goes back to the queue, and a newer one ends
    retried(store, listing.parse_entry(State.FAILED, f"{page['jobs'][1]['run_dir'][5:]}.json"))
    ended(store, submitted(store, "urgent"))
    # Then the next page goes on where that one stopped
    live.face.moved()
    assert live.ids(state=ended_states, limit=2, cursor=page["next"]) == every["ended"][2:]


def test_a_cursor_that_is_none_is_refused(live):
    for cursor in ("x", "ZZZZ", "cMOk", "e" * 200, "cTIwMjY", "ä"):
        body = live.get("/jobs", 422, cursor=cursor)
        assert body["field"] == "cursor"
        assert body["detail"].startswith("cannot list")


def test_filters_of_what_a_record_says(live, store):
    # Given two models, two tasks, three recipes, and an end of each kind
    small = publish(store, lm("gpt2", ["mmlu", "arc_easy"]))
    large = publish(store, lm("gpt2-xl", ["arc_easy"]), "high")
    server = publish(store, {"model": "qwen", "tasks": ["mme"]})
    ended(store, publish(store, {"request": {"command": ["false"]}}), "exit")
    done = ended(store, submitted(store, "low", recipe="command")).stem
    # When they are asked for, Then only what fits is there
    assert live.ids(model="gpt2") == [small.uuid]
    assert live.ids(model="hf") == [large.uuid, small.uuid]
    assert live.ids(task="arc_easy") == [large.uuid, small.uuid]
    assert live.ids(task="arc") == []
    assert live.ids(recipe="lm-eval", task="mmlu") == [small.uuid]
    assert live.ids(outcome="succeeded") == [done.uuid]
    assert live.ids(priority="high") == [large.uuid]
    assert live.ids(priority="low") == [done.uuid]
    assert live.ids(q="QWEN") == [server.uuid]
    assert live.ids(q="arc_") == [large.uuid, small.uuid]
    assert live.ids(q=small.uuid[9:18]) == [small.uuid]
    assert live.ids(q="lm-ev") == [large.uuid, small.uuid]
    assert live.ids(model="nobody") == []


def test_from_when_to_when_they_were_submitted(live, store):
    # Given three jobs of three moments, one of them ended
    first, second = ended(store, submitted(store)).stem, submitted(store)
    third = submitted(store, "urgent")
    moments = [parse_stamp(stem.stamp) for stem in (first, second, third)]
    # When the time is bounded, Then the lower bound counts and the upper does not
    assert live.ids(since=moments[1].isoformat()) == [third.uuid, second.uuid]
    assert live.ids(until=moments[1].isoformat()) == [first.uuid]
    assert live.ids(since=moments[0].isoformat(), until=moments[2].isoformat()) == [second.uuid, first.uuid]
    assert live.ids(since=(moments[2] + timedelta(hours=1)).isoformat()) == []
    # And far from all jobs, in any zone or none, nothing breaks
    assert len(live.ids(since="0001-01-01T00:00:00+14:00", until="9999-12-31T23:59:59-14:00")) == 3
    assert live.ids(until="0500-01-01T00:00:00") == []
    assert live.ids(since="9999-12-31T23:59:59-14:00") == []


def test_a_query_that_means_nothing_names_its_field(live):
    for query, field in (
        ({"limit": 0}, "limit"), ({"limit": 501}, "limit"), ({"limit": "x"}, "limit"), ({"state": "gone"}, "state.0"),
        ({"priority": "top"}, "priority"), ({"outcome": "well"}, "outcome"), ({"since": "noon"}, "since"),
        ({"q": "x" * 501}, "q"),
    ):  # fmt: skip
        body = live.get("/jobs", 422, **query)
        assert body["field"] == field
        assert body["detail"].startswith(f"cannot use `{field}`: ")


def test_what_one_request_reads_is_bounded_and_the_cursor_goes_on(live, store, monkeypatch):
    # Given forty jobs of which the oldest alone is asked for, and requests that read ten records
    monkeypatch.setattr(listing, "_RECORDS", 10)
    wanted = ended(store, publish(store, lm("the one"))).stem.uuid
    for _ in range(39):
        ended(store, submitted(store))
    # When the pages are read on
    pages, cursor = [], None
    while not pages or cursor is not None:
        page = live.get("/jobs", model="the one", **({"cursor": cursor} if cursor else {}))
        pages.append([job["job_id"] for job in page["jobs"]])
        cursor = page["next"]
    # Then it is found in the end, and no page read more
    assert pages == [[], [], [], [wanted]]


def test_a_job_that_moves_during_the_listing_is_in_it_once(live, store):
    # Given jobs that are claimed and end all the while
    stems = [submitted(store) for _ in range(30)]
    with ThreadPoolExecutor(1) as runner:
        moves = runner.submit(lambda: [ended(store, stem) for stem in stems])
        # When listings are made meanwhile, Then each job is in each of them once
        while not moves.done():
            found = live.ids(limit=500)
            assert sorted(found) == sorted(stem.uuid for stem in stems)
        moves.result()


def test_one_job_by_its_id_a_beginning_of_it_or_as_the_last(live, store):
    first, last = submitted(store), submitted(store, "low")
    for name in (first.uuid, first.uuid[:13], first.uuid.upper()):
        assert live.get(f"/jobs/{name}")["job_id"] == first.uuid
    assert live.get("/jobs/last")["job_id"] == last.uuid
    ended(store, last)
    assert live.get("/jobs/last")["status"] == "completed"


def test_a_beginning_that_fits_several_jobs_names_them(live, store):
    stems = [submitted(store) for _ in range(17)]
    shared = next(a.uuid[0] for a, b in pairwise(sorted(stems, key=lambda stem: stem.uuid)) if a.uuid[0] == b.uuid[0])
    body = live.get(f"/jobs/{shared}", 404)
    assert body["detail"].startswith("cannot tell which job")
    assert set(body["candidates"]) == {stem.uuid for stem in stems if stem.uuid.startswith(shared)}


@pytest.mark.parametrize("path", ["", "/history", "/log", "/log/events"])
def test_a_job_that_is_not_there(live, path):
    for job in (UNKNOWN, "zz", "last", "night.json", "..%2f..%2fspoolq.toml"):
        body = live.get(f"/jobs/{job}{path}", 404)
        assert "not found" in body["detail"].lower()
        assert str(live.store.root) not in body["detail"]


def test_secrets_in_a_request_are_masked_everywhere(live, store):
    request = {"command": ["true"], "env": {"HF_TOKEN": "hf_secret", "PLAIN": "seen"}}
    waits = publish(store, {"request": request, "recipe": "command"})
    over = ended(store, publish(store, {"request": request}))
    for path in (
        "/jobs",
        "/status",
        f"/jobs/{waits.uuid}",
        f"/jobs/{over.stem.uuid}",
        f"/jobs/{over.stem.uuid}/history",
    ):
        answer = live.client.get(f"/api/v1{path}")
        assert "hf_secret" not in answer.text
    assert live.get(f"/jobs/{waits.uuid}")["request"]["env"] == {"HF_TOKEN": "***", "PLAIN": "seen"}


def test_history_tells_what_happened(live, store):
    over = ended(store, submitted(store), "exit").stem
    assert [event["event"] for event in live.get(f"/jobs/{over.uuid}/history")["events"]] == ["claimed", "finished"]
    assert live.get(f"/jobs/{submitted(store).uuid}/history") == {"events": []}


def test_what_cannot_be_read_says_so_without_saying_where(live, store):
    # Given a queued file that is none of a job's, as anybody may drop it
    stem = submitted(store)
    path = store.layout.queued(stem)
    path.unlink()
    path.symlink_to("/etc/passwd")
    # When it is looked at, Then it is told, without a path of this host
    record = live.get(f"/jobs/{stem.uuid}")
    assert record["error"].startswith("cannot read the job's file")
    assert str(store.root) not in str(record)
